"""Our own protocol."""

from __future__ import annotations

from typing import Any

from integration.server.bad_input.request import (
    BATCH,
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

from runatlas import errors
from runatlas.model.arrow import MEDIA_TYPE

JSON = {"Content-Type": "application/json"}
ARROW = {"Content-Type": MEDIA_TYPE}
OCTETS = {"Content-Type": "application/octet-stream"}
V1 = "/atlas/v1"
RUN = f"{V1}/runs/olga/demo/r"
BLOBS = f"{V1}/projects/olga/demo/blobs"
DRAFT = {"project": {"workspace": "olga", "project": "demo"}}
PICKED = {"workspace": "olga", "project": "demo", "ids": ["r"]}


def sentence(answer: Answer) -> str:
    """Check ``{"error": {"status", "type", "message", "code"}}``."""
    assert set(answer.document) == {"error"}, answer.text
    told = answer.document["error"]
    assert set(told) == {"status", "type", "message", "code"}
    assert told["status"] == answer.status
    assert type(errors.error_for_status(answer.status, "")).__name__ == told["type"]
    return str(told["message"])


def _post(name: str, path: str, json: Any, *told: str, status: int = 422, **options: Any) -> Bad:
    return Bad(name, "POST", V1 + path, told, status, json=json, headers=JSON, **options)


def _patch(name: str, path: str, json: Any, *told: str, status: int = 422) -> Bad:
    return Bad(name, "PATCH", V1 + path, told, status, json=json, headers=JSON)


def _get(name: str, path: str, *told: str, status: int = 422) -> Bad:
    return Bad(name, "GET", V1 + path, told, status)


def _points(name: str, told: str, /, **fields: Any) -> Bad:
    series = {"key": "a", "steps": [1], "values": [1], "times_ms": [1], **fields}
    return _post(name, "/runs/olga/demo/r/append", {"points": [series]}, told)


def _without(status: str, who: str | None, *told: str) -> tuple[Bad, ...]:
    return (
        Bad(f"{status}, to read", "GET", RUN, told, 401, who=who),
        Bad(f"{status}, to write", "POST", f"{V1}/projects", told, 401, json={"name": "x"}, headers=JSON, who=who),
        Bad(f"{status}, to upload", "POST", BLOBS, told, 401, data=b"x", headers=OCTETS, who=who),
    )


ARTIFACT = {"sha256": "f" * 64, "size": 1}

TABLE: Table = {
    "no key": _without("none", None, "an API key is needed", "Authorization: Bearer KEY"),
    "wrong key": (
        *_without("unknown", "wrong", "the API key is not valid"),
        Bad("no scheme", "GET", RUN, ("Authorization: Bearer KEY",), 401, who=None, headers={"Authorization": "x"}),
        Bad("a query", "GET", f"{RUN}?key=x", ("Authorization: Bearer KEY",), 401, who=None),
    ),
    "revoked key": _without("revoked", "revoked", "may have been revoked"),
    "expired key": Never("An API key is valid until it is revoked."),
    "key of another run": _without("a run's", "token", "the API key is not valid"),
    "unknown id": (
        _get("workspace", "/workspaces/nobody", "nobody", status=404),
        _get("project", "/projects/olga/none", "olga/none", status=404),
        _get("run", "/runs/olga/demo/none", "project olga/demo has no run 'none'", status=404),
        _post("project of a run", "/runs", {"project": {"workspace": "olga", "project": "none"}}, "none", status=404),
        _post("run of points", "/runs/olga/demo/none/append", {}, "project olga/demo has no run 'none'", status=404),
        _post("project of a blob", "/projects/olga/none/blobs", {}, "olga/none", status=404),
        Bad("key", "DELETE", f"{V1}/keys/none", ("none",), 404),
        _post("trash", "/trash/none/restore", {}, "none", status=404),
        _get("model", "/models/olga/none/versions", "none", status=404),
        _patch("version", "/models/olga/classifier/versions/9", {"stage": "none"}, "9", status=404),
        _post("artifact", "/models", {"name": "m", "run": "olga/demo/r", "artifact": "none"}, "none", status=404),
        _post(
            "blob",
            "/runs/olga/demo/r/append",
            {"artifacts": [{"name": "a", **ARTIFACT}]},
            "ffff",
            "store it before what refers to it",
        ),
        _get("link", "/blobs/x?name=a&type=b&expires=1&signature=c", "link", status=404),
    ),
    "unknown address": (
        _get("nothing", "/nothing", "nothing at this address", status=404),
        _get("too short", "/runs/olga/demo", "nothing at this address", status=404),
        Bad("another version", "GET", "/atlas/v2/user", ("nothing at this address",), 404),
        Bad("upwards", "GET", "/atlas/v1/../../etc/passwd", ("nothing at this address",), 404),
    ),
    "wrong method": (
        Bad("a read", "DELETE", f"{V1}/user", ("does not take that method",), 405),
        Bad("a write", "GET", f"{V1}/runs/query", ("does not take that method",), 405),
    ),
    "wrong type": (
        _post("a list for an object", "/projects", [], "expected an object @ ProjectDraft"),
        _post("a number for a name", "/projects", {"name": 5}, "expected text @ ProjectDraft.name"),
        _post("text for a list", "/projects", {"name": "x", "labels": "a"}, "expected a list @ ProjectDraft.labels"),
        _post("an unknown field", "/projects", {"nme": "x"}, "nme"),
        _post(
            "an unknown stage",
            "/models",
            {"name": "m", "run": "olga/demo/r", "artifact": "f", "stage": "best"},
            "expected one of none, staging, production, archived @ ModelVersionDraft.stage",
        ),
        _post("a state", "/runs", {**DRAFT, "state": "ASLEEP"}, "state", "RUNNING"),
        _post(
            "a filter",
            "/runs/count",
            {**PICKED, "filter": {"kind": "between"}},
            "a filter needs a 'kind' of comparison",
        ),
        _points(
            "a float for a step", "expected a whole number of 64 bits @ BatchDocument.points[0].steps[0]", steps=[1.5]
        ),
        _points("a flag for a step", "steps[0]", steps=[True]),
        _points("a step beyond 64 bits", "steps[0]", steps=[2**63]),
        _points("text for a value", "expected a number, 'NaN'", values=["x"]),
        _points("null for a value", "values[0]", values=[None]),
        _points("columns of different lengths", "differ in length", values=[]),
        _points("a list for a context", "context", context=[1]),
        _get("text for a limit", "/workspaces?limit=five", "limit", "'five' is not a whole number"),
        _get("text for a flag", "/workspaces?with_total=yes", "with_total", "neither true nor false"),
        _get("a parameter twice", "/workspaces?limit=5&limit=6", "limit: given twice"),
        _get("a parameter that is none", "/workspaces?limt=5", "'limt'", "this address takes ["),
        _get("a cursor that is none", "/workspaces?cursor=abc", "cursor"),
    ),
    "missing field": (
        _post("a name", "/projects", {}, "name"),
        _post("a project", "/runs", {}, "project"),
        _post(
            "a plan without a path",
            "/deletions",
            {
                "kind": "runs",
                "items": [{"path": "loss", "cuid": "c", "name": "n", "state": "RUNNING", "created_at_ms": 1}],
                "missing": ["m"],
            },
            "plan.items",
        ),
        _post("what to delete", "/deletions/plan", {}, "one of 'runs', 'run' and 'project'"),
        _get("a signature", "/blobs/x?name=a", "this parameter is needed"),
    ),
    "limit exceeded": (
        _get("a page", "/workspaces?limit=1001", "limit", "1000"),
        _get("no page", "/workspaces?limit=0", "limit", "1000"),
        _get("before the first", "/workspaces?offset=-1", "offset"),
        _get("parameters", "/workspaces?" + "&".join(f"a{number}=1" for number in range(101)), "more than 100"),
        _post("a name", "/projects", {"name": "x" * 101}, "name", "100"),
        _post("a run's id", "/runs", {**DRAFT, "id": "x" * 3000}, "id"),
        _post("a label", "/projects", {"name": "x", "labels": ["x" * 501]}, "labels", "1 to 500 characters"),
        _post("a key's life", "/runs/olga/demo/r/ingestion-keys", {"name": "k", "ttl_ms": 2**40}, "ttl_ms", "1 to"),
        _points("a key", "key", key="x" * 3000),
    ),
    "body too large": (
        Bad("a document", "POST", f"{V1}/projects", (BODY,), 413, headers=JSON, declared=17 * MIB),
        Bad("a batch", "POST", f"{RUN}/append", (BATCH,), 413, headers=ARROW, declared=129 * MIB),
        Bad("a file", "POST", BLOBS, (BLOB,), 413, headers=OCTETS, declared=17 * 2**30),
    ),
    "malformed body": (
        *no_json("POST", f"{V1}/projects"),
        *no_json("POST", f"{RUN}/append"),
        Bad("empty", "POST", f"{V1}/projects", ("needs a JSON body",), headers=JSON),
        Bad("NaN", "POST", f"{V1}/projects", ("not JSON",), data=b'{"name": NaN}', headers=JSON),
        Bad("empty Arrow", "POST", f"{RUN}/append", ("Arrow",), headers=ARROW),
        Bad("no Arrow", "POST", f"{RUN}/append", ("Arrow",), data=b"\xff" * 4096, headers=ARROW),
    ),
    "wrong media type": (
        Bad(
            "a form",
            "POST",
            f"{V1}/projects",
            ("must be application/json", "x-www-form-urlencoded"),
            415,
            data=b"name=x",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
        Bad("none", "POST", f"{V1}/projects", ("must be application/json", "of no type"), 415, data=b'{"name": "x"}'),
        Bad(
            "a table",
            "POST",
            f"{RUN}/append",
            ("application/json", MEDIA_TYPE, "text/csv"),
            415,
            data=b"step,value",
            headers={"Content-Type": "text/csv"},
        ),
    ),
    "gzip bomb": (
        Bad("a document", "POST", f"{V1}/projects", (BODY,), 413, data=bomb(17 * MIB), headers=JSON | PACKED),
        Bad("a batch", "POST", f"{RUN}/append", (BATCH,), 413, data=bomb(129 * MIB), headers=ARROW | PACKED),
        Bad(
            "where nothing is unpacked",
            "DELETE",
            f"{V1}/keys/none",
            ("none",),
            404,
            data=bomb(129 * MIB),
            headers=PACKED,
        ),
    ),
    "damaged gzip": (*damaged("POST", f"{V1}/projects"), *damaged("POST", BLOBS, headers=OCTETS)),
    "content length that lies": (
        *lies("POST", f"{V1}/projects"),
        *lies("POST", BLOBS, headers=OCTETS)[:2],
    ),
    "name that leads elsewhere": (
        _post("a project", "/projects", {"name": "../x"}, "name", "'../x'"),
        _post("a project's path", "/projects", {"name": "/etc"}, "name", "'/etc'"),
        _post("a workspace", "/workspaces", {"username": ".."}, "username", "'..'"),
        _post("a run", "/runs", {**DRAFT, "id": "../x"}, "id", "'../x'"),
        _post(
            "an artifact",
            "/runs/olga/demo/r/append",
            {"artifacts": [{"name": "../x", **ARTIFACT}]},
            "name",
            "'../x'",
            "such as",
        ),
        _post(
            "an absolute artifact",
            "/runs/olga/demo/r/append",
            {"artifacts": [{"name": "/etc/x", **ARTIFACT}]},
            "name",
            "such as",
        ),
        _post(
            "an artifact without a name",
            "/runs/olga/demo/r/append",
            {"artifacts": [{"name": "", **ARTIFACT}]},
            "name",
            "such as",
        ),
        _post(
            "a blob",
            "/runs/olga/demo/r/append",
            {"artifacts": [{"name": "a", "sha256": "../../x", "size": 1}]},
            "sha256",
        ),
        _get("a quoted path", "/runs/olga/demo/..%2F..%2Fx", "nothing at this address", status=404),
        _get("a NUL", "/runs/olga/demo/%00", "no", status=404),
        _get(
            "a link",
            "/blobs/..%2Frunatlas.db?name=a&type=b&expires=1&signature=c",
            "nothing at this address",
            status=404,
        ),
    ),
    "file in parts": Never("A file is one stream of bytes."),
}

DOOR = Door("native", TABLE, sentence, lambda secret: {"Authorization": f"Bearer {secret}"})
