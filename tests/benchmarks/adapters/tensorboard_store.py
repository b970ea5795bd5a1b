"""TensorBoard: event files, one directory a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing import event_accumulator as reader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary import Writer
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util

from benchmarks import dataset
from benchmarks.adapters.base import Adapter
from benchmarks.dataset import RunData

__all__ = ["TensorboardAdapter"]


class TensorboardAdapter(Adapter):
    """``tensorboard.summary.Writer`` and ``EventAccumulator``; it keeps 32-bit floats."""

    def build(self, runs: Iterable[RunData]) -> None:
        """An event a value, the params as an hparams summary."""
        for data in runs:
            described = EventFileWriter(str(self.directory / data.name))
            described.add_event(Event(summary=hparams_pb(data.params, trial_id=data.name)))
            described.close()
            writer = Writer(str(self.directory / data.name))
            for key, values in data.metrics.items():
                for step, value in enumerate(values):
                    writer.add_scalar(key, value, step)
            writer.close()

    def _read(self, name: str) -> Any:
        sizes = {reader.SCALARS: 0, reader.TENSORS: 0}
        found = reader.EventAccumulator(str(self.directory / name), size_guidance=sizes)
        found.Reload()
        return found

    def _points(self, name: str, key: str) -> tuple[list[int], list[float]]:
        events = self._read(name).Tensors(key)
        values = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events]
        return [event.step for event in events], values

    def _row(self, name: str) -> tuple[str, dict[str, Any], dict[str, float]]:
        found = self._read(name)
        params: dict[str, Any] = {}
        last = {}
        for key in found.Tags()["tensors"]:
            if key == metadata.SESSION_START_INFO_TAG:
                content = found.SummaryMetadata(key).plugin_data.content
                info = metadata.parse_session_start_info_plugin_data(content)
                params = {param: getattr(each, each.WhichOneof("kind")) for param, each in info.hparams.items()}
            else:
                last[key] = float(tensor_util.make_ndarray(found.Tensors(key)[-1].tensor_proto))
        return name, params, last

    def totals(self) -> tuple[int, int]:
        """Count runs and points."""
        names = self.handles()
        keys = [(name, key) for name in names for key in self._row(name)[2]]
        return len(names), sum(len(self._points(name, key)[0]) for name, key in keys)

    def list_runs(self) -> list[tuple[str, dict[str, Any], dict[str, float]]]:
        """Read every event file: there is no index."""
        return [self._row(name) for name in self.handles()]

    def filter_runs(self) -> list[tuple[str, dict[str, Any], dict[str, float]]]:
        """Read every event file and choose."""
        return [
            row
            for row in self.list_runs()
            if row[1]["optimizer"] == dataset.MATCH_OPTIMIZER and row[2]["loss"] < dataset.MATCH_BELOW
        ]

    def history(self, run: str, key: str) -> tuple[list[int], list[float]]:
        """``EventAccumulator.Tensors``."""
        return self._points(run, key)

    def curves(self, key: str) -> tuple[int, list[float]]:
        """Read every event file."""
        columns: dict[str, list[Any]] = {"run": [], "step": [], "value": []}
        for name in self.handles():
            steps, values = self._points(name, key)
            columns["run"] += [name] * len(steps)
            columns["step"] += steps
            columns["value"] += values
        return len(set(columns["run"])), columns["value"]

    def handles(self) -> list[str]:
        """Return the directories; removing them is how runs are deleted, which is no work of its own."""
        return sorted(path.name for path in self.directory.iterdir() if path.is_dir())

    def tracker(self, name: str) -> _TensorboardTracker:
        """``Writer.add_scalar``."""
        return _TensorboardTracker(self.directory / name)


class _TensorboardTracker:
    def __init__(self, directory: Path) -> None:
        self._writer = Writer(str(directory))

    def log(self, row: dict[str, float], step: int) -> None:
        for key, value in row.items():
            self._writer.add_scalar(key, value, step)

    def close(self) -> None:
        self._writer.close()
