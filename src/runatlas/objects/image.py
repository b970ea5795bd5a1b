"""A tracked image."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, ClassVar

from runatlas.model.series import ColumnType
from runatlas.objects.trackable import Encoded, Trackable, base64_text, numbers_of, require

__all__ = ["Image"]

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
_MIME_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "SVG": "image/svg+xml",
}
_DEEP = {"PNG", "TIFF"}
"""Formats that hold 16 bits."""
_SNIFFED = {*(name for _, name in _SIGNATURES), "WEBP"}
_ALIASES = {"JPG": "JPEG", "TIF": "TIFF"}
_MODES = {
    "JPEG": {"L", "RGB"},
    "BMP": {"1", "L", "P", "RGB"},
    "GIF": {"1", "L", "P", "RGB", "RGBA"},
    "PNG": {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"},
    "TIFF": {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"},
}
"""The modes that a format holds as they are; others are converted."""
_OPAQUE = {"JPEG", "BMP"}
"""Formats that hold nothing transparent."""
_TURNED = {"PNG", "JPEG", "WEBP"}
"""Formats that hold how a picture is to be turned."""
_ORIENTATION = 0x0112


class Image(Trackable):
    """An image for ``run.track``.

    Bytes and files are kept as they are, unless ``format_`` names another format than theirs. Everything else is
    copied when the object is made, and encoded later. Of a PIL image with several frames that is the one it is at;
    what is transparent is white in JPEG and BMP.

    Args:
        image: A PIL image, an array (height x width, or with 1, 3 or 4 channels last or first, also as a batch of one;
            where both could be, they are last, of a torch tensor first), a path, encoded bytes, or a matplotlib figure.
            Arrays hold whole numbers from 0 to 255, booleans, or floats from 0 to 1; without channels also whole
            numbers up to 65535.
        caption: Shown beside it.
        format_: The format to encode in, such as ``"JPEG"``; ``None`` means PNG for what is not encoded yet.
        quality: 1 to 100, for formats that have it.
        optimize: Whether to look for the smallest encoding.

    Raises:
        ImportError: Pillow is needed and not installed.
        TypeError: ``image`` is none of these.
        ValueError: The array has another shape or range, the bytes are no image or several that the format does not
            hold, or the format is unknown.

    Example:
        >>> Image([[0, 255], [255, 0]]).width
        2
    """

    column_type: ClassVar[ColumnType] = "IMAGE"

    def __init__(
        self,
        image: Any,
        caption: str = "",
        format_: str | None = None,
        quality: int = 90,
        optimize: bool = False,
    ) -> None:
        if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
            raise ValueError(f"quality: expected a whole number from 1 to 100, got {quality!r}")
        self._caption = caption
        self._quality = quality
        self._optimize = optimize
        self._picture: Any = None
        self._payload: bytes | None = None
        self._width: int | None = None
        self._height: int | None = None
        wanted = None if format_ is None else _ALIASES.get(format_.upper(), format_.upper())
        payload = _read_bytes(image)
        if payload is None:
            self._format = wanted or "PNG"
            self._take_picture(image)
        else:
            self._take_bytes(payload, wanted)

    @property
    def caption(self) -> str:
        """What is shown beside the image."""
        return self._caption

    @property
    def format(self) -> str:
        """The format it is encoded in, such as ``PNG``."""
        return self._format

    @property
    def width(self) -> int | None:
        """Width in pixels; ``None`` when the bytes do not tell (Pillow is not installed)."""
        return self._width

    @property
    def height(self) -> int | None:
        """Height in pixels; ``None`` when the bytes do not tell (Pillow is not installed)."""
        return self._height

    @property
    def size(self) -> int:
        """Size of the encoded image in bytes."""
        return len(self._encoded())

    def encode(self) -> Encoded:
        """Return the image in the form it is stored in."""
        sizes = {"width": self._width, "height": self._height}
        return Encoded(
            payload=self._encoded(),
            suffix=self._format.lower(),
            mime_type=_MIME_TYPES.get(self._format, "application/octet-stream"),
            caption=self._caption,
            meta={"format": self._format} | {name: value for name, value in sizes.items() if value is not None},
        )

    def json(self) -> dict[str, Any]:
        """Return ``type``, base64 ``data``, ``format``, ``caption``, ``width`` and ``height``."""
        return {
            "type": "image",
            "data": base64_text(self._encoded()),
            "format": self._format,
            "caption": self._caption,
            "width": self._width,
            "height": self._height,
        }

    def __repr__(self) -> str:
        return f"Image(format={self._format!r}, size={self.size}, caption={self._caption!r})"

    def _take_bytes(self, payload: bytes, wanted: str | None) -> None:
        found = _sniff(payload)
        if not payload or (found is None and wanted is None):
            raise ValueError("image: the bytes are no image that is known; name its format with format_")
        # What begins otherwise than files of a format do is of another; of other formats only their name is known.
        if wanted not in {None, found} and (found is not None or wanted in _SNIFFED):
            self._format = wanted or "PNG"
            self._take_picture(_picture_in(payload, self._format))
            return
        self._format = found or wanted or "PNG"
        self._payload = payload
        self._width, self._height = _dimensions(payload)

    def _take_picture(self, image: Any) -> None:
        pillow = _pillow()
        pillow.init()
        if self._format not in pillow.SAVE:
            raise ValueError(f"format_: Pillow cannot write {self._format!r}; take PNG, JPEG, WEBP or GIF")
        picture = image.copy() if isinstance(image, pillow.Image) else picture_of_array(image)
        self._picture = _fitted(picture, self._format)
        self._width, self._height = self._picture.size

    def _encoded(self) -> bytes:
        if self._payload is None:
            target = io.BytesIO()
            options = {"format": self._format, "quality": self._quality, "optimize": self._optimize}
            turn = self._picture.getexif().get(_ORIENTATION, 1)
            if turn != 1:
                options["exif"] = exif = _pillow().Exif()
                exif[_ORIENTATION] = turn
            self._picture.save(target, **options)
            self._payload = target.getvalue()
        return self._payload


def _fitted(picture: Any, format_: str) -> Any:
    """Return a picture in a mode that a format holds, as it is seen."""
    pillow = _pillow()
    if format_ not in _TURNED:
        picture = require("PIL.ImageOps", extra="media", purpose="turning a picture").exif_transpose(picture)
    if picture.mode in {"F", "I"} or picture.mode.startswith("I;16"):
        # As the array that it is: Pillow would cut its numbers off instead of scaling them.
        numbers = require("numpy", extra="media", purpose="tracking a picture of numbers").asarray(picture)
        picture = picture_of_array(numbers) if picture.mode in {"F", "I"} else pillow.fromarray(numbers.astype("<u2"))
        if picture.mode == "I;16" and format_ not in _DEEP:
            picture = picture.point(lambda value: value / 256, "L")
    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.has_transparency_data and format_ in _OPAQUE:
        picture = pillow.alpha_composite(pillow.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    if "transparency" in picture.info and format_ not in {"PNG", "GIF"}:
        picture = picture.convert("RGBA")
    if picture.mode in _MODES.get(format_, {picture.mode}):
        return picture
    if picture.mode == "LAB":
        cms = require("PIL.ImageCms", extra="media", purpose="tracking a picture in LAB")
        profiles = (cms.createProfile("LAB"), cms.createProfile("sRGB"))
        return cms.profileToProfile(picture, *profiles, outputMode="RGB")
    converted = picture.convert("RGBA" if picture.has_transparency_data and format_ not in _OPAQUE else "RGB")
    if picture.mode == "CMYK":
        # It says what inks look like.
        converted.info.pop("icc_profile", None)
    return converted


def _picture_in(payload: bytes, format_: str) -> Any:
    """Open a file to encode it in another format."""
    try:
        picture = _pillow().open(io.BytesIO(payload))
    except OSError as error:
        raise ValueError(f"image: Pillow cannot read the bytes, to encode them as {format_}: {error}") from error
    count = getattr(picture, "n_frames", 1)
    # The others of an MPO, as telephones write it, are for the same picture.
    if count > 1 and picture.format != "MPO":
        raise ValueError(
            f"image: the bytes hold {count} pictures, of which {format_} would keep one; "
            "leave format_ out to keep them all, or take one by PIL.Image.open"
        )
    return picture


def _pillow() -> Any:
    return require("PIL.Image", extra="media", purpose="tracking a picture")


def _read_bytes(image: Any) -> bytes | None:
    """The encoded bytes of what has some already; ``None`` for pictures and arrays."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, (str, os.PathLike)):
        return Path(image).read_bytes()
    if hasattr(image, "savefig"):
        target = io.BytesIO()
        image.savefig(target, format="png")
        return target.getvalue()
    return None


def _sniff(payload: bytes) -> str | None:
    for signature, name in _SIGNATURES:
        if payload.startswith(signature):
            return name
    if payload[:4] == b"RIFF" and payload[8:12] == b"WEBP":
        return "WEBP"
    if b"<svg" in payload[:1000].lower():
        return "SVG"
    return None


def _dimensions(payload: bytes) -> tuple[int | None, int | None]:
    try:
        width, height = _pillow().open(io.BytesIO(payload)).size
    except (ImportError, OSError, ValueError):
        return None, None
    return width, height


_BRIGHT, _DIM = 8, 511
"""Up to where floats are brighter than white and not of 0 to 255, and whole numbers not of more than 8 bits."""
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
    if isinstance(image, (list, tuple)) and any(isinstance(item, pillow.Image) for item in image):
        # Three of them in grey would be taken for the channels of one.
        raise TypeError("image: got several pictures; track them as a list: [Image(picture) for picture in pictures]")
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
            if low != low:  # noqa: PLR0124 (NaN)
                raise ValueError("image: there are NaN among the pixels; numpy.nan_to_num makes them 0")
            advice = (
                "; divide them by 255" if low >= 0 and _BRIGHT < high <= 255 else "; image.clip(0, 1) cuts them off"
            )
            advice = "; take (image + 1) / 2" if -1 - _SLACK <= low < 0 and high <= 1 + _SLACK else advice
            raise ValueError(f"image: floats must lie from 0 to 1, got {low} to {high}{advice}")
        return (pixels.clip(0, 1) * 255).round().astype("uint8")
    if low >= 0 and high <= 255:
        return pixels.astype("uint8")
    if pixels.ndim == 2 and low >= 0 and high <= 65535:
        return pixels.astype("uint16")
    advice = "; take image // 256" if pixels.ndim == 3 and low >= 0 and _DIM < high <= 65535 else ""
    raise ValueError(f"image: whole numbers must lie from 0 to 255, got {low} to {high}{advice}")
