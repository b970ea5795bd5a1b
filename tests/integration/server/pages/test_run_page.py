"""The pages of a run: what they show of it, what its forms do, and what those who follow it are told."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from html import unescape
from typing import Any

import attrs
import numpy as np
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

import runatlas
from runatlas.backends.native import NativeBackend
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.objects import Distribution, Figure, Image, Text
from runatlas.server.pages.shared_reads import SharedReads
from runatlas.server.store.engine import DATABASE_NAME

_EVIL = "<script>alert(1)</script>\u202e"
_LINES = 700
_TOKEN = re.compile(r'name="token" value="(\w{64})"')
_IMAGE = re.compile(r'<img src="([^"]+)"')
_DOWNLOAD = re.compile(r'<a href="([^"]+)" download>')


@attrs.frozen
class _Served:
    server: ServerProcess
    key: str
    others: str

    def get(self, path: str) -> str:
        answer = self.server.call("GET", path, key=self.key)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) < 300_000
        return answer.text

    def post(self, path: str, **form: str) -> requests.Response:
        shown = self.server.call("GET", "/", key=self.key).text
        found = _TOKEN.search(shown)
        assert found is not None
        data = {"token": found[1], **form}
        return self.server.call("POST", path, key=self.key, data=data, allow_redirects=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Served]:
    base = tmp_path_factory.mktemp("run")
    directory = base / "store"
    key, others = make_key(directory, "ann"), make_key(directory, "bob")
    (base / "weights.html").write_text(_EVIL)
    with running_server(directory) as server:
        for name, rate in (("base", 0.1), ("trial", 0.2)):
            config = {"optim": {"lr": rate, "name": "sgd"}, "seed": 1, _EVIL: _EVIL}
            with runatlas.Run(
                name, repo=server.origin, api_key=key, experiment="vision", config=config, capture_terminal_logs=False
            ) as run:
                run.track(0.5, name=f"loss/{_EVIL}", step=0)
                for step in (0, 5):
                    run.track(Image(np.zeros((4, 4), dtype="uint8"), caption=_EVIL), name="pictures", step=step)
                    run.track(Text(f"{_EVIL} at {step}"), name="words", step=step)
                    run.track(Distribution([0, 1, 1], bin_count=2), name="weights", step=step)
                    run.track(Figure({"data": [{"y": [1, step]}], "layout": {}}), name="plot", step=step)
                run.track(Distribution([math.nan, 1.0, math.inf]), name="gradients", step=9)
                run.track(Image(np.zeros((4, 4), dtype="uint8"), format_="TIFF"), name="scan", step=9)
                drawn = Figure({"data": [{"y": [7]}]})
                run.track([drawn, Text("of a figure"), Distribution([1, 2])], name="several", step=9)
                run.track([Text("before a figure"), drawn], name="others", step=9)
                for number in range(_LINES):
                    (run.log_info if number % 100 else run.log_error)(f"line {number}. {_EVIL}")
                run.log_artifact(base / "weights.html", name="dir/weights.html")
                run.annotate(_EVIL)
        runatlas.Api(host=server.origin, api_key=key).run("ann/vision/base").update(baseline=True).unwrap()
        yield _Served(server, key, others)


RUN = "/@ann/vision/runs/trial"


@pytest.mark.parametrize("part", ["", "/media", "/logs", "/system", "/files", "/history"])
def test_texts_of_users_are_shown_as_text(served: _Served, part: str) -> None:
    page = served.get(RUN + part)
    assert "alert(1)" not in page.replace(r"&lt;script&gt;alert(1)&lt;/script&gt;\u202e", "").replace(
        "&lt;script&gt;alert(1)&lt;/script&gt;", ""
    ).replace(r"\u003cscript\u003ealert(1)", "")
    assert "<script>alert" not in page
    assert "\u202e" not in re.sub(r'(data-\w+|value|href)="[^"]*"', "", page)


def test_a_config_is_held_against_the_baseline_and_is_there_whole_as_json(served: _Served) -> None:
    page = served.get(RUN)
    assert re.search(r"<mark>0\.2</mark>\s*<span class=\"aside\">baseline: 0\.1</span>", page)
    assert "1 value differs from the baseline" in page
    assert page.count("<mark>") == 1
    assert "<mark>" not in served.get("/@ann/vision/runs/base")
    assert json.loads(served.get(f"{RUN}/record"))["config"]["optim"] == {"lr": 0.2, "name": "sgd"}


def test_media_of_a_step_are_shown_and_pictures_come_without_a_key(served: _Served) -> None:
    page = served.get(f"{RUN}/media?step=5")
    assert ("at 5" in page, "at 0" in page, 'role="img"' in page) == (True, False, True)
    (link,) = _IMAGE.findall(page)
    answer = served.server.call("GET", unescape(link))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    (figure,) = re.findall(r'data-figure><a href="([^"]+)"', page)
    assert json.loads(served.get(unescape(figure)))["data"] == [{"y": [1, 5]}]
    assert "at 0" in served.get(f"{RUN}/media?step=0&key=words")
    assert "Nothing was logged at step 3" in served.get(f"{RUN}/media?step=3")


def test_what_a_page_cannot_show_is_said(served: _Served) -> None:
    page = served.get(f"{RUN}/media?step=9")

    assert "2 values are not finite" in page
    assert "are not finite" not in served.get(f"{RUN}/media?step=5")
    assert "<img" not in page
    assert re.search(r'<a href="[^"]+" download>[^<]+\.tiff</a>', page)


def test_things_of_several_kinds_under_one_name_are_each_shown_as_what_they_are(served: _Served) -> None:
    page = served.get(f"{RUN}/media?step=9&key=several") + served.get(f"{RUN}/media?step=9&key=others")

    assert ("of a figure" in page, "before a figure" in page, page.count('role="img"')) == (True, True, 1)
    figures = re.findall(r'data-figure><a href="([^"]+)"', page)
    assert [json.loads(served.get(unescape(figure)))["data"] for figure in figures] == [[{"y": [7]}]] * 2


def test_files_are_downloaded_and_never_run(served: _Served) -> None:
    (link,) = _DOWNLOAD.findall(served.get(f"{RUN}/files"))
    assert link.startswith("/")
    answer = served.server.call("GET", unescape(link))
    assert (answer.status_code, answer.text) == (200, _EVIL)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]


def _numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r">line (\d+)\.|\nline (\d+)\.", page) for number in number if number]


def test_lines_are_paged_from_the_end_each_once(served: _Served) -> None:
    address: str | None = f"{RUN}/logs"
    pages = []
    while address is not None:
        page = served.get(address)
        pages.append(_numbers(page))
        older = re.search(r'<a rel="prev" href="([^"]+)"', page)
        address = unescape(older[1]) if older else None
    assert len(pages) > 1
    assert [number for page in reversed(pages) for number in page] == list(range(_LINES))


def test_lines_are_found_by_level_and_by_text(served: _Served) -> None:
    assert _numbers(served.get(f"{RUN}/logs?level=ERROR")) == list(range(0, _LINES, 100))
    assert _numbers(served.get(f"{RUN}/logs?search=LINE%2069.")) == [69]
    assert "No line fits" in served.get(f"{RUN}/logs?search=absent")


def test_who_follows_gets_the_lines_after_a_line(served: _Served) -> None:
    found: list[str] = []
    after, more = 0, True
    while more:
        told = json.loads(served.get(f"{RUN}/lines?after={after}&level=ERROR"))
        found += [line["message"] for line in told["lines"]]
        after, more = told["after"], told["more"]
    assert len(found) == _LINES // 100
    assert {text.partition(". ")[2] for text in found} == {r"<script>alert(1)</script>\u202e"}


def test_a_form_changes_what_is_said_of_a_run_and_the_history_has_it(served: _Served) -> None:
    done = served.post(f"{RUN}/edit", name=_EVIL, description="two\r\nlines", tags="one\r\n one\r\ntwo ", group="g")
    assert done.status_code == 303
    assert "It was changed" in served.get(done.headers["location"])
    run = runatlas.Api(host=served.server.origin, api_key=served.key).run("ann/vision/trial")
    assert [run.name, run.description, *run.labels, run.group] == [_EVIL, "two\nlines", "one", "two", "g"]
    assert "\ntwo\nlines</pre>" in served.get(RUN)
    assert served.post(f"{RUN}/mark", protected="yes").status_code == 303
    assert "protected" in served.get(RUN)
    assert "Nothing was changed" not in served.get(f"{RUN}/history")
    assert served.post(f"{RUN}/mark", protected="no").status_code == 303


def test_what_is_refused_is_told_on_the_page(served: _Served) -> None:
    for part, form, said in (
        ("edit", {"tags": "x" * 5000}, "labels"),
        ("edit", {"title": "x"}, "'title' is no field of this form; it has name, description, tags, group"),
        ("mark", {}, "nothing was asked for"),
        ("mark", {"pin": "maybe"}, "pin: expected yes or no, got 'maybe'"),
        ("mark", {"pin": "yes", "reason": "r"}, "send it with protected=yes"),
        ("notes", {"text": " "}, "text"),
        ("keys", {"name": "k", "hours": "1000"}, "hours: a key is good for 1 to 168 whole hours, got '1000'"),
        ("keys", {"name": "k", "hours": "1.5"}, "got '1.5'"),
    ):
        refused = served.post(f"{RUN}/{part}", **form)
        assert refused.status_code == 422
        assert said in unescape(refused.text.partition('role="alert"')[2].partition("</p>")[0])


def test_a_number_of_an_address_that_is_none_is_told(served: _Served) -> None:
    for address, said in (
        ("media?step=1.5", "step: expected a whole number"),
        ("logs?before=-1", "before: expected 0"),
    ):
        answer = served.server.call("GET", f"{RUN}/{address}", key=served.key)
        assert (answer.status_code, said in answer.text) == (422, True)


def test_a_key_for_the_run_is_shown_once_and_revoked(served: _Served) -> None:
    made = served.post(f"{RUN}/keys", name="machine", hours="1")
    (secret,) = re.findall(r"ik_[\w-]+", made.text)
    assert secret not in served.get(f"{RUN}/history")
    (name,) = re.findall(r'<button name="key" value="([^"]+)"', served.get(f"{RUN}/history"))
    assert served.post(f"{RUN}/keys/revoke", key=name).status_code == 303
    page = served.get(f"{RUN}/history")
    assert ('<button name="key"' in page, "revoked" in page) == (False, True)


def test_metrics_are_searched_and_courses_of_many_are_left_to_the_script(served: _Served) -> None:
    with (
        suppress(LookupError),
        runatlas.Run(
            "wide", repo=served.server.origin, api_key=served.key, experiment="vision", capture_terminal_logs=False
        ) as run,
    ):
        for number in range(130):
            run.track(float(number), name=f"part{number % 3}/m{number:03}", step=0)
        raise LookupError("<that>")
    page = served.get("/@ann/vision/runs/wide")
    assert "\nLookupError: &lt;that&gt;</pre>" in page
    assert (page.count("<tr data-series"), page.count("data-spark")) == (100, 100)
    (following,) = re.findall(r'<a rel="next" href="([^"]+)"', page)
    rest = served.get(unescape(following))
    keys = re.findall(r'<tr data-series="\w+" data-key="([^"]+)"', page + rest)
    assert (len(keys), len(set(keys)), 'rel="next"' in rest) == (130, 130, False)
    page = served.get("/@ann/vision/runs/wide?metric=M12")
    assert (page.count("<tr data-series"), page.count("data-spark"), "10 metrics of 130" in page) == (10, 0, True)


def test_the_state_is_told_to_those_who_may_see_the_run(served: _Served) -> None:
    told = json.loads(served.get(f"{RUN}/state"))
    assert (told["state"], told["silence"], told["heard"], bool(told["ended"])) == ("FINISHED", "", "", True)
    assert list(told["metrics"].values()) == [["0.5", "0.5", "0.5", "0.5", "1"]]
    assert served.server.call("GET", f"{RUN}/state", key=served.others).status_code == 404


def test_a_run_that_is_not_heard_of_says_why_it_counts_as_crashed(served: _Served) -> None:
    address = "/@ann/vision/runs/silent"
    with closing(NativeBackend(served.server.origin, served.key)) as backend:
        backend.create_run(RunDraft(ProjectPath("ann", "vision"), id="silent"))
    assert "Going on for" in served.get(address)
    with closing(sqlite3.connect(served.server.directory / DATABASE_NAME)) as store, store:
        store.execute("UPDATE runs SET created_at_ms = 0, heartbeat_at_ms = 75000 WHERE run_id = 'silent'")
    said = "Nothing was heard of it since 1970-01-01 00:01:15 (UTC), so that it counts as crashed"
    for part in ("", "/logs"):
        page = served.get(f"{address}{part}")
        assert ("CRASHED" in page, said in page) == (True, True)
    page = served.get(address)
    assert ('<dd id="lasted">1 min 15 s</dd>' in page, "Going on for" in page) == (True, False)
    assert json.loads(served.get(f"{address}/state"))["silence"].startswith(said)


def test_what_many_ask_for_at_once_is_read_once() -> None:
    reads = SharedReads[dict[str, Any]](10)
    begun, go = threading.Event(), threading.Event()
    calls: list[int] = []
    answers: list[dict[str, Any]] = []

    def read() -> dict[str, Any]:
        calls.append(1)
        begun.set()
        assert go.wait(60)
        return {"n": len(calls)}

    first = threading.Thread(target=lambda: answers.append(reads.get("run", read)))
    first.start()
    assert begun.wait(60)
    others = [threading.Thread(target=lambda: answers.append(reads.get("run", read))) for _ in range(50)]
    for thread in others:
        thread.start()
    go.set()
    for thread in (first, *others):
        thread.join(60)
    assert answers == [{"n": 1}] * 51
    assert reads.get("another", lambda: {"n": 2}) == {"n": 2}


def test_a_read_that_failed_is_tried_again_by_the_next() -> None:
    reads = SharedReads[dict[str, Any]](10)

    def fail() -> dict[str, Any]:
        raise LookupError

    with pytest.raises(LookupError):
        reads.get("run", fail)
    assert reads.get("run", lambda: {"n": 1}) == {"n": 1}
