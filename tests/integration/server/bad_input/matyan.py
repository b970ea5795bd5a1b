"""The protocol of matyan over HTTP."""

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

REST = "/api/v1/rest"
UPLOAD = f"{REST}/artifacts/upload?run=$run&path=y&expires=1&signature=z"
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "validation_error",
    500: "internal_error",
}


def sentence(answer: Answer) -> str:
    """Check ``{"error": {"code", "message"}, "detail"}``, of which both sentences are one."""
    assert set(answer.document) == {"error", "detail"}, answer.text
    told = answer.document["error"]
    assert (set(told), told["code"]) == ({"code", "message"}, CODES[answer.status])
    assert told["message"] == answer.document["detail"]
    return str(told["message"])


def _post(name: str, path: str, json: Any, *told: str, status: int = 422, **options: Any) -> Bad:
    return Bad(name, "POST", REST + path, told, status, json=json, **options)


def _put(name: str, path: str, json: Any, *told: str, status: int = 422) -> Bad:
    return Bad(name, "PUT", REST + path, told, status, json=json)


def _get(name: str, path: str, *told: str, status: int = 422, **options: Any) -> Bad:
    return Bad(name, "GET", REST + path, told, status, **options)


def _delete(name: str, path: str, *told: str, status: int = 404) -> Bad:
    return Bad(name, "DELETE", REST + path, told, status)


def _without(status: str, who: str | None, *told: str) -> tuple[Bad, ...]:
    return (
        Bad(f"{status}, to read", "GET", f"{REST}/runs/r/info/", told, 401, who=who),
        Bad(f"{status}, to write", "POST", f"{REST}/tags/", told, 401, json={"name": "x"}, who=who),
        Bad(f"{status}, to delete", "DELETE", f"{REST}/runs/r/", told, 401, who=who),
    )


def _presign(name: str, run: Any, path: Any, *told: str, status: int = 422) -> Bad:
    return _post(name, "/artifacts/presign", {"run_id": run, "artifact_path": path}, *told, status=status)


TABLE: Table = {
    "no key": _without("none", None, "an API key is needed", "Authorization: Bearer KEY"),
    "wrong key": _without("unknown", "wrong", "the API key is not valid"),
    "revoked key": _without("revoked", "revoked", "may have been revoked"),
    "expired key": Never("An API key is valid until it is revoked; of links see the key of another run."),
    "key of another run": (
        *_without("a run's", "token", "the API key is not valid"),
        Bad("a link that was never given", "PUT", UPLOAD, ("the link was never given out",), 404, data=b"x", who=None),
    ),
    "unknown id": (
        _get("run", "/runs/none/info/", "run 'none' not found", status=404),
        _put("run to change", "/runs/none/", {"name": "x"}, "run 'none' not found", status=404),
        _delete("run to delete", "/runs/none/", "run 'none' not found"),
        _delete("experiment", "/experiments/none/", "none"),
        _delete("tag of a run", "/runs/none/tags/x/", "run 'none' not found"),
        _post("run of a tag", "/runs/none/tags/new/", {"tag_name": "t"}, "run 'none' not found", status=404),
        _post("run of metrics", "/runs/none/metric/get-batch/", [], "run 'none' not found", status=404),
        _get("run of files", "/runs/none/artifacts/download-all/", "run 'none' not found", status=404),
        _get("run without files", "/runs/s/artifacts/download-all/", "no artifacts", status=404),
        _get("file", "/runs/r/artifacts/download/?path=none", "none", status=404),
        _get("sequence", "/runs/r/info/?sequence=x", "sequence: 'x' is none of metric"),
    ),
    "unknown address": (
        _get("nothing", "/nothing/", "nothing at this address", status=404),
        _get("upwards", "/runs/../../../etc/passwd", "nothing at this address", status=404),
        Bad("of the socket", "GET", "/api/v1/ws/nothing", ("nothing at this address",), 404),
    ),
    "wrong method": (
        Bad("of the version", "PATCH", f"{REST}/version/", ("does not take that method",), 405),
        _delete("of searches", "/runs/search/run/", "does not take that method", status=405),
    ),
    "wrong type": (
        _put("a list for an object", "/runs/r/", [], "the body must be a JSON object"),
        _put("a number for a name", "/runs/r/", {"name": 1}, "name"),
        _put("text for a flag", "/runs/r/", {"archived": "yes"}, "archived: expected true or false"),
        _put("half of what is good", "/runs/r/", {"name": "half", "experiment": " "}, "experiment"),
        _post("an object for a list", "/runs/images/get-batch/", {}, "the body must be a JSON list"),
        _post("numbers for ids", "/runs/delete-batch/", ["r", 5], "an id is text"),
        _post("text for a trace", "/runs/r/metric/get-batch/", ["loss"], "a trace is an object with name and context"),
        _post(
            "text for a context",
            "/runs/r/metric/get-batch/",
            [{"name": "loss", "context": "x"}],
            "context: expected an object",
        ),
        _post("a number for an experiment", "/experiments/", {"name": 5}, "name"),
        _presign("a number for a run", 5, "x", "run_id"),
        _presign("a list for a path", "new", ["x"], "artifact_path"),
        _get(
            "a list for an order",
            "/runs/search/run/?sort=%5B%7B%22field%22:%22run%22,%22order%22:%5B%5D%7D%5D",
            "order",
            status=400,
        ),
        _get("text for a limit", "/runs/search/run/?limit=x", "limit"),
        _get("a query that ends", "/runs/search/run/?q=run.hparams.lr%20%3C", "Invalid query syntax: ", status=400),
        _get(
            "a query that reaches out", "/runs/search/metric/?q=__import__('os')", "Invalid query syntax: ", status=400
        ),
    ),
    "missing field": (
        _post("an experiment's name", "/experiments/", {}, "name"),
        _post("a tag's name", "/runs/r/tags/new/", {}, "tag_name"),
        _presign("a path", "new", None, "artifact_path"),
        _get("which file", "/runs/r/artifacts/download/", "path: which file?"),
    ),
    "limit exceeded": (
        _post("a tag", "/tags/", {"name": "x" * 2000}, "1 to 500 characters"),
        _post("an experiment", "/experiments/", {"name": "x" * 3000}, "1 to"),
        _presign("a run's id", "x" * 3000, "x", "run"),
        _presign("a path", "new", "x" * 1001, "path"),
        _get("a query", "/runs/search/run/?q=" + "not%20" * 5000 + "run.active", "Invalid query syntax: ", status=400),
    ),
    "body too large": (
        Bad("a document", "POST", f"{REST}/tags/", (BODY,), 413, declared=17 * MIB),
        Bad("a file", "PUT", UPLOAD, (BLOB,), 413, declared=17 * 2**30),
    ),
    "malformed body": (
        *(bad for bad in no_json("POST", f"{REST}/tags/") if bad.name not in {"deep", "half a character"}),
        Bad("deep", "POST", f"{REST}/tags/", ("nests too deeply",), data=b"[" * 100_000),
        Bad("half a character", "POST", f"{REST}/tags/", ("name",), 422, data=b'{"name": "\\ud800"}'),
        Bad("empty", "POST", f"{REST}/tags/", ("JSON",)),
    ),
    "wrong media type": Never("The type that a body is said to be of is not looked at: a restore sends none."),
    "gzip bomb": (
        Bad("a document", "POST", f"{REST}/tags/", (BODY,), 413, data=bomb(17 * MIB), headers=PACKED),
        _get("to read", "/runs/none/info/", BODY, status=413, data=bomb(17 * MIB), headers=PACKED),
    ),
    "damaged gzip": damaged("POST", f"{REST}/tags/"),
    "content length that lies": lies("POST", f"{REST}/tags/"),
    "name that leads elsewhere": (
        _presign("a file", "new", "../x", "'../x'", "such as"),
        _presign("an absolute file", "new", "/etc/passwd", "'/etc/passwd'", "such as"),
        _presign("an empty file", "new", "", "''", "such as"),
        _presign("a run", "a/b", "x", "'a/b'"),
        _presign("a run upwards", "..", "x", "'..'"),
        _get("a file to fetch", "/runs/r/artifacts/download/?path=../../etc/passwd", "../../etc/passwd", status=404),
        _get("a run to read", "/runs/..%2F../info/", "nothing at this address", status=404),
        Bad(
            "a link", "PUT", UPLOAD.replace("=y", "=../y"), ("the link was never given out",), 404, data=b"x", who=None
        ),
    ),
    "file in parts": Never("A file is sent whole to its link."),
}

DOOR = Door("matyan", TABLE, sentence, lambda secret: {"Authorization": f"Bearer {secret}"})
