from __future__ import annotations

import base64
import io
import math
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.objects import Image


def _opened(image: Image) -> PIL.Image.Image:
    payload = image.encode().payload
    assert payload is not None
    return PIL.Image.open(io.BytesIO(payload))


def test_a_picture_tells_its_caption_format_and_sizes() -> None:
    image = Image(PIL.Image.new("RGB", (6, 4), "red"), caption="epoch 5")

    assert (image.caption, image.format, image.width, image.height) == ("epoch 5", "PNG", 6, 4)
    assert image.size == len(image.encode().payload or b"")
    assert repr(image) == f"Image(format='PNG', size={image.size}, caption='epoch 5')"
    assert image.json() == {
        "type": "image",
        "data": base64.b64encode(image.encode().payload or b"").decode(),
        "format": "PNG",
        "caption": "epoch 5",
        "width": 6,
        "height": 4,
    }


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([None, 1, 3, 4]), st.randoms(use_true_random=False))
def test_pixels_of_an_array_come_back(height: int, width: int, channels: int | None, random: object) -> None:
    shape = (height, width) if channels is None else (height, width, channels)
    pixels = np.random.default_rng(height * 100 + width).integers(0, 256, shape).astype(np.uint8)

    back = np.asarray(_opened(Image(pixels)))

    assert np.array_equal(back, pixels[:, :, 0] if channels == 1 else pixels)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]]),
        (np.array([[1.0005, -0.0005]]), [[255, 0]]),
        (np.array([[True, False]]), [[255, 0]]),
        (np.array([[0, 200]], dtype=np.int64), [[0, 200]]),
        (np.array([[0, 40000]], dtype=np.uint16), [[0, 40000]]),
        ([[0, 7]], [[0, 7]]),
    ],
)
def test_numbers_of_other_kinds_are_scaled(pixels: object, expected: list[list[int]]) -> None:
    assert np.asarray(_opened(Image(pixels))).tolist() == expected


class _Tensor:
    """As torch has it: channels first."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def detach(self) -> _Tensor:
        return self

    def cpu(self) -> _Tensor:
        return self

    def __array__(self, dtype: object = None) -> np.ndarray:  # as torch has it, which cannot be asked for a copy
        return self.values


def test_a_tensor_has_its_channels_first() -> None:
    image = Image(_Tensor(np.zeros((3, 4, 6), dtype=np.uint8)))

    assert (image.width, image.height) == (6, 4)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("of", ["array", "tensor"])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_channels_are_found_where_they_are(channels: int, of: str, *, batch: bool, first: bool) -> None:
    pixels = np.random.default_rng(channels).integers(0, 256, (8, 9, channels)).astype(np.uint8)
    given_pixels = pixels.transpose(2, 0, 1) if first else pixels
    given_pixels = given_pixels[None] if batch else given_pixels
    back = np.asarray(_opened(Image(_Tensor(given_pixels) if of == "tensor" else given_pixels)))

    assert np.array_equal(back, pixels[:, :, 0] if channels == 1 else pixels)


def test_where_channels_could_be_first_and_last_an_array_has_them_last() -> None:
    pixels = np.zeros((3, 5, 4), dtype=np.uint8)

    assert (Image(pixels).width, Image(pixels).height) == (5, 3)
    assert (Image(_Tensor(pixels)).width, Image(_Tensor(pixels)).height) == (4, 5)


@pytest.mark.parametrize(
    "pixels",
    [
        np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
        np.arange(12, dtype=np.int32).reshape(3, 4) * 20,
        np.arange(12, dtype=np.int32).reshape(3, 4) * 5000,
    ],
)
@pytest.mark.parametrize("format_", ["PNG", "BMP"])
def test_a_picture_of_numbers_is_the_array_that_it_holds(pixels: np.ndarray, format_: str) -> None:
    picture = PIL.Image.fromarray(pixels)
    of_picture, of_array = _opened(Image(picture, format_=format_)), _opened(Image(pixels, format_=format_))

    assert picture.mode in {"F", "I"}
    assert np.array_equal(np.asarray(of_picture), np.asarray(of_array))
    assert len(np.unique(np.asarray(of_array))) == 12


@pytest.mark.parametrize(
    ("pixels", "advice"),
    [
        ([[0.0, 1.05]], r"image\.clip\(0, 1\) cuts them off"),
        ([[0.0, math.nan]], "there are NaN among the pixels"),
        ([[[0, 0, 40000]]], "take image // 256"),
        ([[[100, 100, 355]]], "from 0 to 255, got 100 to 355$"),
    ],
)
def test_advice_on_pixels_out_of_range_leaves_a_picture(pixels: list[list[float]], advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        Image(np.array(pixels))


def test_a_picture_of_numbers_out_of_range_is_refused_as_its_array_is() -> None:
    with pytest.raises(ValueError, match=r"floats must lie from 0 to 1, got 0\.0 to 200\.0; divide them by 255"):
        Image(PIL.Image.fromarray(np.array([[0, 200]], dtype=np.float32)))


def test_16_bits_are_scaled_where_a_format_has_8() -> None:
    back = np.asarray(_opened(Image(np.array([[0, 40000, 65535]], dtype=np.uint16), format_="BMP")).convert("L"))

    assert back.tolist() == [[0, 156, 255]]


def test_16_bits_are_kept_in_whichever_order_their_bytes_are() -> None:
    pixels = np.array([[0, 1000], [40000, 65535]], dtype=">u2")
    picture = PIL.Image.frombytes("I;16B", (2, 2), pixels.tobytes())

    assert np.array_equal(np.asarray(_opened(Image(picture))), pixels)
    assert np.asarray(_opened(Image(picture, format_="BMP")).convert("L")).tolist() == [[0, 3], [156, 255]]


def _unseen(mode: str) -> PIL.Image.Image:
    """A black picture that is wholly transparent."""
    if mode in {"P", "L", "RGB"}:
        picture = PIL.Image.new(mode, (8, 8))
        picture.info["transparency"] = (0, 0, 0) if mode == "RGB" else 0
        return picture
    if mode == "PA":  # Pillow before 12 converts to it without the alpha
        picture = PIL.Image.new("PA", (8, 8))
        picture.putalpha(PIL.Image.new("L", (8, 8)))
        return picture
    return PIL.Image.new("RGBA", (8, 8)).convert(mode)


@pytest.mark.parametrize("format_", ["JPEG", "BMP"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "P", "L", "RGB"])
def test_what_is_transparent_is_white_where_a_format_has_no_transparency(mode: str, format_: str) -> None:
    pixels = np.asarray(_opened(Image(_unseen(mode), format_=format_)).convert("RGB"))

    assert pixels.min() >= 254


@pytest.mark.parametrize("format_", ["WEBP", "TIFF", "GIF", "PNG"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_what_is_transparent_stays_transparent(mode: str, format_: str) -> None:
    back = _opened(Image(_unseen(mode), format_=format_)).convert("RGBA")

    assert np.asarray(back)[:, :, 3].max() == 0


def _in_space(mode: str) -> PIL.Image.Image:
    red = PIL.Image.new("RGB", (4, 4), (200, 30, 40))
    if mode != "LAB":
        return red.convert(mode)
    colours, space = PIL.ImageCms.createProfile("sRGB"), PIL.ImageCms.createProfile("LAB")
    made = PIL.ImageCms.profileToProfile(red, colours, space, outputMode="LAB")
    assert made is not None
    return made


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB"])
@pytest.mark.parametrize("format_", ["PNG", "GIF"])
def test_colours_of_other_spaces_stay_what_they_are(mode: str, format_: str) -> None:
    pixels = np.asarray(_opened(Image(_in_space(mode), format_=format_)).convert("RGB")).astype(int)

    assert abs(pixels - [200, 30, 40]).max() <= 4


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_photograph_that_is_to_be_turned_is_seen_as_before_in_another_format(format_: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    lying = PIL.Image.new("RGB", (16, 8), "white")
    lying.paste("black", (0, 0, 8, 8))
    lying.save(file, format="JPEG", exif=exif)
    upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(file)).convert("L")).astype(int)

    images = [Image(PIL.Image.open(file), format_=format_), Image(file.getvalue(), format_=format_)]
    for shown in (PIL.ImageOps.exif_transpose(_opened(image)) for image in images):
        assert shown.size == (8, 16)
        assert abs(np.asarray(shown.convert("L")) - upright).max() < 40


def _moving() -> bytes:
    frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def test_a_file_of_several_pictures_is_kept_whole_or_refused() -> None:
    assert Image(_moving()).encode().payload == _moving()
    with pytest.raises(ValueError, match="the bytes hold 3 pictures, of which PNG would keep one"):
        Image(_moving(), format_="PNG")


def test_a_picture_of_pillows_is_the_frame_that_it_is_at() -> None:
    picture = PIL.Image.open(io.BytesIO(_moving()))
    picture.seek(2)

    assert _opened(Image(picture)).convert("RGB").getpixel((0, 0)) == (0, 0, 255)


def test_bytes_that_are_not_of_the_format_that_is_named_are_encoded_in_it() -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (4, 4), "red").save(file, format="PPM")

    assert _opened(Image(file.getvalue(), format_="png")).format == "PNG"
    for wrong in (b"", b"notes", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        with pytest.raises(ValueError, match="image: "):
            Image(wrong, format_="png")


class _Bfloat(_Tensor):
    """As torch has floats that NumPy does not know."""

    def cpu(self) -> _Bfloat:
        return self

    def detach(self) -> _Bfloat:
        return self

    def float(self) -> np.ndarray:
        return self.values

    def __array__(self, dtype: object = None) -> np.ndarray:
        raise TypeError("Got unsupported ScalarType BFloat16")


def test_floats_that_numpy_does_not_know_are_taken() -> None:
    assert np.asarray(_opened(Image(_Bfloat(np.array([[0.0, 1.0]]))))).tolist() == [[0, 255]]


class _Without(_Tensor):
    """As torch has tensors without values (``device="meta"``), and some that NumPy has no form for."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def detach(self) -> _Without:
        return self

    def cpu(self) -> _Without:
        raise self.error

    def __array__(self, dtype: object = None) -> np.ndarray:
        raise self.error


def test_pixels_are_copied_when_they_are_given() -> None:
    pixels = np.zeros((1, 1), dtype=np.uint8)
    image = Image(_Tensor(pixels))
    pixels += 255

    assert np.asarray(_opened(image)).tolist() == [[0]]


@pytest.mark.parametrize(
    ("image", "error", "says"),
    [
        (_Without(RuntimeError("no data!")), TypeError, "^image: _Without is no array of numbers: no data!$"),
        (_Without(TypeError("Use to_dense()")), TypeError, r"^image: _Without .*: Use to_dense\(\)$"),
        (np.zeros((8, 9, 2)), ValueError, r"\(8, 9, 2\); of two channels track each as a picture, or add a third"),
        (np.zeros((2, 8, 9)), ValueError, r"\(2, 8, 9\); of two channels"),
        (np.zeros((2, 3, 8, 9)), ValueError, "as a list: "),
        (np.full((2, 2, 3), -1.0), ValueError, r"got -1\.0 to -1\.0; take \(image \+ 1\) / 2"),
        (np.full((2, 2, 3), 1000), ValueError, "take image // 256"),
        (np.zeros((2, 2, 5)), ValueError, "shape"),
        (np.zeros((0, 2)), ValueError, "shape"),
        (np.array([[1.5]]), ValueError, "from 0 to 1"),
        (np.array([[float("nan")]]), ValueError, "NaN"),
        (np.array([[-1]]), ValueError, "from 0 to 255"),
        (np.array([["a"]]), TypeError, "numbers"),
        (object(), TypeError, "image: expected"),
        ([PIL.Image.new("L", (8, 9))] * 3, TypeError, r"several pictures; track them as a list: \[Image"),
        (b"no image", ValueError, "format_"),
    ],
)
def test_what_is_no_image_is_refused(image: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Image(image)


def test_a_missing_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Image(tmp_path / "none.png")


def test_an_unknown_format_and_a_wrong_quality_are_refused() -> None:
    with pytest.raises(ValueError, match="format_"):
        Image([[0]], format_="NOPE")
    with pytest.raises(ValueError, match="quality"):
        Image([[0]], quality=0)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_file_is_kept_byte_by_byte(tmp_path: Path, as_text: bool) -> None:
    path = tmp_path / "picture.bin"
    PIL.Image.new("L", (5, 3)).save(path, format="JPEG")

    image = Image(str(path) if as_text else path)

    assert image.encode().payload == path.read_bytes()
    assert (image.format, image.width, image.height) == ("JPEG", 5, 3)
    assert image.encode().mime_type == "image/jpeg"


def test_bytes_are_encoded_again_when_another_format_is_asked_for() -> None:
    source = io.BytesIO()
    PIL.Image.new("RGBA", (5, 3), (255, 0, 0, 100)).save(source, format="PNG")

    image = Image(source.getvalue(), format_="jpg")

    assert _opened(image).format == image.format == "JPEG"
    assert image.encode().suffix == "jpeg"


def test_bytes_of_no_known_kind_are_kept_when_their_format_is_named() -> None:
    image = Image(b"\x00\x01", format_="heic")

    assert (image.format, image.width, image.encode().payload) == ("HEIC", None, b"\x00\x01")


def test_a_later_change_of_the_picture_does_not_show() -> None:
    pixels = np.zeros((2, 2), dtype=np.uint8)
    picture = PIL.Image.new("L", (2, 2), 0)
    of_array, of_picture = Image(pixels), Image(picture)
    pixels[:] = 255
    picture.putpixel((0, 0), 255)

    assert np.asarray(_opened(of_array)).max() == 0
    assert np.asarray(_opened(of_picture)).max() == 0


def test_a_lower_quality_is_smaller() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3)).astype(np.uint8)

    assert Image(pixels, format_="JPEG", quality=10).size < Image(pixels, format_="JPEG", quality=95).size


def test_a_matplotlib_figure_becomes_a_picture() -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=50)
    figure.subplots().plot([1, 2])

    assert (Image(figure).width, Image(figure).height) == (100, 50)
