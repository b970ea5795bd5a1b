"""Everything but numbers that swanlab 0.8 and 0.10 track: media of all kinds, and files of all sizes."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import pathlib
from typing import Any

import numpy as np
import swanlab
from PIL import Image

NEW = hasattr(swanlab, "Html")
MOLECULE = "HETATM    1  C1  UNL     1       0.000   0.000   0.000  1.00  0.00           C\nEND\n"
SECTIONS = {"hardware": False, "requirements": False, "git": False, "runtime": False, "monitor": False}


def make_gif(*levels: int) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("L", (2, 2), level) for level in levels]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def make_picture(level: int) -> Image.Image:
    return Image.new("RGB", (2, 3), (level, 0, 0))


class Chart:
    """What is taken for a chart: it can dump its options."""

    def dump_options(self) -> str:
        return json.dumps({"series": [1, 2]})


def log_pictures(kept: dict[str, Any]) -> None:
    make_picture(10).save("ten.png")
    kept["ten"] = base64.b64encode(pathlib.Path("ten.png").read_bytes()).decode()
    swanlab.log({"image/file": swanlab.Image("ten.png", caption="a file")}, step=0)
    swanlab.log({"image/array": swanlab.Image(np.zeros((4, 5, 3), np.uint8), caption="an array")}, step=0)
    swanlab.log_image(key="image/jpeg", data=make_picture(1), caption="shrunk", file_type="jpg", size=1, step=3)
    captions = [None, "second", None]
    pictures = [swanlab.Image(make_picture(level), caption=caption) for level, caption in enumerate(captions)]
    swanlab.log({"image/some": pictures}, step=1000)
    swanlab.log({"nested": {"image": swanlab.Image(make_picture(9))}, "beside": 1.0}, step=2)


def log_sounds(kept: dict[str, Any]) -> None:
    wave = np.sin(np.arange(800) / 5)[None, :]
    swanlab.log({"audio/array": swanlab.Audio(wave, sample_rate=8000, caption="a tone")}, step=0)
    swanlab.log_audio(key="audio/logged", data=wave / 2, sample_rate=8000, step=1)
    pathlib.Path("film.gif").write_bytes(make_gif(0, 255))
    kept["film"] = base64.b64encode(pathlib.Path("film.gif").read_bytes()).decode()
    swanlab.log({"video": swanlab.Video("film.gif", caption="a film")}, step=0)
    swanlab.log_video(key="video", data=make_gif(5, 6, 7), step=1)


def log_texts() -> None:
    swanlab.log({"text": swanlab.Text("one\ntwo ✓", caption="lines")}, step=0)
    swanlab.log_text(key="text", data=["a", "b"], caption=["first", "second"], step=1)
    swanlab.log_text(key="text", data="", step=2)
    swanlab.log_text(key="text", data="x" * 100_000, step=3)
    if NEW:
        pathlib.Path("page.html").write_text("<b>page</b>")
        swanlab.log({"html": swanlab.Html("page.html", caption="a page")}, step=0)
        swanlab.log_html(key="html", data="<i>raw ✓</i>", step=1)


def log_shapes() -> None:
    points = np.arange(12, dtype=float).reshape(4, 3)
    swanlab.log({"object3d/points": swanlab.Object3D(points, caption="points")}, step=0)
    swanlab.log_object3d(key="object3d/dict", data={"points": points, "boxes": []}, step=0)
    # Of a file, the client looks at its beginning.
    pathlib.Path("model.glb").write_bytes(b"glTF\x02\x00\x00\x00\x0c\x00\x00\x00")
    swanlab.log({"object3d/file": swanlab.Object3D("model.glb")}, step=0)
    pathlib.Path("one.pdb").write_text(MOLECULE)
    swanlab.log({"molecule": swanlab.Molecule("one.pdb", caption="carbon")}, step=0)
    swanlab.log_molecule(key="molecule", data="CO", step=1)
    swanlab.log({"chart/any": swanlab.ECharts(Chart(), caption="a chart")}, step=0)
    bar = swanlab.echarts.Bar()
    bar.add_xaxis(["a", "b"])
    bar.add_yaxis("counts", [3, 4])
    swanlab.log_echarts(key="chart/bar", data=bar, step=0)
    table = swanlab.echarts.Table()
    table.add(["name", "count"], [["a", 3]])
    swanlab.log({"chart/table": table}, step=0)


def log_numbers() -> None:
    """Numbers of other kinds, later ones, and what is no number."""
    swanlab.log({"number/numpy": np.float32(0.5), "number/int": np.int64(3), "number/bool": True}, step=0)
    values = [float("nan"), float("inf"), 1e308, -0.0]
    for step, value in enumerate(values):
        swanlab.log({"number/special": value}, step=step)
    swanlab.log({"number/word": "word"}, step=0)
    swanlab.log({"k" * 500: 1.0, "späte/größe €": 2.0}, step=0)
    if NEW:
        swanlab.define_metric("curve/*", x_axis="epoch", section_name="curves", hidden=False)
        for step in range(3):
            swanlab.log({"epoch": step * 10, "curve/y": step / 2}, step=step)
    run = swanlab.get_run()
    run.async_log(lambda: {"later": 4.0}, step=7).result()
    asyncio.run(log_in_a_loop(run))


async def log_in_a_loop(run: Any) -> None:
    async def compute() -> dict[str, float]:
        return {"later": 5.0}

    await asyncio.wrap_future(run.async_log(compute, step=8, mode="asyncio"))


def track(given: dict[str, Any], settings: Any, run_id: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    swanlab.init(project="material", workspace=given["team"], id=run_id, resume="allow", settings=settings)
    log_pictures(kept)
    log_sounds(kept)
    log_texts()
    log_shapes()
    log_numbers()
    swanlab.finish()
    return kept


def save_files(given: dict[str, Any]) -> dict[str, Any]:
    run = swanlab.init(project="material", workspace=given["team"], id="files", resume="allow", settings=given["quiet"])
    pathlib.Path("deep/größe").mkdir(parents=True)
    pathlib.Path("deep/größe/a b.txt").write_text("deep")
    pathlib.Path("empty.txt").touch()
    pathlib.Path("changed.txt").write_text("first")
    told = {"small": swanlab.save("deep/**/*.txt", policy="now"), "empty": run.save("empty.txt", policy="end")}
    told["nothing"] = swanlab.save("never-*.txt")
    swanlab.save("changed.txt", policy="end")
    pathlib.Path("changed.txt").write_text("second, and longer")
    pathlib.Path("many").mkdir()
    for number in range(150):
        pathlib.Path(f"many/{number:03}.bin").write_bytes(bytes([number]) * number)
    for tens in range(15):
        swanlab.save(f"many/{tens:02}*.bin", base_path="many", policy="now")
    with pathlib.Path("large.bin").open("wb") as file:
        file.truncate(given["large"])
        file.seek(0)
        file.write(b"begin")
        file.seek(-3, io.SEEK_END)
        file.write(b"end")
    swanlab.save("large.bin", policy="now")
    swanlab.finish()
    return told


def save_in_parts(given: dict[str, Any]) -> None:
    """A small file as if it were a large one: in many parts."""
    core = swanlab.Settings.Core(save_split=1000, save_part=100)
    probe = swanlab.Settings.Probe(**SECTIONS)
    settings = swanlab.Settings(core=core, probe=probe)
    swanlab.init(project="material", workspace=given["team"], id="parts", resume="allow", settings=settings)
    pathlib.Path("parts.bin").write_bytes(b"".join(number.to_bytes(2, "big") for number in range(1234)))
    swanlab.save("parts.bin", policy="now")
    swanlab.finish()


def main(given: dict[str, Any]) -> dict[str, Any]:
    swanlab.login(api_key=given["key"], host=given["host"])
    quiet = given["quiet"] = swanlab.Settings(probe=swanlab.Settings.Probe(**SECTIONS))
    told = {"kept": track(given, quiet, "media"), "files": save_files(given)}
    save_in_parts(given)
    if NEW:
        core = swanlab.Settings.Core(skip_store=True)
        track(given, swanlab.Settings(core=core, probe=swanlab.Settings.Probe(**SECTIONS)), "unstored")
    return told
