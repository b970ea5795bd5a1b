"""Arrays of pixels to pictures."""

from __future__ import annotations

from typing import Any

from runatlas.objects.trackable import require

__all__ = ["picture_of_array"]

_SLACK = 1e-3
"""How far beyond 0 and 1 a float may lie, as interpolation leaves it."""


def picture_of_array(image: Any) -> Any:
    """Make a Pillow picture of an array, a torch tensor or nested lists.

    Args:
        image: height x width, or with 1, 3 or 4 channels last (first, if it is a torch tensor); whole numbers from 0 to
            255 (16 bits without channels), booleans, or floats from 0 to 1.

    Raises:
        TypeError: It is no array of numbers.
        ValueError: It has another shape or range.
    """
    pillow = require("PIL.Image", extra="media", purpose="tracking a picture")
    pixels = _bytes_of(_last_channels(_array_of(image)))
    return pillow.fromarray(pixels)


def _array_of(image: Any) -> Any:
    numpy = require("numpy", extra="media", purpose="tracking an array as a picture")
    first = hasattr(image, "detach")
    if first:
        image = image.detach().cpu()
    elif not hasattr(image, "__array__") and not isinstance(image, (list, tuple)):
        raise TypeError(f"image: expected a picture, an array, a path or bytes, got {type(image).__name__}")
    pixels = numpy.array(image)
    if pixels.dtype.kind not in "buif":
        raise TypeError(f"image: expected an array of numbers, got one of {pixels.dtype}")
    return numpy.moveaxis(pixels, 0, -1) if first and pixels.ndim == 3 else pixels


def _last_channels(pixels: Any) -> Any:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.size and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in {3, 4})):
        return pixels
    raise ValueError(f"image: expected height x width, or 1, 3 or 4 channels last, got the shape {pixels.shape}")


def _bytes_of(pixels: Any) -> Any:
    if pixels.dtype.kind == "b":
        return pixels.astype("uint8") * 255
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind == "f":
        if not (low >= -_SLACK and high <= 1 + _SLACK):
            raise ValueError(f"image: floats must lie from 0 to 1, got {low} to {high}")
        return (pixels.clip(0, 1) * 255).round().astype("uint8")
    if low >= 0 and high <= 255:
        return pixels.astype("uint8")
    if pixels.ndim == 2 and low >= 0 and high <= 65535:
        return pixels.astype("uint16")
    raise ValueError(f"image: whole numbers must lie from 0 to 255, got {low} to {high}")
