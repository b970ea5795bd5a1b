"""SwanLab's protocol."""

from __future__ import annotations

from http import HTTPStatus
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

RUNS = "/project/olga/demo/runs"
HOUSE = "/house/metrics"
COLUMNS = [{"experimentId": "$run", "key": "loss"}]
POINT = {"key": "loss", "index": 1, "data": 0.5, "create_time": "2026-01-02T03:04:05.678Z"}
OBJECT = "/api/resources/objects/$run/a?expires=1&signature=z"
FILES = "/experiment/$run/files"
NEVER_GIVEN = ("the link was never given out",)


def sentence(answer: Answer) -> str:
    """Check ``{"code", "message"}``, the code being that of the status."""
    assert set(answer.document) == {"code", "message"}, answer.text
    assert answer.document["code"] == HTTPStatus(answer.status).phrase.replace(" ", "_")
    return str(answer.document["message"])


def _post(name: str, path: str, json: Any, *told: str, status: int = 400, **options: Any) -> Bad:
    return Bad(name, "POST", f"/api{path}", told, status, json=json, **options)


def _put(name: str, path: str, json: Any, *told: str, status: int = 400) -> Bad:
    return Bad(name, "PUT", f"/api{path}", told, status, json=json)


def _get(name: str, path: str, *told: str, status: int = 400, **options: Any) -> Bad:
    return Bad(name, "GET", f"/api{path}", told, status, **options)


def _point(name: str, /, *told: str, **fields: Any) -> Bad:
    return _post(name, HOUSE, {"type": "scalar", "experimentId": "$run", "metrics": [{**POINT, **fields}]}, *told)


def _start(name: str, /, *told: str, **fields: Any) -> Bad:
    return _post(name, "/project/olga/demo/experiment", {"name": "n", **fields}, *told)


def _files(name: str, step: str, file: Any, *told: str, status: int = 400) -> Bad:
    return _post(name, f"{FILES}/{step}", {"files": [file]}, *told, status=status)


def _without(status: str, who: str | None, *told: str) -> tuple[Bad, ...]:
    return (
        Bad(f"{status}, to read", "GET", f"/api{RUNS}/r", told, 401, who=who),
        Bad(f"{status}, to write", "POST", "/api/project", told, 401, json={"name": "x"}, who=who),
        Bad(f"{status}, to send", "POST", f"/api{HOUSE}", told, 401, json={}, who=who),
    )


def _login(name: str, key: str, *told: str) -> Bad:
    return Bad(name, "POST", "/api/login/api_key", told, 401, who=None, headers={"authorization": key})


MANY = {"path": "a", "size": 5, "md5": "", "mimeType": "text/plain"}
PARTS = {"path": "a", "uploadId": "u", "parts": [{"partNumber": 1, "etag": "x"}]}

TABLE: Table = {
    "no key": (
        *_without("none", None, "an API key is needed"),
        Bad("none, to log in", "POST", "/api/login/api_key", ("an API key is needed",), 401, who=None),
        Bad(
            "an empty session",
            "GET",
            f"/api{RUNS}/r",
            ("an API key is needed",),
            401,
            who=None,
            headers={"Cookie": "sid="},
        ),
        Bad(
            "another cookie",
            "GET",
            f"/api{RUNS}/r",
            ("an API key is needed",),
            401,
            who=None,
            headers={"Cookie": "a=b"},
        ),
        Bad(
            "no token to send media",
            "PUT",
            "/api/resources/s3/runs/p/$run/a",
            ("ask for one at the run's 'sts'",),
            401,
            who=None,
            data=b"x",
        ),
    ),
    "wrong key": (
        *_without("unknown", "wrong", "not valid"),
        _login("to log in", "0" * 21, "the API key is not valid"),
        _login("to log in with what is no text", "\u00e9", "the API key is not valid"),
    ),
    "revoked key": _without("revoked", "revoked", "may have been revoked"),
    "expired key": (
        Bad("a link", "PUT", OBJECT, NEVER_GIVEN, 404, who=None, data=b"x"),
        Bad("a session", "GET", f"/api{RUNS}/r", ("not valid",), 401, who=None, headers={"Cookie": "sid=MS5rLjEuYQ"}),
    ),
    "key of another run": (
        *_without("a run's", "token", "not valid"),
        Bad("a link of another", "PUT", OBJECT.replace("$run", "$other"), NEVER_GIVEN, 404, who=None, data=b"x"),
        Bad(
            "a token of another",
            "PUT",
            "/api/resources/s3/runs/p/$other/a",
            NEVER_GIVEN,
            404,
            who=None,
            data=b"x",
            headers={"x-amz-security-token": "1.x"},
        ),
        Bad(
            "a link to read", "GET", "/api/resources/inline/$other/a?expires=1&signature=z", NEVER_GIVEN, 404, who=None
        ),
    ),
    "unknown id": (
        _get("run", f"{RUNS}/none", "project olga/demo has no run 'none'", status=404),
        _get("project", "/project/olga/none", "olga/none", status=404),
        _get("workspace", "/group/nobody", "nobody", status=404),
        _post("workspace of a project", "/project", {"name": "x", "username": "nobody"}, "nobody", status=404),
        _post("project of a run", "/project/olga/none/experiment", {"name": "n"}, "olga/none", status=404),
        _post(
            "run of a query", f"{HOUSE}/scalar", {"columns": [{"experimentId": "none", "key": "x"}]}, "none", status=404
        ),
        _post(
            "run of points", HOUSE, {"type": "scalar", "experimentId": "none", "metrics": [POINT]}, "none", status=404
        ),
        _post("file", "/files/presigned/get", {"paths": [f"exports/{'a' * 21}.csv"]}, "make it again", status=404),
        _get("log", f"{HOUSE}/log?experimentId=none", "none", status=404),
        _post(
            "media",
            HOUSE,
            {
                "type": "media",
                "experimentId": "$run",
                "metrics": [{"key": "k", "index": 0, "data": ["media/image/1.png"]}],
            },
            "media/image/1.png",
        ),
        _files(
            "file that was never sent",
            "complete",
            {"path": "never", "state": "UPLOADED"},
            "nothing was sent to 'never'",
        ),
    ),
    "unknown address": (
        _get("nothing", "/nowhere", "nothing at this address", status=404),
        _get("too long", "/user/profile/x/y", "nothing at this address", status=404),
        _get("upwards", "/project/../../etc/passwd", "nothing at this address", status=404),
    ),
    "wrong method": (
        _put("of the login", "/login/api_key", None, "does not take that method", status=405),
        Bad("of the metrics", "DELETE", f"/api{HOUSE}", ("does not take that method",), 405),
    ),
    "wrong type": (
        _post("a list for an object", "/project", [], "the body: expected a JSON object, not list"),
        _post("a number for a name", "/project", {"name": 5}, "name: expected text, not int"),
        _post("a visibility", "/project", {"name": "x", "visibility": "HIDDEN"}, "visibility", "PRIVATE"),
        _start("a time", "createdAt", createdAt="yesterday"),
        _start("text for labels", "labels", labels="a"),
        _start("text for colors", "colors", colors="red"),
        _put("a state", f"{RUNS}/r/state", {"state": "ASLEEP"}, "state", "FINISHED"),
        _put("a list for config", f"{RUNS}/r/profile", {"config": []}, "config: expected"),
        _post(
            "a filter",
            f"{RUNS}/shows",
            {"filters": [{"key": "state", "type": "STABLE", "op": "LIKE", "value": ["x"]}]},
            "op",
        ),
        _post("a kind of metrics", HOUSE, {"type": "dream", "experimentId": "$run", "metrics": []}, "type", "scalar"),
        _post(
            "an object for points",
            HOUSE,
            {"type": "scalar", "experimentId": "$run", "metrics": {}},
            "metrics: expected a list",
        ),
        _point("text for a value", "data", data="x"),
        _point("text for a step", "index: expected a whole number", index="1"),
        _point("control characters in a key", "key", key="a\0"),
        _get("text for a page", "/project/olga?page=one", "page: expected a whole number"),
        _get("a level", f"{HOUSE}/log?experimentId=$run&level=LOUD", "level: expected one of"),
        _post("a column", "/experiment/$run/columns", ["loss"], "expected a JSON object, not str"),
        _files("a number for a path", "prepare-multipart", {**MANY, "path": 5}, "path: expected text, not int"),
    ),
    "missing field": (
        _post("a project's name", "/project", {}, "name: expected text"),
        _point("a key", "key: expected text", key=None),
        _post("columns", f"{HOUSE}/scalar", {}, "columns: expected a list"),
        _post("users", "/self_hosted/users", {}, "users: expected a list"),
        _post("cuids", f"{RUNS}/del", {}, "cuids: expected a list"),
        _get("a column to export", "/experiment/$run/column/csv", "key: which column?"),
    ),
    "limit exceeded": (
        _get("no page", "/project/olga?page=0", "page: expected a whole number from 1"),
        _get("a page", "/project/olga?size=1001", "size: expected a whole number from 1 to 1000"),
        _point("a step", "index: expected a whole number from", index=2**64),
        _post("no points", f"{HOUSE}/scalar", {"columns": [], "num": 0}, "num: expected a whole number from"),
        _post("columns", f"{HOUSE}/scalar", {"columns": COLUMNS * 1001}, "columns: expected a list of at most 1000"),
        _post(
            "lines",
            f"{HOUSE}/log/export",
            {"experimentId": "$run", "rows": 500_001},
            "rows: expected 1 to 500000, got 500001",
        ),
        _post("a project's name", "/project", {"name": "x" * 1001}, "name", "1000"),
        _post("users", "/self_hosted/users", {"users": [{}] * 101}, "users: expected a list of at most 100"),
        _post("paths", "/resources/presigned/put", {"experimentId": "$run", "paths": ["a"] * 10_001}, "paths", "10000"),
        _files(
            "parts", "prepare-multipart", {**MANY, "count": 10_001}, "count: expected a whole number from 1 to 10000"
        ),
        _files("no parts", "prepare-multipart", {**MANY, "count": 0}, "count: expected a whole number from 1 to 10000"),
    ),
    "body too large": (
        Bad("a document", "POST", "/api/project", (BODY,), 413, declared=17 * MIB),
        Bad("a batch", "POST", f"/api{HOUSE}", (BATCH,), 413, declared=129 * MIB),
        Bad("a file", "PUT", OBJECT, (BLOB,), 413, declared=17 * 2**30, who=None),
    ),
    "malformed body": (
        *no_json("POST", "/api/project"),
        *no_json("POST", f"/api{HOUSE}"),
        Bad("empty", "POST", "/api/project", ("needs a JSON body",)),
        Bad("NaN", "POST", f"/api{HOUSE}", ("not JSON",), data=b'{"a": NaN}'),
    ),
    "wrong media type": Never("The type that a body is said to be of is not looked at: some of its clients send none."),
    "gzip bomb": (
        Bad("a document", "POST", "/api/project", (BODY,), 413, data=bomb(17 * MIB), headers=PACKED),
        Bad("a batch", "POST", f"/api{HOUSE}", (BATCH,), 413, data=bomb(129 * MIB), headers=PACKED),
        _get("to read", f"{RUNS}/none", BODY, status=413, data=bomb(17 * MIB), headers=PACKED),
    ),
    "damaged gzip": damaged("POST", "/api/project"),
    "content length that lies": lies("POST", "/api/project"),
    "name that leads elsewhere": (
        _post("a project", "/project", {"name": "..", "username": "olga"}, "name", "'..'"),
        _start("a run", "id: 'a/b' is not a run id", cuid="a/b"),
        _post("media", "/resources/presigned/put", {"experimentId": "$run", "paths": ["../x"]}, "'../x'", "such as"),
        _post("empty media", "/resources/presigned/put", {"experimentId": "$run", "paths": [""]}, "''", "such as"),
        _files("an absolute file", "prepare", {"path": "/etc/passwd"}, "'/etc/passwd'", "such as"),
        _post(
            "a file of the server", "/files/presigned/get", {"paths": ["../../etc/passwd"]}, "etc/passwd", status=404
        ),
        Bad(
            "a link upwards",
            "PUT",
            "/api/resources/objects/$run/a%2F..%2F..%2Fb?expires=1&signature=z",
            NEVER_GIVEN,
            404,
            data=b"x",
            who=None,
        ),
        _get("a run", f"{RUNS}/..%2F..", "nothing at this address", status=404),
        _get("a workspace", "/group/%2e%2e", "'..'", status=404),
    ),
    "file in parts": (
        _files("never begun", "complete-multipart", {**PARTS, "uploadId": "../.."}, "got no upload", status=404),
        _files("a part never sent", "complete-multipart", PARTS, "got no upload", status=404),
        _files("no parts", "complete-multipart", {**PARTS, "parts": []}, "parts: a file has at least one"),
        _files(
            "too many parts", "complete-multipart", {**PARTS, "parts": [{"partNumber": 1}] * 10_001}, "at most 10000"
        ),
        _files("a part before the first", "complete-multipart", {**PARTS, "parts": [{"partNumber": 0}]}, "partNumber"),
        _files("a name upwards", "prepare-multipart", {**MANY, "path": "../x", "count": 1}, "'../x'", "such as"),
        _files("a name upwards, completed", "complete-multipart", {**PARTS, "path": "../x"}, "'../x'", "such as"),
        _files("an absolute name", "prepare-multipart", {**MANY, "path": "/x", "count": 1}, "'/x'", "such as"),
        _files("an empty name", "prepare-multipart", {**MANY, "path": "", "count": 1}, "''", "such as"),
    ),
}


def _credential(secret: str) -> dict[str, str]:
    return {"Cookie": f"sid={secret}"}


DOOR = Door("swanlab", TABLE, sentence, _credential)
