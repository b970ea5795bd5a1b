"""Bodies that arrive in parts: whose they are, what spoils them, and how much of the server they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}
HELD = 2 << 20


@attrs.frozen
class World:
    """A server with two users, and a run of the first."""

    server: ServerProcess
    ann: str
    eve: str

    def put(self, body: bytes, offset: int, part: bytes, *, key: str | None = None) -> requests.Response:
        """Send a part of a body."""
        path = f"bodies/{hashlib.sha256(body).hexdigest()}?offset={offset}"
        return self.server.call("PUT", path, key=key or self.ann, data=part, headers=BYTES)

    def append(self, body: bytes, *, key: str | None = None) -> requests.Response:
        """Append what was sent in parts."""
        headers = {**JSON, "Runatlas-Body": hashlib.sha256(body).hexdigest()}
        return self.server.call("POST", "runs/ann/p/r/append", key=key or self.ann, headers=headers)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("parts") / "store"
    ann, eve = make_key(directory, "ann"), make_key(directory, "eve")
    with running_server(directory, settings={"limits": {"held": HELD}}) as server:
        assert server.call("POST", "projects", key=ann, json={"name": "p"}).status_code == 201
        assert server.call(
            "POST", "runs", key=ann, json={"project": {"workspace": "ann", "project": "p"}, "id": "r"}
        ).ok
        yield World(server, ann, eve)


def _body(key: str, size: int = 0) -> bytes:
    points = [{"key": key, "steps": [1], "values": [0.5], "times_ms": [1]}]
    return json.dumps({"points": points, "logs": [{"text": "x" * size}] if size else []}).encode()


def test_parts_belong_to_who_sent_them(world: World) -> None:
    body = _body("own")
    assert world.put(body, 0, body[:20]).json() == {"size": 20}
    assert world.put(body, 20, body[20:], key=world.eve).status_code == 409
    assert world.put(body, 0, body, key="0" * 21).status_code == 401
    assert world.put(body, 20, body[20:]).json() == {"size": len(body)}
    assert world.append(body, key=world.eve).status_code == 409
    assert world.append(body).ok
    assert world.append(body).status_code == 409


def test_parts_that_come_late_and_twice_spoil_nothing(world: World) -> None:
    body = _body("late")
    for offset, end in ((0, 10), (10, 30), (30, len(body)), (0, 10), (10, 20)):
        assert world.put(body, offset, body[offset:end]).ok
    assert world.append(body).ok


@pytest.mark.parametrize("change", ["short", "other", "zeros"])
def test_what_is_not_the_body_is_not_used(world: World, change: str) -> None:
    body = _body(f"damaged {change}")
    sent = {"short": body[:-1], "other": body.replace(b"0.5", b"0.6"), "zeros": body[:20] + bytes(len(body) - 20)}
    assert world.put(body, 0, sent[change]).ok
    refused = world.append(body)
    assert (refused.status_code, refused.json()["error"]["status"]) == (409, 409)
    assert world.put(body, 0, body).ok
    assert world.append(body).ok


def test_a_body_of_parts_is_held_as_any_other(world: World) -> None:
    body = _body("large", HELD)
    for offset in range(0, len(body), HELD // 4):
        assert world.put(body, offset, body[offset : offset + HELD // 4]).ok
    refused = world.append(body)
    assert refused.status_code == 429
    assert "bodies" in refused.json()["error"]["message"]


@pytest.mark.parametrize("name", ["0" * 32, "..%2f..%2fx", "0" * 63 + "G"])
def test_a_name_is_a_hash(world: World, name: str) -> None:
    answer = world.server.call("PUT", f"bodies/{name}?offset=0", key=world.ann, data=b"x", headers=BYTES)
    assert answer.status_code in {404, 422}
