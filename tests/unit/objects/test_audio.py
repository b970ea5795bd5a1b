from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from runatlas.objects import Audio


def _frames(audio: Audio) -> tuple[int, int, list[int]]:
    with wave.open(io.BytesIO(audio.encode().payload or b"")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return file.getnchannels(), file.getframerate(), samples.tolist()


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_samples_of_16_bits_come_back(samples: list[int]) -> None:
    assert _frames(Audio(np.array(samples, dtype=np.int16), rate=8000)) == (1, 8000, samples)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0.0, 1.0, -1.0]), [0, 32767, -32767]),
        (np.array([0.0, 0.5]), [0, 16384]),
        (np.array([0.0, 4.0, -2.0]), [0, 32767, -16384]),
        (np.array([128, 255, 0], dtype=np.uint8), [0, 32512, -32768]),
        (np.array([0, 127, -128], dtype=np.int8), [0, 32512, -32768]),
        (np.array([0, 1, -1, 0.5], dtype=np.float16), [0, 32767, -32767, 16384]),
        (np.array([0, 2**31 - 1], dtype=np.int32), [0, 32767]),
        (np.array([-32768, 32767]), [-32768, 32767]),
        ([0, 5], [0, 5]),
    ],
)
def test_samples_of_other_kinds_are_scaled_only_if_they_must(samples: object, expected: list[int]) -> None:
    assert _frames(Audio(samples)) == (1, 22050, expected)


class _Tensor:
    """As torch has it."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def detach(self) -> _Tensor:
        return self

    def cpu(self) -> _Tensor:
        return self

    def __array__(self, dtype: object = None) -> np.ndarray:  # as torch has it, which cannot be asked for a copy
        return self.values


@pytest.mark.parametrize("shape", [(2, 100), (100, 2), (1, 2, 100), (1, 100, 2)])
@pytest.mark.parametrize("of", [np.asarray, _Tensor])
def test_the_few_of_many_are_the_channels(shape: tuple[int, ...], of: Callable[[np.ndarray], object]) -> None:
    samples = np.arange(200, dtype=np.int16).reshape(100, 2)
    given_samples = (samples if shape[-1] == 2 else samples.T).reshape(shape)

    assert _frames(Audio(of(given_samples), rate=100)) == (2, 100, list(range(200)))


@pytest.mark.parametrize("shape", [(50, 60), (2, 3, 100), (4, 2, 2, 2)])
def test_what_has_no_channels_that_can_be_told_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="channels last or first"):
        Audio(np.zeros(shape))


def test_channels_lie_last() -> None:
    audio = Audio(np.zeros((10, 2), dtype=np.int16), rate=16000)

    assert _frames(audio)[:2] == (2, 16000)
    assert audio.encode().meta == {"format": "wav", "rate": 16000}


def test_a_sound_tells_its_caption_format_and_json() -> None:
    audio = Audio(np.zeros(4), caption="sample", rate=100)

    assert (audio.caption, audio.format, audio.rate) == ("sample", "wav", 100)
    assert repr(audio) == f"Audio(format='wav', size={audio.size}, caption='sample')"
    assert audio.json() == {
        "type": "audio",
        "data": base64.b64encode(audio.encode().payload or b"").decode(),
        "format": "wav",
        "caption": "sample",
        "rate": 100,
    }


def test_a_file_bytes_and_a_stream_are_kept_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "sound.MP3"
    path.write_bytes(b"ID3abc")

    assert (Audio(path).format, Audio(path).encode().payload) == ("mp3", b"ID3abc")
    assert (Audio(str(path), "ogg").format, Audio(b"ID3abc").format, Audio(b"fLaC").format) == ("ogg", "mp3", "flac")
    assert Audio(io.BytesIO(b"abc")).encode().payload == b"abc"
    assert Audio(b"abc").format == ""
    assert Audio(path).encode().mime_type == "audio/mpeg"


def test_other_formats_are_encoded_by_soundfile() -> None:
    samples = (np.sin(np.linspace(0, 100, 2000)) * 20000).astype(np.int16)

    back, rate = soundfile.read(io.BytesIO(Audio(samples, "flac", rate=8000).encode().payload or b""), dtype="int16")

    assert rate == 8000
    assert np.array_equal(back, samples)


def _written(content: bytes) -> io.BytesIO:
    """A stream as it is after writing: at its end."""
    stream = io.BytesIO()
    stream.write(content)
    return stream


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((np.zeros((2, 2, 2)),), ValueError, "shape"),
        ((np.zeros(0),), ValueError, "shape"),
        ((np.array([float("inf")]),), ValueError, "finite"),
        ((np.array(["a"]),), TypeError, "numbers"),
        ((object(),), TypeError, "data: expected"),
        ((io.StringIO("text"),), TypeError, "bytes"),
        ((b"",), ValueError, "data: expected a sound, got no bytes"),
        ((_written(b"RIFF"),), ValueError, r"call seek\(0\)"),
        ((np.zeros(2), "xyz"), ValueError, "format_"),
        ((np.zeros(2), "mp3", "", 12345), ValueError, "sample rates of 8000"),
        ((np.zeros((100, 12)), "flac", "", 8000), ValueError, "12 channels"),
        ((np.zeros(2), "wav", "", 0), ValueError, "rate"),
    ],
)
def test_what_is_no_sound_is_refused(arguments: tuple[object, ...], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Audio(*arguments)  # type: ignore[arg-type]
