from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs
import pytest
import requests
import responses
from arro3.core import Array, DataType
from support.clock import Clock

from runatlas.backends.native import NativeBackend
from runatlas.errors import NotFoundError, RequestError, ResponseFormatError, ServerError
from runatlas.model import codec
from runatlas.model.account import UserPatch, WorkspaceRecord
from runatlas.model.arrow import MEDIA_TYPE, encode_block
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft, LogPage, LogQuery
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointBlock, PointQuery, SeriesSlice
from runatlas.settings import resolve

HOST = "http://tracking.example.org"
ROOT = f"{HOST}/atlas/v1"
RUN = RunPath("ann", "demo", "r1")
RECORD = RunRecord("ann", "demo", "r1", "c1", config={"lr": 0.1})
OVER = attrs.evolve(RECORD, state="FINISHED")
BLOCK = PointBlock(
    (("c1", "r1", ""),),
    (SeriesSlice(0, "loss", 0, 2, 2),),
    Array([1, 2], DataType.int64()),
    Array([0.5, 0.25], DataType.float64()),
    Array([7, 8], DataType.int64()),
)
NAMED = RunSelection("ann", "demo", ids=("r1",))


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend(clock: Clock) -> NativeBackend:
    return NativeBackend(HOST, "0" * 21, policy=clock.policy())


def plain(record: Any) -> Any:
    return json.loads(codec.dumps(codec.encode(record)))


def serve_runs(web: responses.RequestsMock, record: RunRecord = RECORD) -> None:
    web.get(f"{ROOT}/runs/ann/demo/r1", json=plain(record))
    web.post(f"{ROOT}/runs/query", json=plain(Page((record,))))
    web.post(f"{ROOT}/points/query", body=encode_block(BLOCK), content_type=MEDIA_TYPE)
    web.post(f"{ROOT}/runs/ann/demo/r1/logs/query", json=plain(LogPage((), 0)))
    web.post(f"{ROOT}/runs/update", json={"updated": 1})
    web.post(f"{ROOT}/runs/ann/demo/r1/append", json=plain(AppendRecord(True)))
    web.get(f"{ROOT}/projects/bob/demo", json=plain(ProjectRecord("c", "bob", "demo")))


def asked(web: responses.RequestsMock, call: Callable[[], object]) -> int:
    """Return how many requests a call makes."""
    before = len(web.calls)
    call()
    return len(web.calls) - before


# -- the cache -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("record", "kept_s"), [(RECORD, 2), (OVER, 300)])
def test_a_run_is_kept_as_long_as_its_state_lasts(
    web: responses.RequestsMock, backend: NativeBackend, clock: Clock, record: RunRecord, kept_s: float
) -> None:
    serve_runs(web, record)

    assert asked(web, lambda: backend.get_run(RUN)) == 1
    clock.time += kept_s - 0.1
    assert asked(web, lambda: backend.get_run(RUN)) == 0
    clock.time += 0.2
    assert asked(web, lambda: backend.get_run(RUN)) == 1


@pytest.mark.parametrize(("record", "again"), [(RECORD, 1), (OVER, 0)])
def test_what_belongs_to_a_run_is_kept_as_long_as_the_run(
    web: responses.RequestsMock, backend: NativeBackend, clock: Clock, record: RunRecord, again: int
) -> None:
    serve_runs(web, record)
    backend.get_run(RUN)
    reads: list[Callable[[], object]] = [
        lambda: backend.read_points(PointQuery(NAMED)),
        lambda: backend.read_logs(RUN, LogQuery()),
    ]
    for read in reads:
        assert asked(web, read) == 1
        clock.time += 5
        assert asked(web, read) == again


def test_a_run_that_just_ended_may_still_get_something(
    web: responses.RequestsMock, backend: NativeBackend, clock: Clock
) -> None:
    serve_runs(web, attrs.evolve(OVER, updated_at_ms=int((clock.time - 5) * 1000)))
    backend.get_run(RUN)

    assert asked(web, lambda: backend.read_points(PointQuery(NAMED))) == 1
    clock.time += 3
    assert asked(web, lambda: backend.read_points(PointQuery(NAMED))) == 1


def test_what_is_kept_of_a_finished_run_goes_when_it_is_seen_to_have_got_more(
    web: responses.RequestsMock, backend: NativeBackend, clock: Clock
) -> None:
    serve_runs(web, OVER)
    backend.get_run(RUN)
    assert asked(web, lambda: backend.read_points(PointQuery(NAMED))) == 1
    clock.time += 100
    assert asked(web, lambda: backend.read_points(PointQuery(NAMED))) == 0

    late = attrs.evolve(OVER, updated_at_ms=int((clock.time - 90) * 1000))
    web.replace("POST", f"{ROOT}/runs/query", json=plain(Page((late,))))
    backend.list_runs(RunQuery(RunSelection("ann", "demo")))
    assert asked(web, lambda: backend.read_points(PointQuery(NAMED))) == 1
    assert asked(web, lambda: backend.get_run(RUN)) == 1


def test_a_listing_is_kept_for_moments_only_for_it_may_grow(
    web: responses.RequestsMock, backend: NativeBackend, clock: Clock
) -> None:
    serve_runs(web, OVER)
    query = RunQuery(RunSelection("ann", "demo"))

    assert asked(web, lambda: backend.list_runs(query)) == 1
    assert asked(web, lambda: backend.list_runs(query)) == 0
    clock.time += 5
    assert asked(web, lambda: backend.list_runs(query)) == 1


def test_who_reads_a_listing_on_has_the_page_after_one_asked_for_while_that_is_decoded(
    web: responses.RequestsMock, backend: NativeBackend, clock: Clock
) -> None:
    followers = {None: "p2", "p2": "p3", "p3": "p4", "p4": None}

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        cursor = json.loads(request.body)["page"]["cursor"]
        told = attrs.evolve(RECORD, config={"text": '"next_cursor":"p9"'})
        return (404 if cursor == "p4" else 200), {}, codec.dumps(codec.encode(Page((told,), followers[cursor])))

    def read(cursor: str | None, limit: int = 1000) -> None:
        backend.list_runs(RunQuery(NAMED, page=PageRequest(limit=limit, cursor=cursor)))
        for thread in threading.enumerate():
            if thread.name == "runatlas-ahead":
                thread.join()

    web.add_callback("POST", f"{ROOT}/runs/query", answer, content_type="application/json")
    assert asked(web, partial(read, None)) == 1
    assert asked(web, partial(read, "p2")) == 2
    assert asked(web, partial(read, "p3")) == 1
    with pytest.raises(NotFoundError):
        read("p4")
    cursors = [json.loads(call.request.body or "")["page"]["cursor"] for call in web.calls]
    assert cursors == [None, "p2", "p3", "p4", "p4"]
    for wait_s, limit in ((5.0, 1000), (0.0, 999)):  # slowly, and page by page
        clock.time += 5
        read(None, limit)
        clock.time += wait_s
        assert asked(web, partial(read, "p2", limit)) == 1


def test_another_question_is_another_request(web: responses.RequestsMock, backend: NativeBackend) -> None:
    serve_runs(web)

    for search in (None, "a", "b", "a"):
        backend.list_runs(RunQuery(RunSelection("ann", "demo", search=search)))

    assert len(web.calls) == 3


def test_the_cache_can_be_switched_off(web: responses.RequestsMock, clock: Clock) -> None:
    serve_runs(web, OVER)
    backend = NativeBackend(HOST, policy=clock.policy(), cache=False)

    assert asked(web, lambda: (backend.get_run(RUN), backend.get_run(RUN))) == 2


def test_what_a_reader_changes_the_next_one_does_not_see(web: responses.RequestsMock, backend: NativeBackend) -> None:
    serve_runs(web)

    config = backend.get_run(RUN).config
    assert config is not None
    config["lr"] = 99

    assert backend.get_run(RUN).config == {"lr": 0.1}
    assert len(web.calls) == 1


def test_nothing_is_kept_of_a_failure(web: responses.RequestsMock, backend: NativeBackend) -> None:
    url = f"{ROOT}/runs/ann/demo/r1"
    web.get(url, json={"error": {"message": "no such run"}}, status=404)
    web.get(url, body="{", content_type="application/json")
    web.get(url, json={"id": 5})
    web.get(url, json=plain(RECORD))

    for kind in (NotFoundError, ResponseFormatError, ResponseFormatError):
        with pytest.raises(kind):
            backend.get_run(RUN)

    assert backend.get_run(RUN) == RECORD


@pytest.mark.parametrize(
    "write",
    [
        lambda backend: backend.update_runs(NAMED, RunPatch(name="x")),
        lambda backend: backend.append(Batch(RUN, logs=(LogDraft("hello"),))),
        lambda backend: backend.update_runs(RunSelection("ann"), RunPatch(name="x")),
        lambda backend: backend.forget("ann/demo/r1"),
        lambda backend: backend.forget("ann"),
        lambda backend: backend.forget(),
    ],
    ids=["update", "append", "update a workspace", "forget a run", "forget a workspace", "forget everything"],
)
def test_a_write_drops_what_it_touches(
    web: responses.RequestsMock, backend: NativeBackend, write: Callable[[NativeBackend], object]
) -> None:
    serve_runs(web, OVER)
    backend.get_run(RUN)

    write(backend)

    assert asked(web, lambda: backend.get_run(RUN)) == 1


def test_a_write_leaves_other_workspaces_alone(web: responses.RequestsMock, backend: NativeBackend) -> None:
    serve_runs(web)
    backend.get_project(ProjectPath("bob", "demo"))

    backend.update_runs(NAMED, RunPatch(name="x"))

    assert asked(web, lambda: backend.get_project(ProjectPath("bob", "demo"))) == 0


def test_a_write_that_failed_drops_too_for_it_may_have_happened(
    web: responses.RequestsMock, backend: NativeBackend
) -> None:
    serve_runs(web, OVER)
    backend.get_run(RUN)
    web.replace(responses.POST, f"{ROOT}/runs/update", body=requests.exceptions.ConnectionError("reset"))

    with pytest.raises(RequestError):
        backend.update_runs(NAMED, RunPatch(name="x"))

    assert asked(web, lambda: backend.get_run(RUN)) == 1


# -- writes ----------------------------------------------------------------------------------------------------------


def keys(web: responses.RequestsMock) -> list[str | None]:
    return [call.request.headers.get("Idempotency-Key") for call in web.calls]


def test_a_write_has_one_key_for_all_its_tries_and_the_next_write_another(
    web: responses.RequestsMock, backend: NativeBackend
) -> None:
    made = {"run": plain(RECORD), "created": True}
    for answer in ({"status": 503}, {"body": requests.exceptions.ConnectionError("reset")}, {"json": made}):
        web.post(f"{ROOT}/runs", **answer)

    assert backend.create_run(RunDraft(ProjectPath("ann", "demo"))) == (RECORD, True)
    first = keys(web)
    backend.create_run(RunDraft(ProjectPath("ann", "demo")))

    assert len(first) == 3
    assert len(set(first)) == 1
    assert None not in first
    assert keys(web)[3] not in first


def test_a_batch_with_a_sequence_needs_no_key(web: responses.RequestsMock, backend: NativeBackend) -> None:
    serve_runs(web)

    backend.append(Batch(RUN, writer="w", sequence=1))
    backend.append(Batch(RUN))

    assert [key is None for key in keys(web)] == [True, False]
    assert web.calls[0].request.headers["Content-Type"] == MEDIA_TYPE


def test_a_key_is_made_once(web: responses.RequestsMock, backend: NativeBackend) -> None:
    web.post(f"{ROOT}/keys", body=requests.exceptions.ConnectionError("reset"))

    with pytest.raises(RequestError):
        backend.create_key("ann")

    assert keys(web) == [None]


def test_a_write_that_fails_is_told(web: responses.RequestsMock, backend: NativeBackend) -> None:
    web.patch(f"{ROOT}/user", json={"error": {"message": "disk full"}}, status=500)

    with pytest.raises(ServerError, match="disk full"):
        backend.update_user(UserPatch(name="Ann"))


class Pipe(io.RawIOBase):
    """A file that can only be read once."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


def test_a_blob_from_a_pipe_is_sent_whole_at_every_try(web: responses.RequestsMock, backend: NativeBackend) -> None:
    got: list[bytes] = []

    def take(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        got.append(request.body)  # type: ignore[arg-type]
        return (503, {}, "") if len(got) == 1 else (200, {}, '{"sha256": "ab", "size": 7}')

    web.add_callback(responses.POST, f"{ROOT}/projects/ann/demo/blobs", take, content_type="application/json")

    record = backend.put_blob(ProjectPath("ann", "demo"), io.BufferedReader(Pipe(b"content")))

    assert record.size == 7
    assert got == [b"content", b"content"]


# -- answers ---------------------------------------------------------------------------------------------------------


def test_points_come_as_columns(web: responses.RequestsMock, backend: NativeBackend) -> None:
    serve_runs(web)

    block = backend.read_points(PointQuery(NAMED))

    assert block.values.to_pylist() == [0.5, 0.25]
    assert web.calls[0].request.headers["Accept"] == MEDIA_TYPE


@pytest.mark.parametrize(
    ("body", "media_type", "said"),
    [
        (encode_block(BLOCK)[:-8], MEDIA_TYPE, "the Arrow stream is cut off"),
        (encode_block(BLOCK)[:300], MEDIA_TYPE, "the Arrow stream is cut off"),
        (b"", MEDIA_TYPE, "the Arrow stream is cut off"),
        (b"{}", MEDIA_TYPE, "the Arrow stream is cut off"),
        (b"x" * 900, MEDIA_TYPE, "no Arrow stream"),
        (b"{}", "application/json", f"expected {MEDIA_TYPE}, got application/json: {{}}"),
        (b"<html>", "text/html", "a web page"),
    ],
)
def test_points_that_do_not_decode_are_told(
    web: responses.RequestsMock, backend: NativeBackend, body: bytes, media_type: str, said: str
) -> None:
    length = {"Content-Length": str(len(body))}
    web.post(f"{ROOT}/points/query", body=body, content_type=media_type, headers=length)

    with pytest.raises(ResponseFormatError) as caught:
        backend.read_points(PointQuery(NAMED))

    assert said in str(caught.value)
    assert "POST http://tracking.example.org/atlas/v1/points/query: " in str(caught.value)


def test_a_record_that_does_not_fit_names_the_place(web: responses.RequestsMock, backend: NativeBackend) -> None:
    web.post(f"{ROOT}/runs/query", json={"items": [plain(RECORD), {**plain(RECORD), "name": 5}]})

    with pytest.raises(ResponseFormatError, match=r"expected text @ Page\.items\[1\]\.name"):
        backend.list_runs(RunQuery(RunSelection("ann", "demo")))


def test_names_are_escaped(web: responses.RequestsMock, backend: NativeBackend) -> None:
    web.get(f"{ROOT}/runs/ann/a%2Bb/r%201%26%C3%A9", json=plain(RECORD))
    web.get(f"{ROOT}/workspaces/~", json=plain(WorkspaceRecord("ann")))

    backend.get_run(RunPath("ann", "a+b", "r 1&é"))
    backend.get_workspace()

    assert web.calls[0].request.url == f"{ROOT}/runs/ann/a%2Bb/r%201%26%C3%A9"


def test_pages_are_asked_for_in_the_query(web: responses.RequestsMock, backend: NativeBackend) -> None:
    web.get(f"{ROOT}/workspaces", json={"items": [], "total": 0})

    backend.list_workspaces("ann", PageRequest(5, offset=10, with_total=True))

    assert web.calls[0].request.url == f"{ROOT}/workspaces?username=ann&limit=5&offset=10&with_total=true"


@pytest.mark.parametrize("link", ["file:///etc/passwd", "/blobs/ab", "ftp://h/x"])
def test_a_link_that_is_none_of_the_server_is_not_found(backend: NativeBackend, link: str) -> None:
    with pytest.raises(NotFoundError, match="is no link of the server"):
        backend.open_link(link)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_link_that_leads_nowhere_is_not_found(
    web: responses.RequestsMock, backend: NativeBackend, status: int
) -> None:
    web.get(f"{ROOT}/blobs/ab", json={"error": {"message": "expired"}}, status=status)

    with pytest.raises(NotFoundError, match="expired") as caught:
        list(backend.open_link(f"{ROOT}/blobs/ab?signature=SIG"))

    assert "SIG" not in str(caught.value)


def test_making_one_makes_no_request_and_names_its_place(tmp_path: Any) -> None:
    settings = resolve(f"{HOST}/", key="0" * 21, environ={"RUNATLAS_HTTP_TIMEOUT": "5"}, home=tmp_path)

    backend = NativeBackend.from_settings(settings)

    assert (backend.location, backend.web_url) == (HOST, HOST)
    backend.close()
    with pytest.raises(RequestError, match="closed"):
        backend.get_user()
