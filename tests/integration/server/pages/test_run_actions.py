"""What the buttons beside the table of runs do, and how it is taken back."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from html import unescape

import arro3.io
import pytest
import requests
from support.recording import Recorder, points
from support.server import ServerProcess, running_server

from runatlas.model.run import RunDraft
from runatlas.server.services.services import Services

_PROJECT = "/@root/demo"
_FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("actions") / "store"
    services = Services.open(directory)
    for name, count in (("demo", 6), ("other", 1)):
        recorder = Recorder.of(services, name)
        for number in range(count):
            run = f"r{number}"
            config = {"lr": number / 8, "text": "=1+1"}
            draft = RunDraft(recorder.project, run, run, config=config, state="FINISHED", create_project=True)
            record, _ = services.runs.create_run(recorder.caller, draft)
            recorder.append(record.path, points("loss", [(0, 0, float(number), None)]))
    services.close()
    with running_server(directory) as found:
        yield found


def _forms(page: str) -> list[tuple[str, dict[str, str]]]:
    """Return where the forms of a page that change something lead, and what they carry hidden."""
    found = re.findall(r'<form method="post" action="([^"]+)"(.*?)</form>', page, re.DOTALL)
    return [(unescape(to), {name: unescape(held) for name, held in _FIELD.findall(inner)}) for to, inner in found]


def _send(
    server: ServerProcess, page: str, address: str, /, *, origin: str | None = None, **fields: str | list[str]
) -> requests.Response:
    form = next(held for action, held in _forms(page) if action == address)
    headers = {"Origin": server.origin if origin is None else origin}
    return server.call("POST", address, data={**form, **fields}, headers=headers)


def _show(server: ServerProcess, **query: str) -> str:
    return server.call("GET", _PROJECT, params=query).text


def _cuid(page: str, name: str) -> str:
    found = re.search(rf'name="run" value="(\w+)" aria-label="Select {name}"', page)
    assert found is not None
    return found[1]


def _do(server: ServerProcess, action: str, *names: str, **fields: str) -> requests.Response:
    page = _show(server, order="name")
    return _send(server, page, f"{_PROJECT}/runs", do=action, run=[_cuid(page, name) for name in names], **fields)


def _undo(server: ServerProcess, answer: requests.Response) -> requests.Response:
    return _send(server, answer.text, f"{_PROJECT}/undo")


def test_what_a_button_does_is_said_and_taken_back(server: ServerProcess) -> None:
    for action, field, shown in (
        ("tag", "labels", {"r1": ["seen", "good"], "r2": ["seen", "good"]}),
        ("group", "group", {"r1": "seen, good", "r2": "seen, good"}),
        ("pin", "pin", {"r1": True, "r2": True}),
        ("protect", "protected", {"r1": True, "r2": True}),
        ("archive", "archived", {"r1": True, "r2": True}),
    ):
        answer = _do(server, action, "r1", "r2", text="seen, good")
        assert (answer.status_code, answer.url.startswith(f"{server.origin}{_PROJECT}?order=name&done=")) == (200, True)
        assert f'role="status" data-done="{_PROJECT}"' in answer.text
        # Archived runs stay in the table, which offers to leave them out.
        assert ("?order=name&filter=not+archived" in unescape(answer.text)) == (action == "archive")
        assert _held(server, field) == shown, action
        assert _undo(server, answer).status_code == 200
        assert _held(server, field) == {}, action


def _held(server: ServerProcess, field: str) -> dict[str, object]:
    """Read a field of the runs that have it, past every cache."""
    listed = server.call("POST", "runs/query", json={"selection": {"workspace": "root", "project": "demo"}}).json()
    return {run["id"]: run[field] for run in listed["items"] if run.get(field)}


def test_all_that_fit_the_filter_are_changed_also_those_on_other_pages(server: ServerProcess) -> None:
    page = _show(server, filter="config.lr < 0.25")
    answer = _send(server, page, f"{_PROJECT}/runs", do="tag", which="all", text="low")
    assert _held(server, "labels") == {"r0": ["low"], "r1": ["low"]}
    assert "filter=config.lr" in answer.url
    _undo(server, answer)
    assert _held(server, "labels") == {}


def test_a_deletion_tells_what_goes_and_what_stays_and_is_undone(server: ServerProcess) -> None:
    kept = _do(server, "protect", "r3", text="the best")
    plan = _do(server, "delete", "r3", "r4", "r5")
    assert plan.status_code == 200
    assert "Delete 2 runs?" in plan.text
    assert "protected: the best" in plan.text
    # Force takes no protection.
    assert "Plan it with force" not in plan.text
    assert _held(server, "id").keys() == {f"r{number}" for number in range(6)}
    done = _send(server, plan.text, f"{_PROJECT}/delete-runs")
    assert _held(server, "id").keys() == {"r0", "r1", "r2", "r3"}
    # In the order of the plan, and without the project that the page is of.
    assert re.search(r"<span>deleted 2 runs: r[45]\b[^/]*</span>", done.text)
    assert re.search(r'role="status".*?Undo.*?href="/trash/\w', done.text, re.DOTALL)
    _undo(server, done)
    assert _held(server, "id").keys() == {f"r{number}" for number in range(6)}
    again = _undo(server, done)
    assert (again.status_code, 'role="alert"' in again.text) == (409, True)
    _undo(server, kept)


def test_a_plan_that_is_no_longer_true_deletes_nothing(server: ServerProcess) -> None:
    plan = _do(server, "delete", "r4", "r5")
    pinned = _do(server, "pin", "r5")
    answer = _send(server, plan.text, f"{_PROJECT}/delete-runs")
    assert (answer.status_code, "Nothing was deleted" in answer.text) == (409, True)
    assert "Delete 1 run?" in answer.text
    assert "Plan it with force" in answer.text
    assert _held(server, "id").keys() == {f"r{number}" for number in range(6)}
    _undo(server, pinned)


def test_what_cannot_be_done_is_said_on_the_page(server: ServerProcess) -> None:
    for action, names, fields, status in (
        ("tag", ["r1"], {}, 422),
        ("tag", [], {"text": "x"}, 422),
        ("compare", ["r1"], {}, 422),
        ("nothing", ["r1"], {}, 422),
        ("move", ["r1"], {"to": "nowhere"}, 404),
        ("move", ["r0"], {"to": "other"}, 409),
        ("tag", [], {"which": "all", "filter": "stat == 1", "text": "x"}, 422),
    ):
        answer = _do(server, action, *names, **fields)
        assert (answer.status_code, 'class="failure" role="alert"' in answer.text) == (status, True), (action, fields)
        assert ">r1</a>" in answer.text
    assert _held(server, "labels") == {}
    # What was filled in and ticked is there to go on with.
    answer = _do(server, "move", "r1", to="othr", text="typed")
    assert "there is no project root/othr, did you mean 'root/other'?" in unescape(answer.text)
    assert all(f'name="{name}" value="{value}"' in answer.text for name, value in (("to", "othr"), ("text", "typed")))
    assert re.findall(r'aria-label="Select (\w+)" checked', answer.text) == ["r1"]
    gone = _send(server, _show(server), f"{_PROJECT}/runs", do="move", run="gone", to="other")
    assert (gone.status_code, "there is no run 'gone'" in unescape(gone.text)) == (404, True)


def test_runs_move_and_are_compared(server: ServerProcess) -> None:
    moved = _do(server, "move", "r1", to="other")
    assert _held(server, "id").keys() == {"r0", "r2", "r3", "r4", "r5"}
    _undo(server, moved)
    assert len(_held(server, "id")) == 6
    made = _do(server, "move", "r1", to="made-here", create="yes")
    assert (made.status_code, "r1" in _held(server, "id")) == (200, False)
    _undo(server, made)
    assert len(_held(server, "id")) == 6
    page = _show(server)
    form = next(held for action, held in _forms(page) if action == f"{_PROJECT}/runs")
    chosen = [_cuid(page, "r1"), _cuid(page, "r2")]
    answer = server.call(
        "POST",
        f"{_PROJECT}/runs",
        data={**form, "do": "compare", "run": " ".join(chosen)},
        headers={"Origin": server.origin},
        allow_redirects=False,
    )
    assert answer.status_code == 303
    assert answer.headers["location"].replace("%2C", ",") == f"{_PROJECT}/compare?runs={','.join(chosen)}"


def test_forged_forms_change_nothing(server: ServerProcess) -> None:
    page = _show(server)
    forged = _send(server, page, f"{_PROJECT}/runs", do="tag", which="all", text="bad", token="0" * 64)
    assert forged.status_code == 403
    foreign = _send(server, page, f"{_PROJECT}/runs", origin="https://evil.example", do="tag", which="all", text="bad")
    assert foreign.status_code == 403
    assert _held(server, "labels") == {}
    away = _do(server, "pin", "r1", back="https://evil.example/@root/demo?x=1")
    assert away.url.startswith(f"{server.origin}{_PROJECT}?x=1")
    _undo(server, away)
    for address in ("//[", "http://[x", "x" * 30_000):
        away = _do(server, "pin", "r1", back=address)
        assert (away.status_code, away.url.split("?")[0]) == (200, f"{server.origin}{_PROJECT}"), address
        _undo(server, away)


def test_what_fits_is_had_as_a_file(server: ServerProcess) -> None:
    asked = {"filter": "config.lr < 0.25", "order": "-config.lr"}
    answer = server.call("GET", f"{_PROJECT}/runs.csv", params=asked)
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-disposition"].startswith("attachment")
    head, *rows = answer.text.splitlines()
    assert [row.split(",")[0] for row in rows] == ["r1", "r0"]
    assert head.endswith("config.lr,config.text,summary.loss")
    assert "'=1+1" in rows[0]
    answer = server.call("GET", f"{_PROJECT}/runs.parquet", params=asked)
    table = arro3.io.read_parquet(io.BytesIO(answer.content)).read_all()
    assert table["summary.loss"].to_pylist() == [1.0, 0.0]
    assert server.call("GET", f"{_PROJECT}/runs.csv", params={"filter": "stat"}).status_code == 422


def test_curves_are_of_the_runs_in_the_table_or_of_chosen_ones_in_colours_of_a_config(server: ServerProcess) -> None:
    assert "data-chart " not in _show(server)
    page = _show(server, curves="loss", color="config.lr", log="y", order="name", filter="config.lr < 0.25")
    assert re.findall(r'data-x="(\w+)" data-log="(\w*)"', page) == [("step", "y")]
    assert _drawn(page) == {_cuid(page, "r0"), _cuid(page, "r1")}
    colors = re.search(r'data-colors="([^"]+)"', page)
    assert colors is not None
    assert [said for _, said, _ in json.loads(unescape(colors[1])).values()] in (["0.0", "0.125"], ["0.125", "0.0"])
    means = _show(server, curves="loss", color="config.lr", band="sd", x="time", smooth="0.5")
    assert 'data-x="step" data-log="" data-smooth="0" data-points="600" data-band="sd" data-color="config.lr"' in means
    assert "Mean ± standard deviation, along steps and not smoothed" in means
    hidden = _show(server, curves="loss", band="sd", hidden="1")
    assert "data-chart " not in hidden
    (shown,) = re.findall(r'href="([^"]+)">Show curves', hidden)
    assert 'data-band="sd"' in server.call("GET", unescape(shown)).text
    chosen = _do(server, "draw", "r2", "r4")
    assert "drawn=" in chosen.url
    assert _drawn(chosen.text) == {_cuid(chosen.text, "r2"), _cuid(chosen.text, "r4")}
    assert len(re.findall(r'name="run" value="\w+" aria-label', chosen.text)) == 6
    # What is no metric, and no run, is drawn of nothing; the curves themselves say so.
    assert _show(server, curves="<b>", drawn="nothing", color="<b>").count("<b>") == 0


def _drawn(page: str) -> set[str]:
    found = re.search(r'data-runs="([^"]+)"', page)
    assert found is not None
    return set(json.loads(unescape(found[1])))
