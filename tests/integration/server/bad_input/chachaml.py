"""The protocol of chachaml."""

from __future__ import annotations

from typing import Any

from integration.server.bad_input.request import (
    BLOB,
    BODY,
    MIB,
    PACKED,
    Answer,
    Bad,
    Door,
    Never,
    Table,
    bomb,
    damaged,
    lies,
    no_json,
)

JSON = {"Content-Type": "application/json"}
OCTETS = {"Content-Type": "application/octet-stream"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
START = "/api/w/runs"
RUN = "/api/w/runs/r"
FILES = f"{RUN}/artifacts"
MODEL = {"name": "m", "run_id": "r", "artifact": "f"}


def sentence(answer: Answer) -> str:
    """Check ``{"error": "..."}``."""
    assert set(answer.document) == {"error"}, answer.text
    return str(answer.document["error"])


def _post(name: str, path: str, json: Any, *told: str, status: int = 400, **options: Any) -> Bad:
    return Bad(name, "POST", f"/api{path}", told, status, json=json, headers=JSON, **options)


def _get(name: str, path: str, *told: str, status: int = 400, **options: Any) -> Bad:
    return Bad(name, "GET", f"/api{path}", told, status, **options)


def _file(name: str, query: str, *told: str, **options: Any) -> Bad:
    return Bad(name, "POST", FILES + query, told, data=b"x", headers=OCTETS, **options)


def _without(status: str, who: str | None, *told: str) -> tuple[Bad, ...]:
    return (
        Bad(f"{status}, to read", "GET", "/api/runs/r", told, 401, who=who),
        Bad(f"{status}, to write", "POST", START, told, 401, json={}, headers=JSON, who=who),
        Bad(f"{status}, to upload", "POST", f"{FILES}?name=x", told, 401, data=b"x", headers=OCTETS, who=who),
    )


def _part(name: str, *, file: str = 'filename="x"') -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; {file}\r\n\r\n'
    return head.encode() + b"bytes\r\n"


def _form(name: str, data: bytes) -> Bad:
    told = ("an artifact is sent as application/octet-stream", "multipart/form-data")
    return Bad(name, "POST", f"{FILES}?name=x", told, data=data, headers=FORM)


TABLE: Table = {
    "no key": _without("none", None, "an API key is needed", "Authorization: Bearer KEY"),
    "wrong key": _without("unknown", "wrong", "the API key is not valid"),
    "revoked key": _without("revoked", "revoked", "may have been revoked"),
    "expired key": Never("An API key is valid until it is revoked."),
    "key of another run": _without("a run's", "token", "the API key is not valid"),
    "unknown id": (
        _get("run", "/runs/none", "no such run", status=404),
        _post("run of params", "/w/runs/none/params", {"a": 1}, "no such run", status=404),
        _post("run of metrics", "/w/runs/none/metrics", {"a": 1}, "no such run", status=404),
        _post("run to end", "/w/runs/none/end", {}, "no such run", status=404),
        Bad(
            "run of an artifact",
            "POST",
            "/api/w/runs/none/artifacts?name=x",
            ("no such run",),
            404,
            data=b"x",
            headers=OCTETS,
        ),
        _post("run of a model", "/w/models", {**MODEL, "run_id": "none"}, "no such run", status=404),
        _post(
            "artifact of a model",
            "/w/models",
            {**MODEL, "artifact": "none"},
            "run r has no artifact 'none'",
            status=404,
        ),
        _get("model", "/models/none", "none", status=404),
        _get("version", "/diff/classifier/1/9", "'classifier' has no version '9'", status=404),
        _get("artifact", "/artifacts/none/download", "no such", status=404),
        _get("artifact that is no text", "/artifacts/%C3%A9/download", "no such artifact", status=404),
        _get("run of tags", "/tags/none", "no such run", status=404),
        _post("run of a tag", "/tags/none", {"key": "a", "value": "b"}, "no such run", status=404),
        _post("run of a note", "/note/none", {"note": "a"}, "no such run", status=404),
        _get("run of data sets", "/datasets/none", "no such run", status=404),
        _get("runs to compare", "/compare?ids=r,none", "no such run", status=404),
    ),
    "unknown address": (
        _get("to read", "/runs/r/nothing", "nothing at this address", status=404),
        _post("to write", "/w/nothing", {}, "nothing at this address", status=404),
        _get("upwards", "/runs/../../etc/passwd", "nothing at this address", status=404),
    ),
    "wrong method": (
        _get("to write", "/w/runs", "does not take that method", status=405),
        Bad("to read", "DELETE", "/api/runs/r", ("does not take that method",), 405),
    ),
    "wrong type": (
        _post("a list for an object", "/w/runs", [], "the body must be a JSON object"),
        _post("a list for tags", "/w/runs", {"tags": []}, "tags: expected an object"),
        _post("a list for a tag", "/w/runs", {"experiment": "half", "tags": {"a": []}}, "tags", "'a'", "must be text"),
        _post("a number for an experiment", "/w/runs", {"experiment": 5}, "experiment: expected text"),
        _post("a number for a name", "/w/runs", {"experiment": "half", "name": 5}, "name: expected text"),
        _post("a NUL in a name", "/w/runs", {"experiment": "half", "name": "a\0"}, "name"),
        _post("text for a metric", "/w/runs/r/metrics", {"good": 1, "bad": "x"}, "bad: a metric is a number, not str"),
        _post("a flag for a metric", "/w/runs/r/metrics", {"good": True}, "good: a metric is a number, not bool"),
        _post("a fraction for a step", "/w/runs/r/metrics", {"good": 1, "step": 1.5}, "step: expected a whole number"),
        _post("a list for params", "/w/runs/r/params", [], "the body must be a JSON object"),
        _post("a status", "/w/runs/r/end", {"status": "maybe"}, "status: expected completed or failed"),
        _post("a number for an error", "/w/runs/r/end", {"error": 5}, "error: expected text"),
        _post("a stage", "/w/models", {**MODEL, "stage": "best"}, "stage: expected one of", "production"),
        _post("a number for a note", "/note/r", {"note": 5}, "note: expected text"),
        _post("an equals sign in a tag", "/tags/r", {"key": "a=b", "value": "c"}, "tags", "'a=b'", "must not"),
        _get("a status to list", "/runs?status=odd", "status: expected running, completed or failed"),
        _get("a limit", "/runs?limit=many", "limit: expected a whole number from 1 on"),
        _get("an operator", "/search?metric_key=a&op=~", "op: expected one of > < >= <= ="),
        _get("text for a metric to search", "/search?metric_key=a&metric_value=x", "metric_value: expected a number"),
    ),
    "missing field": (
        _post("a model's name", "/w/models", {"run_id": "r", "artifact": "f"}, "name: expected text"),
        _post("a model's run", "/w/models", {"name": "m", "artifact": "f"}, "run_id: expected text"),
        _post("a model's artifact", "/w/models", {"name": "m", "run_id": "r"}, "artifact: expected text"),
        _post("an artifact's value", "/w/runs/r/artifacts", {"name": "x"}, "value: it is missing"),
        _post("a tag's key", "/tags/r", {"value": "x"}, "key: expected text"),
        _file("an artifact's name", "", "name"),
        _get("a second run to compare", "/compare?ids=r", "ids: name two runs or more"),
    ),
    "limit exceeded": (
        _get("no page", "/runs?limit=0", "limit: expected a whole number from 1 on"),
        _post("a number", "/w/runs/r/metrics", {"a": 10**400}, "a: the number is too large"),
        _post("a step", "/w/runs/r/metrics", {"a": 1, "step": 2**63}, "step: expected a whole number"),
        _post("a metric's name", "/w/runs/r/metrics", {"x" * 3000: 1}, "key"),
        _post("an experiment's name", "/w/runs", {"experiment": "x" * 3000}, "experiment: ", "use 1 to 1000"),
        _post("a tag", "/w/runs", {"experiment": "half", "tags": {"a": "x" * 3000}}, "labels"),
        _file("an artifact's name", "?name=" + "x" * 1001, "name"),
    ),
    "body too large": (
        Bad("a document", "POST", START, (BODY,), 413, headers=JSON, declared=17 * MIB),
        Bad("a file", "POST", f"{FILES}?name=x", (BLOB,), 413, headers=OCTETS, declared=17 * 2**30),
        Bad("a value", "POST", FILES, (BODY,), 413, headers=JSON, declared=17 * MIB),
    ),
    "malformed body": (
        *no_json("POST", START),
        *no_json("POST", FILES),
        Bad("NaN", "POST", f"{RUN}/metrics", ("not JSON",), data=b'{"a": NaN}', headers=JSON),
    ),
    "wrong media type": (
        Bad("text", "POST", START, ("must be application/json",), data=b"{}", headers={"Content-Type": "text/plain"}),
        Bad("none", "POST", START, ("must be application/json",), data=b"{}"),
        Bad("bytes for metrics", "POST", f"{RUN}/metrics", ("must be application/json",), data=b"{}", headers=OCTETS),
        Bad(
            "text for a file",
            "POST",
            f"{FILES}?name=x",
            ("application/octet-stream", "text/plain"),
            data=b"x",
            headers={"Content-Type": "text/plain"},
        ),
    ),
    "gzip bomb": (
        Bad("a document", "POST", START, (BODY,), 413, data=bomb(17 * MIB), headers=JSON | PACKED),
        Bad("a value", "POST", FILES, (BODY,), 413, data=bomb(129 * MIB), headers=JSON | PACKED),
        _get("to read", "/runs/none", BODY, status=413, data=bomb(17 * MIB), headers=PACKED),
    ),
    "damaged gzip": (*damaged("POST", START), *damaged("POST", f"{FILES}?name=x", headers=OCTETS)),
    "content length that lies": (*lies("POST", START), *lies("POST", f"{FILES}?name=x", headers=OCTETS)[:2]),
    "name that leads elsewhere": (
        _file("an artifact", "?name=../x", "name", "'../x'", "such as"),
        _file("an absolute artifact", "?name=/etc/passwd", "name", "'/etc/passwd'", "such as"),
        _file("an artifact inside", "?name=a/%2e%2e/b", "name", "'a/../b'"),
        _file("an artifact with a backslash", "?name=..%5Cx", "name", "backslashes"),
        _file("an artifact with a NUL", "?name=a%00b", "name", "control characters"),
        _file("an empty artifact", "?name=", "name", "such as"),
        _post("a value", "/w/runs/r/artifacts", {"name": "../x", "value": 1}, "name", "'../x'"),
        _post(
            "a value with a number for a name",
            "/w/runs/r/artifacts",
            {"name": 5, "value": 1},
            "name: expected a string",
        ),
        _post("a model", "/w/models", {**MODEL, "name": "../x"}, "name"),
        _get("a run", "/runs/..%2F..", "nothing at this address", status=404),
        _get("a model's path", "/models/%2e%2e", "'..'", status=404),
        _get("an artifact's id", "/artifacts/Li46Li4vLi4/download", "no such", status=404),
    ),
    "file in parts": (
        _form("a form", _part("file") + b"--b--\r\n"),
        _form("a form that leads elsewhere", _part("file", file='filename="../x"') + b"--b--\r\n"),
        _form("a form without parts", b"--b--\r\n"),
        _form("a form of many parts", b"".join(_part(f"file{number}") for number in range(2000)) + b"--b--\r\n"),
        _form("a form that does not end", _part("file")),
    ),
}

DOOR = Door("chachaml", TABLE, sentence, lambda secret: {"Authorization": f"Bearer {secret}"})
