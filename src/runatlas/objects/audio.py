"""A tracked sound."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path
from typing import Any, ClassVar

from runatlas.model.series import ColumnType
from runatlas.objects.trackable import Encoded, Trackable, base64_text, numbers_of, require

__all__ = ["Audio"]

_RATE = 22050
_CHANNELS = 32
_PEAK = 32767
_MIME_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "ogg": "audio/ogg", "opus": "audio/opus"}
_SIGNATURES = ((b"fLaC", "flac"), (b"OggS", "ogg"), (b"ID3", "mp3"), (b"\xff\xfb", "mp3"), (b"\xff\xf3", "mp3"))


class Audio(Trackable):
    """A sound for ``run.track``.

    Bytes, files and streams are kept as they are. An array is copied when the object is made, and encoded later: as
    16-bit WAV, or in another format by soundfile.

    Args:
        data: A path, encoded bytes, a binary stream, or an array of samples (one channel, or up to 32 of
            them last or first, whichever are few). Floats lie from -1 to 1, whole numbers have 16 bits, those of one
            byte 8; beyond that, all are divided by the largest.
        format_: Such as ``"wav"`` or ``"mp3"``; told from the path or the bytes if left out.
        caption: Shown beside it.
        rate: Samples a second of an array, 22050 if left out.

    Raises:
        ImportError: A package is needed that is not installed.
        TypeError: ``data`` is none of these.
        ValueError: The array has another shape, the rate is no positive number, there are no bytes, or the format does
            not hold such a sound.

    Example:
        >>> sound = Audio(b"RIFF....WAVE", caption="sample")
        >>> sound.format
        'wav'
    """

    column_type: ClassVar[ColumnType] = "AUDIO"

    def __init__(self, data: Any, format_: str = "", caption: str = "", rate: int | None = None) -> None:
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int) or rate < 1):
            raise ValueError(f"rate: expected a whole number of samples a second, got {rate!r}")
        self._caption = caption
        self._rate = rate
        self._format = format_.lower().lstrip(".")
        self._samples: Any = None
        self._payload = _read_bytes(data)
        if self._payload is None:
            self._take_array(data)
        else:
            suffix = Path(data).suffix.lower().lstrip(".") if isinstance(data, (str, os.PathLike)) else ""
            self._format = self._format or suffix or _sniff(self._payload)

    @property
    def caption(self) -> str:
        """What is shown beside the sound."""
        return self._caption

    @property
    def format(self) -> str:
        """The format it is encoded in, such as ``wav``; ``""`` when the bytes do not tell."""
        return self._format

    @property
    def rate(self) -> int | None:
        """Samples a second, if they were given or counted."""
        return self._rate

    @property
    def size(self) -> int:
        """Size of the encoded sound in bytes."""
        return len(self._encoded())

    def encode(self) -> Encoded:
        """Return the sound in the form it is stored in."""
        return Encoded(
            payload=self._encoded(),
            suffix=self._format or "bin",
            mime_type=_MIME_TYPES.get(self._format, "application/octet-stream"),
            caption=self._caption,
            meta={"format": self._format} | ({} if self._rate is None else {"rate": self._rate}),
        )

    def json(self) -> dict[str, Any]:
        """Return ``type``, base64 ``data``, ``format``, ``caption`` and ``rate``."""
        return {
            "type": "audio",
            "data": base64_text(self._encoded()),
            "format": self._format,
            "caption": self._caption,
            "rate": self._rate,
        }

    def __repr__(self) -> str:
        return f"Audio(format={self._format!r}, size={self.size}, caption={self._caption!r})"

    def _take_array(self, data: Any) -> None:
        self._samples = _samples_of(data)
        self._rate = self._rate or _RATE
        self._format = self._format or "wav"
        if self._format != "wav":
            soundfile = require("soundfile", extra="media", purpose=f"encoding {self._format}")
            if self._format.upper() not in soundfile.available_formats():
                raise ValueError(f"format_: soundfile cannot write {self._format!r}; take wav, flac, ogg or mp3")
            try:
                soundfile.write(io.BytesIO(), self._samples[:1], self._rate, format=self._format.upper())
            except RuntimeError as error:
                channels = 1 if self._samples.ndim == 1 else self._samples.shape[1]
                raise ValueError(
                    f"format_: {self._format} cannot hold {channels} channels of {self._rate} samples a second: {error}"
                ) from error

    def _encoded(self) -> bytes:
        if self._payload is None:
            target = io.BytesIO()
            rate = self._rate or _RATE
            if self._format == "wav":
                _write_wave(target, self._samples, rate)
            else:
                soundfile = require("soundfile", extra="media", purpose=f"encoding {self._format}")
                soundfile.write(target, self._samples, rate, format=self._format.upper())
            self._payload = target.getvalue()
        return self._payload


def _read_bytes(data: Any) -> bytes | None:
    """The encoded bytes of what has some already; ``None`` for arrays."""
    payload = _bytes_of(data)
    if payload == b"":
        advice = "; the stream is at its end, call seek(0) first" if hasattr(data, "tell") and data.tell() else ""
        raise ValueError(f"data: expected a sound, got no bytes{advice}")
    return payload


def _bytes_of(data: Any) -> bytes | None:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, (str, os.PathLike)):
        return Path(data).read_bytes()
    if hasattr(data, "read"):
        payload = data.read()
        if not isinstance(payload, bytes):
            raise TypeError("data: expected a stream opened for bytes, not for text")
        return payload
    return None


def _sniff(payload: bytes) -> str:
    if payload[:4] == b"RIFF" and payload[8:12] == b"WAVE":
        return "wav"
    return next((name for signature, name in _SIGNATURES if payload.startswith(signature)), "")


def _samples_of(data: Any) -> Any:
    """The samples as 16-bit whole numbers, time first."""
    numpy = require("numpy", extra="media", purpose="tracking an array as a sound")
    is_tensor = hasattr(data, "detach")
    if not is_tensor and not hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        raise TypeError(f"data: expected a path, bytes, a stream or an array of samples, got {type(data).__name__}")
    samples = numbers_of(data, "data", "tracking an array as a sound")
    shape = samples.shape
    if samples.ndim == 3 and shape[0] == 1:
        samples = samples[0]
    if samples.ndim == 2:
        rows, columns = samples.shape
        # Few of many are the channels, wherever they are; else they are last, of a tensor first.
        is_clear = min(rows, columns) <= _CHANNELS < max(rows, columns)
        if rows < columns if is_clear else is_tensor:
            samples = samples.T
    if samples.ndim not in {1, 2} or not samples.size or (samples.ndim == 2 and samples.shape[1] > _CHANNELS):
        raise ValueError(
            f"data: expected one channel, or up to {_CHANNELS} channels last or first, got the shape {shape}"
        )
    return _scaled(numpy, samples)


def _scaled(numpy: Any, samples: Any) -> Any:
    if samples.dtype.kind == "b":
        raise TypeError("data: expected an array of numbers, got one of booleans")
    kind, width = samples.dtype.kind, samples.dtype.itemsize
    if kind == "i" and width == 2:
        return samples
    if kind == "f":
        # Half floats cannot count to 32767.
        samples = samples.astype(numpy.float64)
        peak = float(numpy.abs(samples).max())
        if not numpy.isfinite(peak):
            raise ValueError("data: samples must be finite")
        return (samples / max(peak, 1.0) * _PEAK).round().astype(numpy.int16)
    if width == 1:
        return (samples.astype(numpy.int16) - (128 if kind == "u" else 0)) * numpy.int16(256)
    if samples.min() >= -_PEAK - 1 and samples.max() <= _PEAK:
        return samples.astype(numpy.int16)
    peak = int(numpy.abs(samples.astype(numpy.float64)).max())
    return (samples / peak * _PEAK).round().astype(numpy.int16)


def _write_wave(target: io.BytesIO, samples: Any, rate: int) -> None:
    with wave.open(target, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
