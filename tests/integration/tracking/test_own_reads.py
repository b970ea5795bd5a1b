"""A run reads what it wrote itself; what needs no request waits for nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from runatlas import Repo, Run
from runatlas.errors import NotSupportedError
from runatlas.tracking.recorder import Recorder


def test_only_what_asks_the_store_waits_for_what_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    flush = Recorder.flush

    def counted(self: Recorder, timeout: float | None) -> object:
        waits.append(timeout)
        return flush(self, timeout)

    monkeypatch.setattr(Recorder, "flush", counted)
    with Run("r", repo=tmp_path, config={"lr": 0.1}, tags=["t"], capture_terminal_logs=False) as run:
        run.log({"a": 1.0})
        known = (run.url, run.path, run.name, run.config, run.tags, run.state, run.props, run.duration, repr(run))
        pending = (run.columns(), run.artifact("x"), run._handle.backend.location, run._handle.backend.web_url)
        assert (len(known), len(pending), waits) == (9, 4, [])
        for step in (2.0, 3.0):
            run.log({"a": step})
            assert run.latest == {"a": step}
        run.log({"b": 4.0})
        assert [column.key for column in run.columns()] == ["a", "b"]
        assert len(waits) >= 3


def test_a_run_that_is_never_sent_has_its_own_fields_and_cannot_be_read(tmp_path: Path) -> None:
    with Run("r", repo=tmp_path, mode="disabled", name="n") as run:
        assert (run.name, run.url.startswith("file:")) == ("n", True)
        with pytest.raises(NotSupportedError, match="disabled"):
            run.metrics()
    assert list(tmp_path.iterdir()) == []


def test_what_a_repository_finds_can_go_to_another_process(tmp_path: Path) -> None:
    with Run("r", repo=tmp_path, name="n", capture_terminal_logs=False) as run:
        run.log({"a": 1.0})
        column = pickle.loads(pickle.dumps(run.column("a")))
        assert column.key == "a"
    found = Repo(str(tmp_path)).get_run("r")
    assert found is not None
    assert pickle.loads(pickle.dumps(found)).name == "n"


def test_the_last_values_are_right_once_it_is_closed(tmp_path: Path) -> None:
    run = Run("r", repo=tmp_path, capture_terminal_logs=False)
    run.track(1.0, name="a")
    assert run.latest == {"a": 1.0}
    run.refresh()
    run.track(2.0, name="a")
    run.close()
    assert run.latest == run.json()["latest"] == {"a": 2.0}
    with Run("s", repo=tmp_path, capture_terminal_logs=False) as other:
        other.track(3.0, name="b")
    assert other.latest == {"b": 3.0}


def test_files_and_printed_lines_alone_are_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "big.bin"
    file.write_bytes(bytes(10_000_000))
    with Run("r", repo=tmp_path / "store", capture_terminal_logs=False) as run:
        run.log_artifact(file, name="big.bin")
        assert [artifact.name for artifact in run.artifacts()] == ["big.bin"]
    with Run("s", repo=tmp_path / "store", capture_terminal_logs=True) as run:
        print("a line alone")
        assert [line.message for line in run.logs()] == ["a line alone"]
