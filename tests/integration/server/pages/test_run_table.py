"""The table of runs on the page of a project: order, columns, pages, filters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import attrs
import pytest
from support.recording import Recorder, points
from support.server import ServerProcess, running_server

from runatlas.model.run import RunDraft
from runatlas.server.pages.project import project_page
from runatlas.server.services.services import Services
from runatlas.server.wire.endpoint import EndpointCall

_RUNS = 120
_HOSTILE = "<script>alert(1)</script> \u202e\U0001f600 " + "long" * 100
_PROJECT = "/@root/demo"
_NAME = re.compile(r'<th scope="row"><a href="[^"]+">([^<]*)<')
_HEAD = re.compile(r'<th scope="col"[^>]*?(?: aria-sort="(\w+)")?><a href="([^"]+)">(.*?)</a></th>')


@attrs.frozen
class _Head:
    """The head of a column: its text, how the table is ordered by it, and where it leads."""

    text: str
    direction: str
    address: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("table") / "store"
    services = Services.open(directory)
    recorder = Recorder.of(services)
    for number in range(_RUNS):
        config = {"lr": number / 8, "model": {"width": number % 3}, "kind": "mlp"}
        name = f"r{number:03}"
        draft = RunDraft(recorder.project, name, name, config=config, create_project=True)
        record, _ = services.runs.create_run(recorder.caller, draft)
        if number >= _RUNS - 10:
            recorder.append(record.path, points("train/loss", [(0, 0, 1 / (1 + number % 10), None)]))
            recorder.append(record.path, points("train/loss", [(1, 0, 5.0, None)]))
    hostile = RunDraft(
        attrs.evolve(recorder.project, project="hostile"),
        "h",
        name=_HOSTILE[:200],
        labels=(_HOSTILE[:60], *(f"tag {number}" for number in range(9))),
        config={_HOSTILE[:150]: _HOSTILE, "b": [_HOSTILE]},
        create_project=True,
    )
    services.runs.create_run(recorder.caller, hostile)
    many = {f"{number:03}{_HOSTILE * 2}"[:120]: f"{_HOSTILE}{number}" for number in range(200)}
    for number in range(50):
        crowd = attrs.evolve(recorder.project, project="crowded")
        config = {key: f"{number}{text}" for key, text in many.items()}
        draft = RunDraft(crowd, f"c{number:02}", name=_HOSTILE, config=config, create_project=True)
        services.runs.create_run(recorder.caller, draft)
    services.close()
    with running_server(directory) as found:
        yield found


def _page(server: ServerProcess, address: str = _PROJECT, **query: str | list[str]) -> str:
    answer = server.call("GET", address, params=query)
    assert answer.status_code == 200
    return answer.text


def _names(page: str) -> list[str]:
    return [unescape(name) for name in _NAME.findall(page)]


def _heads(page: str) -> dict[str, _Head]:
    found = (
        _Head(re.sub(r"<[^>]+>", "", text).strip(), direction, unescape(address))
        for direction, address, text in _HEAD.findall(page)
    )
    return {head.text: head for head in found}


def test_a_click_on_a_head_orders_by_it_and_another_one_the_other_way_round(server: ServerProcess) -> None:
    heads = _heads(_page(server, filter="config.lr < 5"))
    assert not heads["config lr"].direction
    rising = _page(server, heads["config lr"].address)
    assert _names(rising) == [f"r{number:03}" for number in range(40)]
    assert _heads(rising)["config lr"].direction == "ascending"
    falling = _page(server, _heads(rising)["config lr"].address)
    assert _names(falling) == [f"r{number:03}" for number in reversed(range(40))]
    assert _heads(falling)["config lr"].direction == "descending"
    assert _names(_page(server, heads["Run"].address)) == _names(rising)


def test_columns_are_those_of_the_address_in_its_order(server: ServerProcess) -> None:
    asked = 'config.model.width, summary.train/loss, summary["train/loss"].min, nothing, state, config.lr'
    page = _page(server, columns=[asked, "updated_at", "config.lr"])
    assert "columns: unknown name 'nothing'; config values are config.nothing" in unescape(page)
    assert re.search(r'<input name="columns" class="code"[^>]*list="keys" data-complete="keys">', page)
    shown = ["config model.width", "summary train/loss", "summary · min train/loss", "config lr", "updated at"]
    assert list(_heads(page))[2:-2] == shown
    # The least of the metric is 1/10, its last value 5.
    row = page[page.index(">r119<") : page.index(">r118<")]
    assert re.findall(r'<td class="number"[^>]*>([^<]+)<', row)[:4] == ["2", "5", "0.1", "14.875"]
    further = re.search(r'href="([^"]+)" aria-label="config.lr further left"', page)
    assert further is not None
    assert list(_heads(_page(server, unescape(further[1]))))[4:6] == ["config lr", "summary · min train/loss"]
    # What varies is shown if nothing is asked for, and what does not is said once.
    page = _page(server)
    assert list(_heads(page))[2:-2] == ["config lr", "config model.width", "summary train/loss"]
    assert "kind = mlp" in page
    assert 'name="columns" value="config.kind"' in page


def test_what_runs_are_ordered_by_is_shown_first_if_it_is_not_among_the_columns(server: ServerProcess) -> None:
    heads = _heads(_page(server, order='-summary["train/loss"].min, name, -config.lr', columns="config.kind"))
    assert list(heads)[2:-2] == ["summary · min train/loss", "config lr", "config kind"]
    assert heads["summary · min train/loss"].direction == "descending"
    ordered = _page(server, order='-summary["train/loss"], config.kind')
    assert list(_heads(ordered))[2:5] == ["summary train/loss", "config kind", "config lr"]


def test_what_is_mistyped_in_an_address_is_told_with_what_is_near(server: ServerProcess) -> None:
    page = unescape(
        _page(server, columns="config.lrr", group="config.kin", curves="train/los", color="config.model.widht")
    )
    named = ("config 'lrr', did you mean 'lr'", "config 'kin', did you mean 'kind'", "metric 'train/los', did you mean")
    assert all(text in page for text in (*named, "config 'model.widht', did you mean 'model.width'"))
    known = unescape(_page(server, columns="config.kind", group="config.kind", curves="train/loss", color="state"))
    assert "no run here" not in known
    # What leads out of a filter that nothing fits leaves the rest of the address as it is.
    nothing = _page(server, filter="config.lr > 100", columns="config.kind")
    assert re.search(r'No run fits the filter.*href="/@root/demo\?columns=config.kind">all runs', nothing)


def test_pages_go_forth_and_back_and_have_each_run_once(server: ServerProcess) -> None:
    page, pages = _page(server, order="config.lr"), []
    for _ in range(3):
        pages.append(_names(page))
        following = re.search(r'<a rel="next" href="([^"]+)"', page)
        page = _page(server, unescape(following[1])) if following else page
    assert [name for names in pages for name in names] == [f"r{number:03}" for number in range(_RUNS)]
    assert "Runs 101 to 120 of 120" in page
    assert "All 120 runs that there are" in page
    for names in reversed(pages[:-1]):
        before = re.search(r'<a rel="prev" href="([^"]+)"', page)
        assert before is not None
        page = _page(server, unescape(before[1]))
        assert _names(page) == names
    assert "Runs 1 to 50 of 120" in page
    assert 'rel="prev"' not in page


def test_what_is_wrong_with_a_filter_is_shown_under_its_column(server: ServerProcess) -> None:
    page = _page(server, filter="config.lr < 1 and stat == 'FINISHED'", columns="config.lr")
    problem = re.search(r'id="problem" role="alert"><p>(.*?)</p><pre[^>]*>\n(.*?)</pre>', page, re.DOTALL)
    assert problem is not None
    assert "did you mean" in problem[1]
    text, caret = unescape(problem[2]).splitlines()
    assert text[caret.index("^") :].startswith("stat ")
    assert 'aria-invalid="true" aria-describedby="problem"' in page
    assert '<input type="hidden" name="columns" value="config.lr">' in page
    # All that one may go on with stays.
    page = _page(server, filter="stat == 1")
    assert all(f"<summary>{choice}</summary>" in page for choice in ("Columns", "Curves"))
    assert 'name="group" value="config.kind"' in _page(server, filter="stat == 1", group="config.kind")
    assert f'href="{_PROJECT}/report?' in page
    assert 'name="columns" value="config.lr" checked' in page
    assert "no run here has a config &#39;lrr&#39;" in _page(server, filter="config.lrr < 1").replace("&#x27;", "&#39;")
    assert '<option value="summary[&#34;train/loss&#34;]">' in page
    for bad in ({"after": "nonsense"}, {"order": "-"}, {"order": "x" * 5000}, {"at": "x", "columns": "," * 500}):
        assert _page(server, **bad)


def test_numbers_of_a_column_are_aligned_on_the_point(server: ServerProcess) -> None:
    page = _page(server, columns="config.lr", filter="config.lr <= 0.5", order="config.lr")
    padded = re.findall(r'<td class="number"(?: data-pad="([.0]+)")?>([\d.]+)</td>', page)
    assert [(shown, pad) for pad, shown in padded] == [
        ("0.0", "00"),
        ("0.125", ""),
        ("0.25", "0"),
        ("0.375", ""),
        ("0.5", "00"),
    ]


def test_hostile_texts_are_texts_and_rows_stay_bounded(server: ServerProcess) -> None:
    page = _page(server, "/@root/hostile", columns=["config.b", f"config.{_HOSTILE[:150]}"], filter="name != '\u202e'")
    assert "<script>alert" not in page
    # Values of fields that nobody sees are what filters need.
    assert "\u202e" not in re.sub(r'(value|href)="[^"]*"', "", page)
    assert "&lt;script&gt;" in page
    assert len(page) < 60_000
    padded = _page(server, **{f"x{number}": "<" * 250 for number in range(60)}, x="<" * 15_000)
    assert (len(padded) < 300_000, "x59=" in padded) == (True, False)
    crowded = _page(server, "/@root/crowded")
    assert len(crowded) < 300_000
    names = [unescape(name) for name in re.findall(r'name="columns" value="([^"]*)"', crowded)]
    assert len(_page(server, "/@root/crowded", columns=names[:20])) < 300_000


def _groups(page: str) -> list[tuple[str, str, str]]:
    rows = re.findall(r'<tr>\s*<td class="short">(.*?)</td>.*?of this group">(\d+)<(.*?)</tr>', page, re.DOTALL)
    return [(value, runs, "".join(re.findall(r"n = (\d+)", rest))) for value, runs, rest in rows]


def test_groups_have_their_means_and_lead_to_their_runs(server: ServerProcess) -> None:
    query = {"group": "config.model.width", "columns": 'summary["train/loss"].min', "filter": "config.lr >= 13.75"}
    page = _page(server, **query, unfinished="1")
    # Of each group the width, the runs, and how many of them count.
    assert _groups(page) == [("0", "3", "3"), ("1", "3", "3"), ("2", "4", "4")]
    assert "95 % confidence interval" in page
    curves = re.search(r'href="([^"]+)">Curves of the groups', page)
    assert curves is not None
    assert 'data-band="minmax" data-color="config.model.width"' in _page(server, unescape(curves[1]))
    link = re.search(r'href="([^"]+)" aria-label="4 runs of this group"', page)
    assert link is not None
    assert _names(_page(server, unescape(link[1]))) == ["r119", "r116", "r113", "r110"]
    falling = _page(server, **query, unfinished="1", order='-summary["train/loss"].min')
    # The means are 0.275, 0.204 and 0.373.
    assert [width for width, _, _ in _groups(falling)] == ["2", "0", "1"]
    # None of them finished.
    assert [counted for _, _, counted in _groups(_page(server, **query))] == ["0", "0", "0"]
    problem = _page(server, group="config.lr, stat")
    assert 'id="group-problem"' in problem
    assert 'id="group-problem"' in _page(server, group="labels")


def test_groups_of_very_many_runs_are_counted_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of each run that is read what groups it and one metric count: the newest 6.
    monkeypatch.setattr("runatlas.server.pages.run_groups._VALUES_MAX", 12)
    services = Services.open(tmp_path)
    recorder = Recorder.of(services)
    for number in range(12):
        draft = RunDraft(
            recorder.project, str(number), config={"kind": "new" if number > 3 else 1}, create_project=True
        )
        recorder.append(
            services.runs.create_run(recorder.caller, draft)[0].path, points("loss", [(0, 0, number, None)])
        )
    query = urlencode({"group": "config.kind", "columns": "summary.loss", "unfinished": "1", "order": "-summary.loss"})
    where = {"workspace": f"@{recorder.project.workspace}", "project": "demo"}
    call = EndpointCall(services, recorder.caller, "GET", where, query.encode(), {}, b"", _PROJECT, _PROJECT)
    page = project_page(call).body.decode()
    services.close()
    assert _groups(page) == [("new", "8", "6"), ("1", "4", "0")]
    assert "counts are of all 12 runs, means of the newest 6" in page
