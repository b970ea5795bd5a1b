"""What matyan's wire says of ids, ranges, links, orders and zones; searches as they go out."""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from support.server import ServerProcess, running_server

from runatlas import Api, Run
from runatlas.objects import Distribution, Image, Text

RUNS = "/api/v1/rest/runs"
SEARCH = f"{RUNS}/search"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    base = tmp_path_factory.mktemp("matyan")
    (base / "weights é.bin").write_bytes(b"weights")
    with running_server(base / "store") as found:
        for number in range(3):
            with Run(
                f"run-{number}", repo=found.origin, experiment="deep" if number else "wide", name="cab"[number],
                config={"n": number}, tags=["best"], capture_terminal_logs=False,
            ) as run:  # fmt: skip
                run.track(float(number), name="loss")
                for step in (2, 5, 9):
                    run.track([Text("one"), Text("two")], name="words", step=step)
                    run.track(Distribution([0, 1], bin_count=2), name="weights", step=step + number)
                run.log_artifact(base / "weights é.bin", name="dir/weights é.bin")
        yield found


def pairs(body: bytes) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Read the pairs of a search's answer."""
    place = 0
    while place < len(body):
        (length,) = struct.unpack_from("<I", body, place)
        key, place = body[place + 4 : place + 4 + length], place + 4 + length
        (length,) = struct.unpack_from("<I", body, place)
        value, place = body[place + 4 : place + 4 + length], place + 4 + length
        yield tuple(_path(key)), _leaf(value)


def _path(key: bytes) -> Iterator[str | int]:
    while key:
        if key[:1] == b"\xfe":
            yield struct.unpack(">q", key[1:9])[0]
            key = key[10:]
        else:
            name, _, key = key.partition(b"\xfe")
            yield name.decode()


def _leaf(value: bytes) -> Any:
    kind, rest = value[0], value[1:]
    if kind in {2, 3}:
        return struct.unpack("<q" if kind == 2 else "<d", rest)[0]
    return {0: None, 1: rest == b"\x01", 4: rest.decode() if kind == 4 else None}.get(kind, rest)


def search(server: ServerProcess, kind: str, query: str = "", **options: Any) -> dict[tuple[str | int, ...], Any]:
    params = {"q": query, **options.pop("params", {})}
    answer = server.call("GET", f"{SEARCH}/{kind}/", params=params, **options)
    assert answer.status_code == 200, answer.text
    return dict(pairs(answer.content))


def found_runs(server: ServerProcess, query: str = "", **options: Any) -> list[str | int]:
    return list(dict.fromkeys(path[0] for path in search(server, "run", query, **options)))


def get(server: ServerProcess, path: str) -> Any:
    return server.call("GET", f"/api/v1/rest/{path}").json()


def test_ids_of_experiments_and_tags_are_uuids(server: ServerProcess) -> None:
    listed = get(server, "experiments/") + get(server, "tags/")
    props = get(server, "runs/run-1/info/")["props"]
    assert [item["name"] for item in listed] == ["deep", "wide", "best"]
    for item in [*listed, props["experiment"], *props["tags"]]:
        assert str(uuid.UUID(item["id"])) == item["id"]
    assert props["experiment"]["id"] == listed[0]["id"] == get(server, f"experiments/{listed[0]['id']}/")["id"]
    assert [run["run_id"] for run in get(server, f"experiments/{listed[1]['id']}/runs/")["runs"]] == ["run-0"]


def test_searches_of_objects_carry_the_ranges_of_each_run(server: ServerProcess) -> None:
    whole = search(server, "texts", "run.n == 1")
    ranges = {path[2:]: value for path, value in whole.items() if path[:2] == ("run-1", "ranges")}
    assert {path[0] for path in ranges} == {
        "record_range_total", "record_range_used", "index_range_total", "index_range_used"
    }  # fmt: skip
    assert [ranges["record_range_total", place] for place in (0, 1)] == [2, 10]
    assert [ranges["index_range_used", place] for place in (0, 1)] == [0, 2]
    part = search(server, "distributions", "run.n == 2", params={"record_range": "5:8"})
    ranges = {path[2:]: value for path, value in part.items() if path[:2] == ("run-2", "ranges")}
    assert [ranges["record_range_total", place] for place in (0, 1)] == [4, 12]
    assert [ranges["record_range_used", place] for place in (0, 1)] == [7, 8]
    assert ("index_range_total",) not in ranges


def test_the_uri_of_an_artifact_ends_with_run_and_path_and_leads_to_it(server: ServerProcess) -> None:
    (artifact,) = get(server, "runs/run-1/info/")["artifacts"]
    assert artifact["uri"].endswith("run-1/dir/weights é.bin")
    parts = urlsplit(artifact["uri"])
    assert server.call("GET", f"{parts.path}?{parts.query}").content == b"weights"


def test_a_damaged_image_is_not_handed_out_as_right(server: ServerProcess) -> None:
    before = set(server.directory.glob("blobs/*/*"))
    with Run("picture", repo=server.origin, experiment="pictures", capture_terminal_logs=False) as run:
        run.track(Image(np.zeros((4, 4), np.uint8)), name="picture")
    try:
        found = search(server, "images", "run.hash == 'picture'")
        (uri,) = [value for path, value in found.items() if path[-1] == "blob_uri"]
        (blob,) = set(server.directory.glob("blobs/*/*")) - before
        whole = blob.read_bytes()
        assert whole in server.call("POST", f"{RUNS}/images/get-batch", json=[uri]).content
        damaged = whole[:-1] + b"?"
        blob.write_bytes(damaged)
        told = server.call("POST", f"{RUNS}/images/get-batch", json=[uri])
        assert (damaged in told.content, told.status_code) == (False, 500)
    finally:
        with Api(server.origin, cache=False) as api:
            api.run(run.path).delete(commit=True).unwrap()


@pytest.mark.parametrize(
    ("sort", "runs"),
    [
        ([], ["run-2", "run-1", "run-0"]),
        ([{"field": "date", "order": "asc"}], ["run-0", "run-1", "run-2"]),
        ([{"field": "run", "order": "asc"}], ["run-1", "run-2", "run-0"]),
        ([{"field": "hash", "order": "desc"}], ["run-2", "run-1", "run-0"]),
        (
            [{"field": "experiment", "order": "desc"}, {"field": "hash", "order": "asc"}],
            ["run-0", "run-1", "run-2"],
        ),
    ],
)
def test_runs_come_in_the_order_asked_for(server: ServerProcess, sort: list[Any], runs: list[str]) -> None:
    params = {"sort": json.dumps(sort)}
    assert found_runs(server, params=params) == runs
    assert found_runs(server, params={**params, "offset": runs[0], "limit": 1}) == runs[1:2]


@pytest.mark.parametrize("sort", ["[", "{}", "[1]", '[{"field":"lr"}]', '[{"field":"date","order":"up"}]'])
def test_an_order_that_is_none_is_refused(server: ServerProcess, sort: str) -> None:
    answer = server.call("GET", f"{SEARCH}/run/", params={"sort": sort})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"


def test_more_than_there_can_be_is_all(server: ServerProcess) -> None:
    assert len(found_runs(server, params={"limit": "9" * 20})) == 3
    assert server.call("GET", f"{SEARCH}/metric/", params={"record_range": f"0:{'9' * 20}"}).status_code == 200


def test_times_without_a_zone_are_read_in_the_zone_that_the_client_names(server: ServerProcess) -> None:
    now = datetime.now(UTC) + timedelta(hours=1)
    query = f"run.created_at < datetime({now.year}, {now.month}, {now.day}, {now.hour}, {now.minute})"
    assert len(found_runs(server, query)) == 3
    assert found_runs(server, query, headers={"X-Timezone-Offset": "120"}) == []
    assert len(found_runs(server, query, headers={"X-Timezone-Offset": "-120"})) == 3
    answer = server.call("GET", f"{SEARCH}/run/", headers={"X-Timezone-Offset": "noon"})
    assert answer.status_code == 422


def test_what_costs_too_much_is_refused_before_anything_goes_out(server: ServerProcess) -> None:
    for kind, query in (("run", "run.n < 10 ** 10 ** 10"), ("metric", "metric.name * 10 ** 9 > 'a'")):
        answer = server.call("GET", f"{SEARCH}/{kind}/", params={"q": query})
        assert answer.status_code == 400
        assert "are allowed" in answer.json()["detail"]
