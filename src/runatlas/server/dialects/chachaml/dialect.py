"""The protocol, ready to be mounted."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from runatlas.model.codec import encode_json
from runatlas.server.dialects.chachaml import read, write
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.body_limit import Limits
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.dialect import Dialect
from runatlas.server.wire.endpoint import Endpoint, make_endpoint
from runatlas.server.wire.failure import Failure, in_wider_use

__all__ = ["PREFIXES", "READS", "WRITES", "make_dialect"]

WRITES: dict[str, Endpoint] = {
    "/api/w/runs": write.start_run,
    "/api/w/runs/{run:str}/params": write.add_params,
    "/api/w/runs/{run:str}/metrics": write.add_metrics,
    "/api/w/runs/{run:str}/end": write.end_run,
    "/api/w/models": write.add_model,
    "/api/tags/{run:str}": read.add_tag,
    "/api/note/{run:str}": read.set_note,
}
READS: dict[str, Endpoint] = {
    "/api/runs": read.list_runs,
    "/api/runs/{run:str}": read.get_run,
    "/api/compare": read.compare_runs,
    "/api/search": read.search_runs,
    "/api/export": read.export_runs,
    "/api/experiments": read.list_experiments,
    "/api/models": read.list_models,
    "/api/models/{name:str}": read.get_model,
    "/api/diff/{name:str}/{first:str}/{second:str}": read.diff_versions,
    "/api/artifacts/{artifact:str}/download": read.download_artifact,
    "/api/tags/{run:str}": read.get_tags,
    "/api/datasets/{run:str}": read.list_datasets,
}
PREFIXES = (
    "/api/w",
    "/api/runs",
    "/api/compare",
    "/api/search",
    "/api/export",
    "/api/experiments",
    "/api/models",
    "/api/diff",
    "/api/artifacts",
    "/api/tags",
    "/api/note",
    "/api/datasets",
)


def make_dialect(limits: Limits) -> Dialect:
    """Make the protocol.

    Args:
        limits: How large bodies may be.

    Returns:
        What the application mounts.
    """
    return Dialect("chachaml", PREFIXES, lambda: _handlers(limits), _render, bearer_or_basic)


def _handlers(limits: Limits) -> list[HTTPRouteHandler]:
    handlers = [make_endpoint("POST", path, function, limit=limits.body) for path, function in WRITES.items()]
    handlers += [make_endpoint("GET", path, function, limit=limits.body) for path, function in READS.items()]
    upload = "/api/w/runs/{run:str}/artifacts"
    handlers.append(
        make_endpoint("POST", upload, write.add_artifact, limit=limits.blob, streams=True, document_limit=limits.body)
    )
    return handlers


def _render(failure: Failure) -> Answer:
    failure = in_wider_use(failure)
    status = 400 if failure.status == 422 else failure.status
    return Answer(encode_json({"error": failure.message}), status, headers=failure.headers)
