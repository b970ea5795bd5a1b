"""Batches in, blocks out, uploads and downloads."""

from __future__ import annotations

import gzip
import hashlib
import os
from typing import Any

import pytest
import requests
from arro3.core import Array, DataType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.patience import eventually
from support.server import ServerProcess

from runatlas.model import codec
from runatlas.model.arrow import MEDIA_TYPE, decode_block, encode_batch
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath, new_cuid
from runatlas.model.log import LogPage
from runatlas.model.media import BlobRecord, MediaPage
from runatlas.model.page import Page
from runatlas.model.series import ColumnRecord, SeriesPoints, SummaryRecord

ARROW = {"Content-Type": MEDIA_TYPE}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def owner(server: ServerProcess) -> str:
    return str(server.call("GET", "user").json()["username"])


@pytest.fixture
def run(server: ServerProcess, owner: str) -> RunPath:
    path = RunPath(owner, "bulk", new_cuid())
    draft = {"project": {"workspace": owner, "project": "bulk"}, "id": path.run, "create_project": True}
    assert server.call("POST", "runs", json=draft).status_code in {200, 201}
    return path


def _points(key: str, values: list[float], **options: Any) -> SeriesPoints:
    steps = Array(range(len(values)), DataType.int64())
    times = Array([1_700_000_000_000 + step for step in range(len(values))], DataType.int64())
    return SeriesPoints(key, steps, Array(values, DataType.float64()), times, **options)


def _selection(run: RunPath) -> dict[str, Any]:
    return {"workspace": run.workspace, "project": run.project, "ids": [run.run]}


def _append(server: ServerProcess, batch: Batch, **options: Any) -> requests.Response:
    headers = {**ARROW, **options.pop("headers", {})}
    return server.call("POST", f"runs/{batch.run}/append", data=encode_batch(batch), headers=headers, **options)


def test_points_go_in_and_come_out_as_arrow(server: ServerProcess, run: RunPath) -> None:
    values = [0.5, float("nan"), float("inf"), -0.0, 5e-324]
    done = _append(server, Batch(run, points=(_points("loss", values, context=(("split", "val"),)),)))
    assert (done.status_code, done.json()["points"]) == (200, 5)
    answer = server.call("POST", "points/query", json={"selection": _selection(run)})
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    block = decode_block(answer.content)
    assert repr(block.values.to_pylist()) == repr(values)
    assert [(item.key, item.context, item.total) for item in block.series] == [("loss", (("split", "val"),), 5)]


def test_points_go_in_and_come_out_as_json(server: ServerProcess, run: RunPath) -> None:
    series = {
        "key": "loss",
        "steps": [1, 2, 2],
        "values": [0.5, "NaN", "-Infinity"],
        "times_ms": [10, 20, 30],
        "epochs": [0, None, 1],
        "context": [["split", "val"], ["fold", 1]],
    }
    done = server.call("POST", f"runs/{run}/append", json={"points": [series], "writer": "w", "sequence": 1})
    assert done.json() == {"applied": True, "points": 3, "media": 0, "logs": 0, "artifacts": 0}
    answer = server.call("POST", "points/query", json={"selection": _selection(run)}, headers=JSON)
    assert answer.headers["Content-Type"] == "application/json"
    found = answer.json()
    for name in ("steps", "values", "times_ms", "epochs"):
        assert found[name] == series[name]
    assert [item[1] for item in found["runs"]] == [run.run]


def test_a_repeated_batch_is_acknowledged_and_not_applied(server: ServerProcess, run: RunPath) -> None:
    batch = Batch(run, points=(_points("loss", [1.0]),), writer="w", sequence=7)
    assert _append(server, batch).json()["applied"] is True
    assert _append(server, batch).json()["applied"] is False


def test_everything_a_run_records_is_read_back(server: ServerProcess, run: RunPath) -> None:
    blob = _upload(server, run, b"weights")
    item = {"path": "media/a.png", "sha256": blob.sha256, "size": 7, "mime_type": "image/png"}
    batch = {
        "points": [{"key": "loss", "steps": [1], "values": [2.5], "times_ms": [5]}],
        "media": [{"key": "shot", "step": 3, "items": [item], "column_type": "IMAGE"}],
        "logs": [{"message": "hello", "level": "WARN"}],
        "artifacts": [{"name": "weights/last.pt", "sha256": blob.sha256, "size": 7}],
    }
    done = server.call("POST", f"runs/{run}/append", json=batch)
    assert done.json() == {"applied": True, "points": 1, "media": 1, "logs": 1, "artifacts": 1}
    columns = server.call("POST", f"runs/{run}/columns/query", json={}).json()
    assert {item.key for item in codec.decode(columns, Page[ColumnRecord]).items} == {"loss", "shot"}
    logs = codec.decode(server.call("POST", f"runs/{run}/logs/query", json={}).json(), LogPage)
    assert [(line.message, line.level) for line in logs.logs] == [("hello", "WARN")]
    summaries = server.call("POST", "summaries/query", json={"selection": _selection(run)}).json()
    assert codec.decode(summaries, Page[SummaryRecord]).items[0].latest.value == 2.5
    media = codec.decode(server.call("POST", f"runs/{run}/media/query", json={}).json(), MediaPage)
    files = codec.decode(server.call("GET", f"runs/{run}/artifacts").json(), Page[ArtifactRecord])
    for url in (media.items[0].items[0].url, files.items[0].url):
        assert url is not None
        assert requests.get(url, timeout=30).content == b"weights"


def _series(steps: str, values: str) -> bytes:
    return f'{{"points": [{{"key": "a", "steps": [{steps}], "values": [{values}], "times_ms": [1]}}]}}'.encode()


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (MEDIA_TYPE, b"", 400),
        (MEDIA_TYPE, b"\xff" * 4096, 400),
        (MEDIA_TYPE, b"{}", 400),
        ("application/json", b"{", 400),
        ("application/json", _series("1", ""), 422),
        ("application/json", _series("1.5", "1"), 422),
        ("application/json", _series("true", "1"), 422),
        ("application/json", _series("9223372036854775808", "1"), 422),
        ("application/json", _series("1", '"x"'), 422),
        ("application/json", _series("1", "null"), 422),
        ("application/json", b'{"pionts": []}', 422),
        ("text/csv", b"step,value", 415),
        ("application/octet-stream", b"", 415),
    ],
)
def test_a_batch_that_does_not_decode_is_refused(
    server: ServerProcess, run: RunPath, content_type: str, body: bytes, status: int
) -> None:
    done = server.call("POST", f"runs/{run}/append", data=body, headers={"Content-Type": content_type})
    assert done.status_code == status, done.text


@given(st.data())
@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
def test_no_damaged_stream_is_a_failure_of_the_server(server: ServerProcess, owner: str, data: st.DataObject) -> None:
    run = RunPath(owner, "bulk", "damaged")
    draft = {
        "project": {"workspace": owner, "project": "bulk"},
        "id": run.run,
        "create_project": True,
        "if_exists": "keep",
    }
    assert server.call("POST", "runs", json=draft).status_code in {200, 201}
    stream = bytearray(encode_batch(Batch(run, points=(_points("loss", [1.0, 2.0, 3.0]), _points("acc", [0.5])))))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(stream)))
    done = server.call("POST", f"runs/{run}/append", data=bytes(stream[: cut or len(stream)]), headers=ARROW)
    assert done.status_code in {200, 400, 404, 422}, done.text
    assert server.call("GET", "/healthz").status_code == 200


def test_bodies_may_be_gzipped_and_have_one_bound(server: ServerProcess, run: RunPath) -> None:
    batch = Batch(run, points=(_points("loss", [0.0] * 10_000),))
    packed = gzip.compress(encode_batch(batch))
    headers = {**ARROW, "Content-Encoding": "gzip"}
    done = server.call("POST", f"runs/{run}/append", data=packed, headers=headers)
    assert (done.status_code, done.json()["points"]) == (200, 10_000)
    for size, status in [(1 << 20, 400), (200 << 20, 413)]:
        bomb = gzip.compress(bytes(size))
        assert server.call("POST", f"runs/{run}/append", data=bomb, headers=headers).status_code == status
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    packed = gzip.compress(b" " * (17 << 20))
    assert server.call("PATCH", "user", data=packed, headers=headers).status_code == 413
    for path in ("deletions", "transfers", "transfers/copies", "updates"):
        assert server.call("POST", path, data=packed, headers=headers).status_code == 400, "plans name all their runs"


def test_large_answers_are_gzipped_for_those_who_take_it(server: ServerProcess, run: RunPath) -> None:
    config = {f"key{number}": number for number in range(500)}
    update = {"selection": _selection(run), "patch": {"config": config}}
    assert server.call("POST", "runs/update", json=update).json()["updated"] == 1
    packed = server.call("GET", f"runs/{run}", headers={"Accept-Encoding": "gzip"})
    plain = server.call("GET", f"runs/{run}", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.content)
    assert "Content-Encoding" not in plain.headers
    assert packed.json() == plain.json()
    points = server.call(
        "POST", "points/query", json={"selection": _selection(run)}, headers={"Accept-Encoding": "gzip"}
    )
    assert "Content-Encoding" not in points.headers


def _upload(server: ServerProcess, run: RunPath, data: Any, **headers: str) -> BlobRecord:
    sent = {"Content-Type": "application/octet-stream", **headers}
    done = server.call("POST", f"projects/{run.project_path}/blobs", data=data, headers=sent)
    assert done.status_code == 200, done.text
    return codec.decode(done.json(), BlobRecord)


@pytest.mark.parametrize("size", [0, 1, 65_536, 9_999_999])
def test_uploads_are_kept_byte_by_byte(server: ServerProcess, run: RunPath, size: int) -> None:
    data = os.urandom(size)
    expected = BlobRecord(hashlib.sha256(data).hexdigest(), size)
    assert _upload(server, run, data) == expected
    assert _upload(server, run, (data[start : start + 1000] for start in range(0, size, 1000))) == expected
    assert _upload(server, run, gzip.compress(data), **{"Content-Encoding": "gzip"}) == expected


def test_an_upload_that_breaks_off_leaves_nothing(server: ServerProcess, run: RunPath) -> None:
    def breaking() -> Any:
        yield b"x" * 100_000
        raise KeyError("gone")

    before = server.call("GET", "admin/usage").json()["blobs"]
    with pytest.raises(KeyError):
        _upload(server, run, breaking())
    assert server.call("GET", "admin/usage").json()["blobs"] == before
    assert eventually(lambda: not list((server.directory / "blobs").glob("*.part")))


def test_an_export_is_fetched_whole_by_range_and_by_nobody_else(server: ServerProcess, run: RunPath) -> None:
    assert _append(server, Batch(run, points=(_points("loss", [1.0, 2.0]),))).status_code == 200
    link = server.call("POST", f"runs/{run}/columns/export", json={"key": "loss"}).json()
    whole = requests.get(link["url"], timeout=30)
    assert whole.content.startswith(b"step,value,timestamp\n")
    assert whole.headers["Content-Disposition"].startswith("attachment; ")
    assert len(whole.content) == link["size"]
    part = requests.get(link["url"], headers={"Range": "bytes=5-9"}, timeout=30)
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    outside = requests.get(link["url"], headers={"Range": "bytes=9999-"}, timeout=30)
    assert (outside.status_code, outside.headers["Content-Range"]) == (416, f"bytes */{link['size']}")
    head = requests.head(link["url"], timeout=30)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(link["size"]))
    for broken in (
        link["url"].replace("expires=1", "expires=2"),
        link["url"].replace("name=", "name=x"),
        link["url"][:-1] + ("0" if link["url"][-1] != "0" else "1"),
    ):
        assert requests.get(broken, timeout=30).status_code == 404
    assert requests.get(link["url"].partition("&signature")[0], timeout=30).status_code == 422


def test_a_page_that_was_logged_does_not_run_here(server: ServerProcess, run: RunPath) -> None:
    blob = _upload(server, run, b"<script>alert(1)</script>")
    item = {"path": "a.html", "sha256": blob.sha256, "size": blob.size, "mime_type": "text/html"}
    media = [{"key": "page", "step": 0, "items": [item], "column_type": "HTML"}]
    assert server.call("POST", f"runs/{run}/append", json={"media": media}).status_code == 200
    found = codec.decode(server.call("POST", f"runs/{run}/media/query", json={}).json(), MediaPage)
    answer = requests.get(str(found.items[0].items[0].url), timeout=30)
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
