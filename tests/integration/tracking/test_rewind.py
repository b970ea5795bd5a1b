"""A run that goes on from an earlier checkpoint: what was recorded after it goes, once, before what follows."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest
from support.run_content import points
from support.server import running_server

from runatlas import Api, Experiment, Run
from runatlas.errors import ConflictError
from runatlas.objects import Text
from runatlas.settings import resolve
from runatlas.tracking.sync import sync


@pytest.fixture
def run_id() -> str:
    """A run of the test's own: servers are shared."""
    return uuid.uuid4().hex


def record(run_id: str, steps: range, value: float, *, counted: bool = False, **options: object) -> Run:
    """Write a run as one process does: a number a step, a text at every fifth one."""
    given = {"experiment": "p", "capture_terminal_logs": False} | options
    with Run(run_id, **given) as run:  # type: ignore[arg-type]
        for step in steps:
            run.log({"loss": value}, step=None if counted else step)
            if step % 5 == 0:
                run.track(Text(f"{value} {step}"), name="text", step=step)
    return run


def check_rewound(run: Experiment) -> None:
    """Check that ten steps of the first try stayed, and ten came after them."""
    assert points(run, "loss") == [(step, 99.0 if step < 10 else 1.0) for step in range(20)]
    summary = run.summary(["loss"]).unwrap()["loss"]
    assert summary["count"] == 20
    assert summary["avg"] == pytest.approx((10 * 99.0 + 10 * 1.0) / 20)
    texts = run.medias(["text"], all=True).unwrap()["text"]
    said = [f"{99.0 if step < 10 else 1.0} {step}" for step in (0, 5, 10, 15)]
    assert [entry[0].content for entry in texts] == [{"text": text} for text in said]


def stored(place: str, run_id: str) -> Experiment:
    """Read the run back, as anybody else sees it."""
    return Api(place, cache=False).workspace().unwrap().project("p").run(run_id).unwrap()


@pytest.mark.parametrize("counted", [True, False])
def test_what_came_after_the_checkpoint_is_cut(run_id: str, place: str, counted: bool) -> None:
    record(run_id, range(16), 99.0, repo=place)
    run = record(run_id, range(10, 20), 1.0, counted=counted, repo=place, rewind=9)
    check_rewound(stored(place, run_id))
    assert (run.health.dropped, run.health.problem) == (0, "")
    entry = Api(place).trash()[0]
    assert (entry.kind, entry.runs) == ("data", 1)
    refused = entry.restore()
    assert isinstance(refused.error, ConflictError)
    assert f"'loss' of run '{run_id}' (recorded again at step 10 and 5 more)" in refused.errmsg
    stored(place, run_id).rewind(9, commit=True).unwrap()
    assert entry.restore().ok
    assert points(stored(place, run_id), "loss") == [(step, 99.0) for step in range(16)]


def test_a_run_that_is_new_or_not_so_far_just_goes_on(run_id: str, place: str) -> None:
    record(run_id, range(5), 1.0, repo=place, rewind=9)
    record(run_id, range(5, 8), 1.0, counted=True, repo=place, rewind=9)
    assert points(stored(place, run_id), "loss") == [(step, 1.0) for step in range(8)]
    assert [run.path for entry in Api(place).trash() for run in entry.list_runs() if run_id in run.path] == []


def test_offline_it_is_done_once_when_the_spool_is_sent(run_id: str, tmp_path: Path) -> None:
    record(run_id, range(16), 99.0, repo=tmp_path)
    record(run_id, range(10, 20), 1.0, counted=True, repo=tmp_path, mode="offline", rewind=9)
    assert len(points(stored(str(tmp_path), run_id), "loss")) == 16
    (spool,) = (tmp_path / "spool").glob("*.spool")
    shutil.copytree(spool.parent, tmp_path / "copy")
    assert [report.problem for report in sync(tmp_path)] == [""]
    check_rewound(stored(str(tmp_path), run_id))
    for path in (tmp_path / "copy").glob("*.sent"):
        path.unlink()
    shutil.copytree(tmp_path / "copy", tmp_path / "spool", dirs_exist_ok=True)
    assert [report.problem for report in sync(tmp_path)] == [""]
    check_rewound(stored(str(tmp_path), run_id))
    assert len(Api(tmp_path).trash()) == 1


@pytest.mark.parametrize("mode", ["offline", None])
def test_what_an_earlier_process_left_is_sent_before_it(run_id: str, tmp_path: Path, mode: str | None) -> None:
    record(run_id, range(16), 99.0, repo=tmp_path, mode="offline")
    record(run_id, range(10, 20), 1.0, counted=True, repo=tmp_path, rewind=9, mode=mode)
    assert all(not report.problem for report in sync(tmp_path))
    check_rewound(stored(str(tmp_path), run_id))


def test_while_the_server_is_away_it_waits_before_what_follows(run_id: str, tmp_path: Path) -> None:
    directory = tmp_path / "served"
    with running_server(directory) as server:
        record(run_id, range(16), 99.0, repo=server.origin)
        origin = server.origin
    with Run(run_id, repo=origin, experiment="p", capture_terminal_logs=False, rewind=9) as run:
        for step in range(10, 20):
            run.log({"loss": 1.0})
            if step % 5 == 0:
                run.track(Text(f"1.0 {step}"), name="text", step=step)
        run.close(timeout=0.1)
    with running_server(directory) as server:
        for _ in range(2):
            reports = list(sync(tmp_path / "own", resolve(host=server.origin, is_told=True)))
            assert [report.problem for report in reports] in ([""], [])
        check_rewound(stored(server.origin, run_id))


def test_a_protected_run_refuses_at_once(run_id: str, place: str) -> None:
    record(run_id, range(16), 99.0, repo=place)
    stored(place, run_id).protect("the best").unwrap()
    with pytest.raises(ConflictError, match="protected: the best"):
        record(run_id, range(10, 20), 1.0, repo=place, rewind=9)
    assert (stored(place, run_id).state, len(points(stored(place, run_id), "loss"))) == ("FINISHED", 16)


def test_a_run_that_was_protected_meanwhile_keeps_what_follows(run_id: str, tmp_path: Path) -> None:
    record(run_id, range(16), 99.0, repo=tmp_path)
    stored(str(tmp_path), run_id).protect("the best").unwrap()
    record(run_id, range(20, 24), 1.0, repo=tmp_path, mode="offline", rewind=9)
    (report,) = sync(tmp_path)
    assert (report.is_done, report.refused) == (True, 1)
    assert "the run was not rewound to step 9" in report.problem
    assert "protected: the best" in report.problem
    assert len(points(stored(str(tmp_path), run_id), "loss")) == 20


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((), {"rewind": 9}, "rewind: name the run"),
        (("r",), {"rewind": 9, "read_only": True}, "rewind: name the run"),
        (("r",), {"rewind": 1.5}, "rewind: expected a whole number"),
        (("r",), {"rewind": 2**63}, "rewind: must be from"),
    ],
)
def test_what_cannot_be_meant_is_told(
    tmp_path: Path, arguments: tuple[str, ...], options: dict[str, object], says: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        Run(*arguments, repo=tmp_path, **options)  # type: ignore[arg-type]
