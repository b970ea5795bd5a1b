"""The report as a page: what it begins with, what its form says, and the files that it is taken away as."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.forked import command
from support.person import Person, shown_text
from support.server import ServerProcess, make_key, running_server

from runatlas import Api, Run
from runatlas.backends.local import LocalBackend
from runatlas.cli.report_maker import make_report
from runatlas.entities.report_spec import parse_spec, read_spec
from runatlas.entities.runs import Runs
from runatlas.errors import ApiStatusError, BusyError, NotFoundError
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.model.run_import import RunImport
from runatlas.server.pages.report import page as report_page
from runatlas.server.pages.report.form import spec_text
from runatlas.server.pages.report.page import Reports
from runatlas.server.services.caller import VISITOR
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.work import Work

_HOSTILE = "<script>alert(1)</script>\u202e\"'&" + "x" * 300
_OF_GROUPS: dict[str, Any] = {
    "title": _HOSTILE,
    "text": f"first {_HOSTILE}\nsecond",
    "rows": "groups",
    "group": "config.lr",
    "stats": "val_loss.min, val/acc",
    "center": "median",
    "spread": "minmax",
    "order": "-val_loss.min",
    "chart": "val_loss",
    "along": "step",
    "color": "config.lr",
    "band": "minmax",
}
_OF_RUNS: dict[str, Any] = {"title": "By run", "since": "7d", "chart": "val_loss, val/acc", "along": "relative"}


def _fill(directory: Path, visibility: Any = "PRIVATE", name: str = "weekly") -> ProjectPath:
    api = Api(str(directory))
    project = api.create_project(name=name, visibility=visibility, title="Weekly & all").unwrap()
    for seed, rate in ((0, 0.1), (1, 0.1), (2, 0.1), (0, 0.2), (1, 0.2), (2, 0.2)):
        called = _HOSTILE if (seed, rate) == (0, 0.2) else f"lr{rate} seed{seed}"
        config = {"lr": rate, "seed": seed, "depth": 3, "note": called}
        with Run(
            f"{name}-{rate}-{seed}", repo=str(directory), experiment=name, name=called, config=config, strict=True
        ) as run:
            for step in range(3):
                run.log(
                    {"val_loss": rate * (seed + 1) / (step + 1), "val/acc": 1 - rate / (step + seed + 1)}, step=step
                )
    project.define_metric("val_loss", goal="min", unit="nats").unwrap()
    return ProjectPath.parse(project.path)


@attrs.frozen
class Scene:
    """A server with a private and a public project, and somebody who owns them."""

    server: ServerProcess
    path: ProjectPath
    shown: ProjectPath
    key: str

    def ask(self, part: str = "", *, path: ProjectPath | None = None, key: str | None = "", **said: str) -> Any:
        place = path or self.path
        address = f"/@{place.workspace}/{place.project}/report{part}"
        return self.server.call("GET", f"{address}?{urlencode(said)}", key=self.key if key == "" else key)

    def runs(self) -> Runs:
        """The runs as a program sees them."""
        return Api(self.server.origin, api_key=self.key).project(str(self.path)).runs()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("report") / "store"
    path = _fill(directory)
    shown = _fill(directory, "PUBLIC", "shown")
    key = make_key(directory, path.workspace)
    make_key(directory, "stranger")
    with running_server(directory) as server:
        yield Scene(server, path, shown, key)


def test_who_opens_it_sees_what_varies_and_the_best_first(scene: Scene) -> None:
    page = scene.ask().text
    text = shown_text(page)
    assert "Weekly &amp; all</h2>" in page
    assert "name config.lr config.seed config.note val_loss.min (nats) lr0.1 seed0 0.1 0" in text
    rows = re.findall(r'<th scope="row"><a href="/@[^"]*/runs/([^"]*)">', page)
    assert rows == ["weekly-0.1-0", *rows[1:-1], "weekly-0.2-2"]
    assert len(rows) == 6
    assert page.count("<strong>") == 1
    assert "<strong>0.0333333</strong>" in page
    assert page.count("<svg") == 1
    files = re.findall(r'<a class="chip" href="([^"]*)" download>', page)
    assert [address.partition("?")[0].rpartition("/")[2] for address in files] == [
        *("html", "md", "latex", "csv", "xlsx", "parquet", "toml")
    ]


def test_what_the_table_shows_is_taken_over(scene: Scene) -> None:
    table = scene.server.call("GET", f"/@{scene.path.workspace}/{scene.path.project}", key=scene.key).text
    heads = shown_text(table.partition("<thead>")[2].partition("</thead>")[0])
    assert heads.index("val_loss") < heads.index("val/acc")  # the former has a goal
    said: dict[str, Any] = {
        "filter": "config.lr < 0.15",
        "order": "-config.seed",
        "columns": "config.seed,summary.val_loss",
    }
    page = shown_text(scene.ask(**said).text)
    assert "name config.seed val_loss (nats) lr0.1 seed2 2 0.1 lr0.1 seed1 1 0.0666667 lr0.1 seed0 0" in page
    grouped = shown_text(scene.ask(group="config.lr", unfinished="1", curves="val/acc").text)
    assert "config.lr runs val_loss.min (nats) 0.1 3 0.07 ± 0.08 (n = 3) 0.2 3 0.13 ± 0.17 (n = 3)" in grouped
    assert 'name="chart" class="code" value="val/acc"' in scene.ask(curves="val/acc").text

    person = Person.with_key(scene.server.origin, scene.key)
    home = f"/@{scene.path.workspace}/{scene.path.project}"
    table = person.visit(f"{home}?order=name").text
    chosen = re.findall(r'name="run" value="(\w+)"', table)[:2]
    form = {"do": "report", "which": "chosen", "run": " ".join(chosen), "back": f"{home}?order=name", "filter": ""}
    made = person.send(f"{home}/runs", form, seen_on=home)
    assert "/report?filter=id+in+" in made.url
    assert "2 runs" in shown_text(made.text)
    everything = person.send(f"{home}/runs", {**form, "which": "all", "filter": "config.lr < 0.15"}, seen_on=home)
    assert "3 runs" in shown_text(everything.text)
    many = person.send(f"{home}/runs", {**form, "run": " ".join(f"r{place}" for place in range(101))}, seen_on=home)
    assert (many.status_code, "on 100 chosen runs at the most" in many.text) == (422, True)


def test_what_an_address_says_counts_also_where_it_does_not_say_the_rest(scene: Scene) -> None:
    form: dict[str, Any] = {
        "rows": "groups",
        "group": "config.lr",
        "stats": "val/acc",
        "chart": "val/acc",
        "color": "config.lr",
    }
    page = scene.ask(**form).text
    assert "config.lr runs val/acc 0.1 3" in shown_text(page)
    assert 'name="chart" class="code" value="val/acc"' in page
    assert "Weekly &amp; all</h2>" in page
    few = scene.ask(limit="2", filter="config.lr > 0.15").text
    assert few.count('<th scope="row">') == 2
    assert 'name="chart" class="code" value="val_loss"' in few


@pytest.mark.parametrize(
    ("said", "place", "sentence"),
    [
        ({"filter": "stat == 1"}, "filter", "did you mean 'state'?"),
        ({"limit": "10001"}, "limit", "Rows at the most: a report on a page has 1 to 10,000 rows"),
        ({"rows": "groups", "stats": "val_los.min"}, "stats", "no run here has a metric 'val_los', did you mean"),
        ({"rows": "groups", "group": "config.lrr"}, "group", "no run here has a config 'lrr', did you mean 'lr'?"),
        ({"columns": "name, val/ac"}, "columns", "Columns (2): no run here has a metric 'val/ac', did you mean"),
        ({"chart": "val_los"}, "chart-0", "Chart 1: no run here has a metric 'val_los', did you mean 'val_loss'?"),
        ({"columns": ""}, "columns", "name what a row says"),
        ({"columns": "name, config["}, "columns", "Columns (2): "),
        ({"columns": "name, x.median"}, "columns", "the median of a series is not kept"),
        ({"rows": "groups", "stats": ""}, "stats", "name a metric"),
        ({"rows": "groups", "group": "labels"}, "group", "cannot be grouped by their labels"),
        ({"rows": "groups", "over": "config.depth"}, "over", "would count twice"),
        ({"rows": "groups", "center": "middle"}, "center", "is not one of"),
        ({"order": "config["}, "order", "Order (1)"),
        ({"rows": "groups", "order": "created_at"}, "order", "groups can be ordered by"),
        ({"chart": "val_loss", "along": "time", "band": "sd"}, "chart-0", "over steps only"),
        ({"title": "x" * 201}, "title", "up to 200 characters"),
        ({"text": "é" * 3000}, "", "too long for an address"),
    ],
)
def test_a_mistake_is_told_below_its_field(scene: Scene, said: dict[str, Any], place: str, sentence: str) -> None:
    answer = scene.ask(**{"title": "T", "chart": "", **said})
    assert answer.status_code == 200
    assert re.findall(r'id="problem-([\w-]*)"', answer.text) == [place]
    told = answer.text.partition(f'id="problem-{place}"')[2].partition("</div>")[0]
    assert sentence in shown_text(f"<div {told}")
    assert answer.text.count(f'aria-describedby="problem-{place}"') == bool(place)
    is_made = "chart" in said or "no run here" in sentence
    assert scene.ask("/csv", **{"title": "T", **said}).status_code == (200 if is_made else 422)


def test_all_mistakes_are_told_at_once(scene: Scene) -> None:
    said: dict[str, Any] = {
        "filter": "stat == 1",
        "limit": "0",
        "rows": "groups",
        "group": "config.lrr",
        "stats": "",
        "center": "x",
    }
    page = scene.ask(**said, chart="val_los").text
    told = re.findall(r'id="problem-([\w-]*)"', page)
    assert sorted(told) == ["center", "chart-0", "filter", "group", "limit", "stats"]


def test_what_others_wrote_is_text(scene: Scene) -> None:
    wrong: dict[str, Any] = {"title": "T", "columns": f'name, config["{_HOSTILE[:100]}"]', "filter": _HOSTILE}
    for said in ({}, _OF_GROUPS, wrong):
        page = scene.ask(**said).text
        assert "<script>" not in page
        assert "\u202e" not in re.sub(r'(value|href)="[^"]*"|<(textarea|option)[^>]*>[^<]*', "", page)


def _plain(text: str) -> str:
    """Leave out when a report was made, and the seal that has it."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|runatlas-report:.*", "", text)


@pytest.mark.parametrize(
    "said",
    [
        {"title": "By run", "since": "7d", "chart": "val_loss, val/acc", "along": "relative"},
        {**_OF_GROUPS, "title": "By group"},
    ],
)
def test_files_are_those_that_a_program_makes(scene: Scene, said: dict[str, Any], tmp_path: Path) -> None:
    spec = tmp_path / "weekly.toml"
    spec.write_bytes(scene.ask("/toml", **said).content)
    made = attrs.evolve(parse_spec(spec.read_bytes(), source="it"), project="")
    report = scene.runs().report(made).unwrap()
    bare = scene.runs().report(attrs.evolve(made, charts=())).unwrap()
    assert len(report.spec.charts) == 1
    assert ("ago('7d')" in made.filter) == ("since" in said)
    assert _plain(scene.ask("/html", **said).text) == _plain(report.to_html())
    assert _plain(scene.ask("/md", **said).text) == _plain(bare.to_markdown())
    assert _plain(scene.ask("/latex", **said).text) == _plain(bare.to_latex())
    assert scene.ask("/csv", **said).text == report.to_csv()
    parquet = scene.ask("/parquet", **said)
    assert parquet.content == Path(report.to_parquet(tmp_path / "own.parquet")).read_bytes()
    name = f"{said['title'].lower().replace(' ', '-')}.parquet"
    assert parquet.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert scene.ask("/xlsx", **said).content.startswith(b"PK")
    assert scene.ask("/pdf", **said).status_code == 404


def test_a_downloaded_report_can_be_checked_and_made_by_its_command(scene: Scene, tmp_path: Path) -> None:
    answer = scene.ask("/html")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "figure svg{display:block;mix-blend-mode:multiply}" in answer.text  # no white boxes in the dark
    (tmp_path / "weekly.html").write_bytes(answer.content)
    where = ("--host", scene.server.origin, "--key", scene.key)
    checked = command("report", "--check", tmp_path / "weekly.html", *where)
    assert (checked.returncode, "everything holds" in checked.stderr) == (0, True), checked.stderr
    spec = scene.ask("/toml").text
    (tmp_path / "weekly-all.toml").write_text(spec)
    told = spec.splitlines()[0].removeprefix("# runatlas ").split()
    done = command(*told, "--key", scene.key, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert _plain((tmp_path / "weekly-all.html").read_text()) == _plain(answer.text)
    assert f"{' '.join(told)}</pre>" in (page := scene.ask().text)
    assert "<code>--dir</code> and the directory of the runs" in page


def test_who_may_read_the_project_may_report_on_it(scene: Scene) -> None:
    visitor = scene.ask(path=scene.shown, key=None)
    assert visitor.status_code == 200
    assert "6 runs" in shown_text(visitor.text)
    assert scene.ask("/csv", path=scene.shown, key=None).text.count("\n") == 7
    for part in ("", "/html", "/toml"):
        hidden = scene.ask(part, key=None)
        absent = scene.ask(part, path=ProjectPath(scene.path.workspace, "zzzzzz"), key=None)
        assert (hidden.status_code, absent.status_code) == (404, 404)
        assert hidden.text.replace("weekly", "zzzzzz") == absent.text


# -- bounds, in this process ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, ProjectPath]]:
    directory = tmp_path_factory.mktemp("bounds") / "store"
    path = _fill(directory)
    opened = Services.open(directory)
    yield opened, path
    opened.close()


def _call(services: Services, path: ProjectPath, **said: str) -> EndpointCall:
    params = {"workspace": f"@{path.workspace}", "project": path.project}
    place = f"/@{path.workspace}/{path.project}/report"
    return EndpointCall(services, services.owner(), "GET", params, urlencode(said).encode(), {}, b"", place, place)


def _shown(answer: Answer) -> str:
    return shown_text(answer.body.decode())


def test_a_page_bears_so_much_and_says_what_it_leaves_out(
    services: tuple[Services, ProjectPath], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = _call(*services)
    with pytest.raises(ApiStatusError, match="makes no reports"):
        Reports(None).show(call)
    monkeypatch.setattr(report_page, "_BYTES_MAX", 700)
    shown = _shown(Reports(make_report).show(call))
    assert re.search(r"The first [1-5] of 6 rows: CSV, Excel and Parquet have all\.", shown)
    monkeypatch.setattr(report_page, "RUNS_MAX", 5)
    shown = _shown(Reports(make_report).show(_call(*services, title="T", rows="groups")))
    assert "Filter: 6 runs fit it, and a page puts 5 together at the most" in shown
    monkeypatch.setattr(report_page, "_DRAWN_MAX", 11)
    middle = _call(*services, title="T", rows="groups", stats="loss, loss.min", center="iqm", spread="ci95")
    assert "Centre: an interval of the middle half is worked out" in _shown(Reports(make_report).show(middle))
    monkeypatch.setattr(report_page, "_PATIENCE_S", 0)
    monkeypatch.setattr(report_page, "_PLACES", 0)
    with pytest.raises(ApiStatusError, match="other reports are being made"):
        Reports(make_report).show(call)


def test_without_what_draws_charts_the_rest_is_there(
    services: tuple[Services, ProjectPath], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"matplotlib", "xlsxwriter"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    shown = _shown(Reports(make_report).show(_call(*services)))
    assert (
        "the charts are left out: plot() needs matplotlib; install it with: pip install 'runatlas[notebook]'" in shown
    )
    assert "lr0.1 seed0 0.1 0" in shown
    call = _call(*services)
    with pytest.raises(ApiStatusError, match="needs xlsxwriter"):
        Reports(make_report).file(attrs.evolve(call, params={**call.params, "form": "xlsx"}))


def test_it_is_made_with_the_rights_of_who_asks(services: tuple[Services, ProjectPath]) -> None:
    opened, path = services
    with pytest.raises(NotFoundError):
        make_report(opened, VISITOR, path, {"columns": ["name"]})


class _NotedWork(Work):
    """Notes the threads that ask the database for it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    @contextmanager
    def using(self, interrupt: Callable[[], None], *, writes: bool) -> Iterator[None]:
        self.threads.add(threading.current_thread().name)
        with super().using(interrupt, writes=writes):
            yield


def test_its_work_is_that_of_the_request(services: tuple[Services, ProjectPath]) -> None:
    """Also that of pages behind the first: work is of a thread."""
    opened, path = services
    draft = RunDraft(path, state="FINISHED", config={"lr": 1.0})
    runs = tuple(RunImport(attrs.evolve(draft, id=f"more-{number}"), (), time_ms=1) for number in range(1000))
    LocalBackend(opened).import_runs(runs)
    work = _NotedWork()
    with work.begun():
        made = make_report(opened, opened.owner(), path, {"columns": ["name"], "limit": 10_000})
        assert len(made.content.rows) == 1006
        assert work.threads == {threading.current_thread().name}
        work.end(BusyError("the client went away"))
        with pytest.raises(BusyError):
            make_report(opened, opened.owner(), path, {"columns": ["name"]})


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(title=_TEXTS, text=_TEXTS, names=st.lists(_TEXTS, max_size=3), limit=st.integers(1, 100))
def test_a_spec_reads_as_what_was_asked(title: str, text: str, names: list[str], limit: int) -> None:
    keys = [f"k{name}" for name in names]
    asked = {
        "title": title,
        "text": text,
        "columns": ["name"],
        "limit": limit,
        "charts": [{"kind": "plot", "keys": keys, "sample": limit}] if keys else [],
    }
    asked = {name: held for name, held in asked.items() if held not in ("", [])}
    path = ProjectPath("ann", "iris")
    assert parse_spec(spec_text(asked, path, "made").encode(), source="") == read_spec({**asked, "project": str(path)})
