"""Whatever is bad about a request, every protocol refuses it in its own words, and nothing has changed afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from integration.server.bad_input import chachaml, matyan, matyan_socket, native, swanlab, syvain
from integration.server.bad_input.matyan_socket import Closed, Frame, Refused
from integration.server.bad_input.request import GONE, KINDS, Answer, Bad, Door, Never, filled
from integration.server.bad_input.world import World, made_world
from integration.server.state import State
from support.patience import eventually
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

DOORS = (native.DOOR, swanlab.DOOR, syvain.DOOR, matyan.DOOR, chachaml.DOOR)
TABLES: dict[str, Any] = {**{door.name: door.table for door in DOORS}, "matyan's socket": matyan_socket.TABLE}


def _entries(table: Any, kind: Any, *before: Any) -> list[Any]:
    return [
        pytest.param(*before, entry, id="-".join([*(door.name for door in before), what, entry.name]))
        for what, found in table.items()
        if not isinstance(found, Never)
        for entry in found
        if isinstance(entry, kind)
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with made_world(tmp_path_factory.mktemp("bad") / "store") as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def untouched(world: World) -> State:
    """What was stored before anything was asked."""
    return world.content()


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_is_in_the_table_or_cannot_be(name: str) -> None:
    assert set(TABLES[name]) == set(KINDS)
    for kind, found in TABLES[name].items():
        assert found.why.endswith(".") if isinstance(found, Never) else found, kind


def _require_told(world: World, sentence: str, words: tuple[str, ...], whole: str) -> None:
    assert sentence.strip()
    assert not [word for word in words if word not in sentence], sentence
    world.require_discretion(whole)


@pytest.mark.parametrize(("door", "bad"), [entry for door in DOORS for entry in _entries(door.table, Bad, door)])
def test_it_is_refused_and_changes_nothing(world: World, door: Door, bad: Bad) -> None:
    before = world.content()
    answer = world.ask(door, bad)
    assert answer.status == bad.status, answer.text
    if bad.status == GONE:
        assert world.content() == before
        return
    _require_told(world, door.sentence(answer), bad.told, f"{answer.headers} {answer.text}")
    assert answer.status != 401 or "Bearer " in answer.headers["www-authenticate"]
    assert world.content() == before


def _socket(world: World, path: str, headers: dict[str, str]) -> ClientConnection:
    url = world.server.origin.replace("http", "ws", 1) + path
    return connect(url, proxy=None, additional_headers=headers)


def _own(world: World) -> dict[str, str]:
    return matyan.DOOR.credential(world.secrets["owner"])


@pytest.mark.parametrize("refused", _entries(matyan_socket.TABLE, Refused))
def test_a_handshake_is_refused_as_a_request_is(world: World, refused: Refused) -> None:
    before = world.content()
    headers = {} if refused.who is None else matyan.DOOR.credential(world.secrets[refused.who])
    with pytest.raises(InvalidStatus) as caught, _socket(world, refused.path, {**headers, **refused.headers}):
        pass
    response = caught.value.response
    told = {name.lower(): value for name, value in response.headers.raw_items()}
    answer = Answer(response.status_code, told, bytes(response.body))
    assert answer.status == refused.status
    _require_told(world, matyan.sentence(answer), refused.told, f"{told} {answer.text}")
    assert answer.status != 401 or "Bearer " in told["www-authenticate"]
    assert world.content() == before


@pytest.mark.parametrize("frame", _entries(matyan_socket.TABLE, Frame))
def test_a_frame_is_acknowledged_as_an_error_and_the_socket_goes_on(world: World, frame: Frame) -> None:
    before = world.content()
    with _socket(world, "/api/v1/ws/runs/r", _own(world)) as socket:
        socket.send(filled(frame.text, world.names))
        text = str(socket.recv(timeout=60))
        answer = json.loads(text)
        assert set(answer) == {"status", "error"}
        assert answer["status"] == "error"
        _require_told(world, answer["error"], frame.told, text)
        assert world.content() == before
        socket.send("[]")
        assert json.loads(socket.recv(timeout=60)) == {"status": "ok", "error": None}


@pytest.mark.parametrize("closed", _entries(matyan_socket.TABLE, Closed))
def test_bytes_that_are_no_frame_end_the_socket_with_a_code(world: World, closed: Closed) -> None:
    before = world.content()
    with _socket(world, "/api/v1/ws/runs/r", _own(world)) as socket:
        socket.socket.sendall(closed.data)
        with pytest.raises(ConnectionClosedError) as caught:
            socket.recv(timeout=60)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == closed.code
    world.require_discretion(caught.value.rcvd.reason)
    assert world.content() == before


def test_nothing_was_kept_and_nothing_was_a_failure_of_the_server(world: World, untouched: State) -> None:
    assert eventually(lambda: not world.has_parts())
    assert world.content() == untouched
    assert not [line for line in world.server.log if "incident" in line or "Traceback" in line or " ERROR " in line]
    assert world.server.call("GET", "/healthz").status_code == 200
