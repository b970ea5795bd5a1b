"""A small world of real runs: a team, a project, runs with numbers, media and logs."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from arro3.core import Array, DataType

from runatlas.backends.contract import Backend
from runatlas.model.batch import Batch
from runatlas.model.codec import make_context
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.project import ProjectDraft
from runatlas.model.run import Profile, RunDraft
from runatlas.model.series import ColumnClass, SeriesPoints

START = 1_715_769_600_000
"""The time of every series' first point, in Unix milliseconds; points follow one a second."""


def make_png(color: tuple[int, int, int]) -> bytes:
    """Make a PNG of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" + bytes(color))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def make_points(
    key: str,
    values: Sequence[float],
    *,
    steps: Sequence[int] | None = None,
    column_class: ColumnClass = "CUSTOM",
    context: Mapping[str, Any] | None = None,
) -> SeriesPoints:
    """Make points, one a step and a second."""
    numbers = list(range(len(values))) if steps is None else list(steps)
    return SeriesPoints(
        key,
        Array(numbers, DataType.int64()),
        Array(list(values), DataType.float64()),
        Array([START + 1000 * index for index in range(len(values))], DataType.int64()),
        column_class=column_class,
        context=make_context(context),
    )


@attrs.frozen
class World:
    """Where things are: ``{team}/my-project`` and its runs."""

    backend: Backend
    team: str
    project: ProjectPath

    def run(self, run_id: str) -> RunPath:
        """The path of a run."""
        return self.project.run(run_id)

    def add_run(self, run_id: str, **fields: Any) -> RunPath:
        """Make a run."""
        self.backend.create_run(RunDraft(self.project, id=run_id, **fields))
        return self.run(run_id)

    def add_points(self, run_id: str, *series: SeriesPoints) -> None:
        """Append points."""
        self.backend.append(Batch(self.run(run_id), points=series))

    def add_image(self, run_id: str, key: str, step: int, content: bytes, caption: str = "") -> None:
        """Log an image."""
        blob = self.backend.put_blob(self.project, io.BytesIO(content))
        item = MediaItem(
            f"media/image/{step:03d}-{blob.sha256[:8]}.png",
            sha256=blob.sha256,
            size=blob.size,
            mime_type="image/png",
            caption=caption,
        )
        self.backend.append(Batch(self.run(run_id), media=(MediaDraft(key, step, (item,), "IMAGE", time_ms=START),)))


def loss_values(count: int) -> list[float]:
    """A falling, wavy curve."""
    return [2.0 / (1 + step / 50) + 0.1 * math.sin(step) for step in range(count)]


def make_world(backend: Backend, team: str = "my-team") -> World:
    """Fill a store.

    Args:
        backend: Where to.
        team: The workspace, which is made.
    """
    backend.create_workspace(team, name="My Team", comment="We train.")
    project = ProjectPath(team, "my-project")
    backend.create_project(
        ProjectDraft("my-project", team, description="All about images", visibility="PUBLIC", labels=("cv", "v1"))
    )
    world = World(backend, team, project)
    world.add_run(
        "abc123",
        name="baseline v2",
        description="The first one",
        state="FINISHED",
        labels=("baseline", "cv"),
        group="resnet",
        job_type="train",
        config={"lr": 0.01, "param_2": 7, "net": {"depth": 18}},
        profile=Profile({"git": {"branch": "main"}}, "numpy==2.0", "name: base"),
        created_at_ms=START,
        finished_at_ms=START + 3_600_000,
    )
    world.add_points(
        "abc123",
        make_points("loss", loss_values(2000)),
        make_points("acc", [step / 200 for step in range(100)]),
        make_points("cpu", [50.0] * 3, column_class="SYSTEM"),
    )
    logs = [("INFO", "epoch 1"), ("DEBUG", "details"), ("WARN", "slow"), ("ERROR", "bad"), ("INFO", "epoch 2")]
    world.backend.append(
        Batch(world.run("abc123"), logs=tuple(LogDraft(text, level, time_ms=START) for level, text in logs))  # type: ignore[arg-type]
    )
    world.add_image("abc123", "generated_image", 5, make_png((255, 0, 0)), "red")
    world.add_image("abc123", "generated_image", 10, make_png((0, 255, 0)), "green")
    world.add_run("run_id_1", name="wide v2", state="RUNNING", config={"lr": 0.1, "param_2": 8})
    world.add_points("run_id_1", make_points("loss", [0.9, 0.8]), make_points("acc", [0.1]))
    world.add_run("run_id_2", name="deep v1", state="FINISHED", config={"lr": 0.001}, labels=("cv",))
    world.add_points("run_id_2", make_points("loss", [0.5]))
    world.add_run("run_id_3", name="broken", state="CRASHED")
    return world
