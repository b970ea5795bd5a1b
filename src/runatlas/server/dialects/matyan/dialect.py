"""The protocol, ready to be mounted."""

from __future__ import annotations

from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Method

from runatlas.errors import NotFoundError
from runatlas.server.dialects.matyan import entity, experiment, file, log, note, run, search, tag, upload
from runatlas.server.dialects.matyan.body import answer
from runatlas.server.dialects.matyan.socket import make_socket
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.body_limit import Limits
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.dialect import Dialect
from runatlas.server.wire.endpoint import Endpoint, EndpointCall, make_endpoint
from runatlas.server.wire.failure import Failure, in_wider_use

__all__ = ["PREFIX", "PREFIXES", "ROUTES", "make_dialect"]

PREFIX = "/api/v1/rest"
PREFIXES = (PREFIX, "/api/v1/ws")

_RUN = "/runs/{run:str}"
_EXPERIMENT = "/experiments/{experiment:str}"
_TAG = "/tags/{tag:str}"
ROUTES: dict[tuple[Method, str], Endpoint] = {
    ("GET", "/version"): entity.get_version,
    ("GET", "/projects"): entity.get_project,
    ("GET", "/projects/activity"): entity.get_activity,
    ("GET", "/experiments"): experiment.list_experiments,
    ("POST", "/experiments"): experiment.create_experiment,
    ("GET", "/experiments/search"): experiment.search_experiments,
    ("GET", _EXPERIMENT): experiment.get_experiment,
    ("PUT", _EXPERIMENT): experiment.update_experiment,
    ("DELETE", _EXPERIMENT): experiment.delete_experiment,
    ("GET", f"{_EXPERIMENT}/runs"): experiment.list_runs,
    ("GET", f"{_EXPERIMENT}/activity"): experiment.get_activity,
    ("GET", "/tags"): tag.list_tags,
    ("POST", "/tags"): tag.create_tag,
    ("GET", "/tags/search"): tag.search_tags,
    ("GET", _TAG): tag.get_tag,
    ("PUT", _TAG): tag.update_tag,
    ("DELETE", _TAG): tag.delete_tag,
    ("GET", f"{_TAG}/runs"): tag.list_runs,
    ("GET", "/runs/active"): search.list_active_runs,
    ("GET", "/runs/search/run"): search.search_runs,
    ("GET", "/runs/search/metric"): search.search_metrics,
    **{("GET", f"/runs/search/{kind}"): found for kind, found in search.SEARCHES.items()},
    ("POST", "/runs/images/get-batch"): file.get_blobs,
    ("POST", "/runs/audios/get-batch"): file.get_blobs,
    ("POST", "/runs/delete-batch"): run.delete_runs,
    ("POST", "/runs/archive-batch"): run.archive_runs,
    ("POST", "/runs/finish-batch"): run.finish_runs,
    ("PUT", _RUN): run.update_run,
    ("DELETE", _RUN): run.delete_run,
    ("GET", f"{_RUN}/info"): run.get_info,
    ("POST", f"{_RUN}/metric/get-batch"): run.get_metrics,
    ("POST", f"{_RUN}/clear-tombstone"): run.clear_tombstone,
    ("POST", f"{_RUN}/tags/new"): run.add_tag,
    ("DELETE", f"{_RUN}/tags/{{tag:str}}"): run.remove_tag,
    ("GET", f"{_RUN}/note"): note.list_notes,
    ("POST", f"{_RUN}/note"): note.create_note,
    ("GET", f"{_RUN}/note/{{note:str}}"): note.get_note,
    ("PUT", f"{_RUN}/note/{{note:str}}"): note.update_note,
    ("DELETE", f"{_RUN}/note/{{note:str}}"): note.delete_note,
    ("GET", f"{_RUN}/logs"): log.get_lines,
    ("GET", f"{_RUN}/log-records"): log.get_records,
    ("GET", f"{_RUN}/artifacts/download"): file.download,
    ("GET", f"{_RUN}/artifacts/download-all"): file.download_all,
    ("POST", "/artifacts/presign"): upload.presign,
}
"""The routes that need a key, below the prefix."""

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "validation_error",
    429: "too_many_requests",
    503: "service_unavailable",
}


def make_dialect(limits: Limits) -> Dialect:
    """Make the protocol.

    Args:
        limits: How large bodies may be.

    Returns:
        What the application mounts.
    """
    return Dialect("matyan", PREFIXES, lambda: _handlers(limits), _render, bearer_or_basic)


def _steady(function: Endpoint) -> Endpoint:
    """A run that was moved to another experiment between two reads of one request is looked for once more."""

    def steady(call: EndpointCall) -> ASGIApp:
        try:
            return function(call)
        except NotFoundError:
            run.found_run(call)
            return function(call)

    return steady


def _handlers(limits: Limits) -> list[BaseRouteHandler]:
    handlers = [
        make_endpoint(
            method,
            f"{PREFIX}{path}",
            _steady(function) if method == "GET" and path.startswith(_RUN) else function,
            limit=limits.body,
        )
        for (method, path), function in ROUTES.items()
    ]
    sending = make_endpoint("PUT", upload.UPLOAD_PATH, upload.put_upload, limit=limits.blob, public=True, streams=True)
    return [*handlers, sending, make_socket()]


def _render(failure: Failure) -> Answer:
    failure = in_wider_use(failure)
    code = _CODES.get(failure.status, "internal_error")
    body = {"error": {"code": code, "message": failure.message}, "detail": failure.message}
    told = answer(body, failure.status)
    return Answer(told.body, failure.status, headers=failure.headers)
