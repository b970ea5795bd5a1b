"""The ingestion socket of matyan: handshakes that are refused, frames that are, and those that end the connection."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import attrs
from integration.server.bad_input.request import MIB, Never, bomb

__all__ = ["TABLE", "Closed", "Frame", "Refused"]

NOW = "2026-01-02T03:04:05+00:00"


@attrs.frozen
class Refused:
    """A handshake that gets an answer in place of a socket."""

    name: str
    status: int
    told: tuple[str, ...]
    path: str = "/api/v1/ws/runs/r"
    who: str | None = "owner"
    headers: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Frame:
    """A frame that is acknowledged as an error; the socket goes on."""

    name: str
    text: str
    told: tuple[str, ...]


@attrs.frozen
class Closed:
    """Bytes that end the connection with a code."""

    name: str
    data: bytes
    code: int


Entry: TypeAlias = "Refused | Frame | Closed"


def _frame(name: str, said: Any, *told: str) -> Frame:
    return Frame(name, json.dumps(said), told)


def _metric(name: str, /, *told: str, **fields: Any) -> Frame:
    return _frame(
        name, {"type": "log_metric", "name": "a", "value": 1.0, "step": 0, "client_datetime": NOW, **fields}, *told
    )


def _object(name: str, value: Any, *told: str) -> Frame:
    return _frame(
        name, {"type": "log_custom_object", "name": "o", "value": value, "step": 0, "client_datetime": NOW}, *told
    )


def _refused(why: str, who: str | None, *told: str) -> tuple[Refused, ...]:
    return (
        Refused(why, 401, told, who=who),
        Refused(f"{why}, of a run that is not there", 401, told, "/api/v1/ws/runs/none", who),
    )


def _masked(head: int, payload: bytes, declared: int | None = None) -> bytes:
    """Make a client's frame; masked with zeros, bytes are what they were."""
    return (
        bytes([head, 0xFF]) + (len(payload) if declared is None else declared).to_bytes(8, "big") + bytes(4) + payload
    )


TABLE: dict[str, tuple[Entry, ...] | Never] = {
    "no key": _refused("none", None, "an API key is needed", "Authorization: Bearer KEY"),
    "wrong key": (
        *_refused("unknown", "wrong", "the API key is not valid"),
        Refused("as a password", 401, ("the API key is not valid",), headers={"Authorization": "Basic eDp5"}, who=None),
        Refused("no scheme", 401, ("Authorization: Bearer KEY",), headers={"Authorization": "x"}, who=None),
    ),
    "revoked key": _refused("revoked", "revoked", "may have been revoked"),
    "expired key": Never("An API key is valid until it is revoked."),
    "key of another run": _refused("a run's", "token", "the API key is not valid"),
    "unknown id": (
        _frame("a message", {"type": "dream"}, "type: 'dream' is no message; expected one of create_run"),
        _object("an object", {"type": "dream"}, "value: its type must be one of image", "'dream'"),
        _frame(
            "an upload",
            {"type": "blob_ref", "artifact_path": "never"},
            "artifact_path: nothing was uploaded to 'never'",
        ),
    ),
    "unknown address": (
        Refused("nothing", 404, ("nothing at this address",), "/api/v1/ws/nothing"),
        Refused("of another protocol", 404, ("nothing at this address",), "/api/v1/ws/runs/r/more"),
    ),
    "wrong method": Never("A handshake is always a GET."),
    "wrong type": (
        _frame("a number for a message", 7, "a message is a JSON object"),
        _frame("text for a message", ["x"], "a message is a JSON object"),
        _metric("text for a value", "value: expected a number", value="x"),
        _metric("null for a value", "value: expected a number", value=None),
        _metric("a number for a name", "name: expected text", name=5),
        _metric("a fraction for a step", "step: expected a whole number", step=1.5),
        _metric("text for a context", "context: expected an object", context="x"),
        _metric("control characters in a name", "key", name="a\0"),
        _object("text for an object", "x", "value: an object is expected"),
        _object("letters for weights", {"type": "distribution", "data": "xyz"}, "data: expected hexadecimal digits"),
        _object(
            "text for weights", {"type": "distribution", "data": ["x"]}, "data: a distribution has a list of weights"
        ),
        _frame("a list for params", {"type": "log_hparams", "value": []}, "value: params are an object"),
        _frame("text for a flag", {"type": "set_run_property", "archived": "yes"}, "archived: expected true or false"),
        _frame("text for a line's number", {"type": "log_terminal_line", "line": "x", "step": "y"}, "step: expected"),
        _frame("a number for a line", {"type": "log_terminal_line", "line": 5, "step": 0}, "line: expected text"),
        _frame(
            "text for a level",
            {"type": "log_record", "message": "x", "level": "loud", "timestamp": 1},
            "level: expected",
        ),
        _frame(
            "two bad ones", [{"type": "add_tag"}, {"type": "log_hparams"}], "tag_name: expected text", "; value: params"
        ),
    ),
    "missing field": (
        _frame("a type", {}, "expected one of create_run"),
        _frame("a tag's name", {"type": "add_tag"}, "tag_name: expected text"),
        _frame("a path", {"type": "blob_ref"}, "artifact_path: expected text"),
        _frame("a record's level", {"type": "log_record", "message": "x", "timestamp": 1}, "level: expected a number"),
    ),
    "limit exceeded": (
        _metric("a name", "key: expected 1 to 1000 characters", name="x" * 3000),
        _metric("an empty name", "key: expected 1 to 1000 characters", name=""),
        _metric("a step", "step: expected a whole number", step=2**62),
        _frame(
            "a negative line",
            {"type": "log_terminal_line", "line": "x", "step": -1},
            "step: a line has a number from 0 on",
        ),
        _frame("a tag", {"type": "add_tag", "tag_name": "x" * 2000}, "labels_added: ", "use 1 to 500 characters"),
        _frame(
            "an experiment", {"type": "set_run_property", "experiment": "x" * 3000}, "experiment: ", "use 1 to 1000"
        ),
    ),
    "body too large": (Closed("as it says", _masked(0x81, b"", 129 * MIB), 1009),),
    "malformed body": (
        Frame("empty", "", ("this is not JSON",)),
        Frame("cut off", "[", ("this is not JSON",)),
        Frame("two documents", "{} {}", ("this is not JSON",)),
        Frame("deep", "[" * 100_000, ("nests too deeply",)),
        Frame("deep but closed", "[" * 90 + "]" * 90, ("deeper than 80",)),
        Closed("no UTF-8", _masked(0x81, b"\xff\xfe"), 1007),
        Closed("no kind of frame", _masked(0x83, b""), 1002),
        Closed("not masked", b"\x81\x02{}", 1002),
        Closed("reserved bits", _masked(0xF1, b""), 1002),
        Closed("a long ping", _masked(0x89, bytes(126)), 1002),
        Closed("a continuation of nothing", _masked(0x80, b"{}"), 1002),
        Closed("no deflate, though it says so", _masked(0xC1, b"\xff\xff\xff"), 1002),
    ),
    "wrong media type": Never("A message has no media type."),
    "gzip bomb": (Closed("deflated", _masked(0xC1, bomb(129 * MIB, wbits=-15)), 1009),),
    "damaged gzip": Never("A message is never gzipped; see the malformed ones for those that are deflated."),
    "content length that lies": (
        Closed("a close frame too short", _masked(0x88, b"\x03"), 1002),
        Closed("a length that is negative", bytes([0x81, 0xFF]) + b"\xff" * 8 + bytes(4), 1009),
    ),
    "name that leads elsewhere": (
        Refused("a run", 404, ("nothing at this address",), "/api/v1/ws/runs/..%2F.."),
        _frame(
            "an upload", {"type": "blob_ref", "artifact_path": "../x"}, "artifact_path: nothing was uploaded to '../x'"
        ),
    ),
    "file in parts": Never("A file is sent whole to its link."),
}
