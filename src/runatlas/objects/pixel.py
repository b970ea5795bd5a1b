"""Arrays of pixels to pictures."""

from __future__ import annotations

from typing import Any

from runatlas.objects.trackable import numbers_of, require

__all__ = ["picture_of_array"]

_SLACK = 1e-3
"""How far beyond 0 and 1 a float may lie, as interpolation leaves it."""


_CHANNELS = {1, 3, 4}


def picture_of_array(image: Any) -> Any:
    """Make a Pillow picture of an array, a torch tensor or nested lists.

    Args:
        image: height x width, or with 1, 3 or 4 channels last or first, also as a batch of one. Where both could be,
            they are last, of a torch tensor first. Whole numbers from 0 to 255 (16 bits without channels), booleans, or
            floats from 0 to 1.

    Raises:
        TypeError: It is no array of numbers.
        ValueError: It has another shape or range.
    """
    pillow = require("PIL.Image", extra="media", purpose="tracking a picture")
    is_tensor = hasattr(image, "detach")
    if not is_tensor and not hasattr(image, "__array__") and not isinstance(image, (list, tuple)):
        raise TypeError(f"image: expected a picture, an array, a path or bytes, got {type(image).__name__}")
    pixels = numbers_of(image, "image", "tracking an array as a picture")
    return pillow.fromarray(_bytes_of(_last_channels(pixels, first=is_tensor)))


def _last_channels(pixels: Any, *, first: bool) -> Any:
    shape = pixels.shape
    if pixels.ndim == 4 and shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim == 3:
        can_be_first, can_be_last = pixels.shape[0] in _CHANNELS, pixels.shape[2] in _CHANNELS
        if can_be_first and (first or not can_be_last):
            pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.size and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in _CHANNELS)):
        return pixels
    raise ValueError(
        f"image: expected height x width, or 1, 3 or 4 channels last or first, got the shape {shape}{_advice(pixels)}"
    )


def _advice(pixels: Any) -> str:
    if pixels.ndim == 4:
        return "; track the pictures of a batch as a list: [Image(picture) for picture in batch]"
    if pixels.ndim == 3 and 2 in {pixels.shape[0], pixels.shape[2]}:
        return "; of two channels track each as a picture, or add a third"
    return ""


def _bytes_of(pixels: Any) -> Any:
    if pixels.dtype.kind == "b":
        return pixels.astype("uint8") * 255
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind == "f":
        if not (low >= -_SLACK and high <= 1 + _SLACK):
            advice = "; divide them by 255" if low >= 0 and 1 < high <= 255 else ""
            advice = "; take (image + 1) / 2" if -1 - _SLACK <= low < 0 and high <= 1 + _SLACK else advice
            raise ValueError(f"image: floats must lie from 0 to 1, got {low} to {high}{advice}")
        return (pixels.clip(0, 1) * 255).round().astype("uint8")
    if low >= 0 and high <= 255:
        return pixels.astype("uint8")
    if pixels.ndim == 2 and low >= 0 and high <= 65535:
        return pixels.astype("uint16")
    advice = "; take image // 256" if pixels.ndim == 3 and low >= 0 and high <= 65535 else ""
    raise ValueError(f"image: whole numbers must lie from 0 to 255, got {low} to {high}{advice}")
