"""The protocol, ready to be mounted."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

import attrs
from litestar.handlers import HTTPRouteHandler

from runatlas.model.codec import encode_json
from runatlas.server.dialects.swanlab import account, column, export, file, ingestion, media, project, query, run
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.body_limit import Limits
from runatlas.server.wire.dialect import Dialect
from runatlas.server.wire.endpoint import Endpoint, make_endpoint
from runatlas.server.wire.failure import Failure, in_wider_use

__all__ = ["PREFIXES", "ROUTES", "SwanlabRoute", "make_dialect"]

PREFIXES = (
    "/api",
    "/api/login",
    "/api/user",
    "/api/group",
    "/api/self_hosted",
    "/api/project",
    "/api/projects",
    "/api/experiment",
    "/api/house",
    "/api/resources",
    "/api/files",
)

Method = Literal["GET", "POST", "PUT", "DELETE"]
_PROJECT = "/api/project/{workspace:str}/{project:str}"
_RUNS = f"{_PROJECT}/runs"
_RUN = f"{_RUNS}/{{run:str}}"
_EXPERIMENT = "/api/experiment/{cuid:str}"
_HOUSE = "/api/house/metrics"


@attrs.frozen
class SwanlabRoute:
    """A route.

    Attributes:
        limit: Which of the limits its body has.
        public: Whether no key is needed: whoever has its address was given leave.
    """

    method: Method
    path: str
    function: Endpoint
    limit: Literal["body", "batch", "blob"] = "body"
    public: bool = False


ROUTES: tuple[SwanlabRoute, ...] = (
    SwanlabRoute("GET", "/api", account.ping, public=True),
    SwanlabRoute("POST", "/api/login/api_key", account.log_in),
    SwanlabRoute("GET", "/api/user/profile", account.get_profile),
    SwanlabRoute("GET", "/api/user/{username:str}/groups", account.list_groups),
    SwanlabRoute("GET", "/api/group", account.list_own_groups),
    SwanlabRoute("GET", "/api/group/{username:str}", account.get_group),
    SwanlabRoute("GET", "/api/self_hosted/info", account.get_instance),
    SwanlabRoute("GET", "/api/self_hosted/users", account.list_all_users),
    SwanlabRoute("POST", "/api/self_hosted/users", account.create_users),
    SwanlabRoute("GET", "/api/self_hosted/projects", account.list_all_projects),
    SwanlabRoute("GET", "/api/self_hosted/groups", account.list_all_groups),
    SwanlabRoute("GET", "/api/self_hosted/summary", account.get_usage),
    SwanlabRoute("POST", "/api/project", project.create_project),
    SwanlabRoute("POST", "/api/projects/{workspace:str}", project.find_or_create_project),
    SwanlabRoute("GET", "/api/project/{workspace:str}", project.list_projects),
    SwanlabRoute("GET", _PROJECT, project.get_project),
    SwanlabRoute("DELETE", _PROJECT, project.delete_project),
    SwanlabRoute("POST", f"{_PROJECT}/experiment", run.start_run),
    SwanlabRoute("GET", _RUNS, run.list_runs),
    SwanlabRoute("POST", f"{_RUNS}/shows", run.filter_runs),
    SwanlabRoute("POST", f"{_RUNS}/del", run.delete_runs),
    SwanlabRoute("GET", _RUN, run.get_run),
    SwanlabRoute("DELETE", _RUN, run.delete_run),
    SwanlabRoute("PUT", f"{_RUN}/profile", run.put_profile),
    SwanlabRoute("PUT", f"{_RUN}/state", run.put_state),
    SwanlabRoute("POST", "/api/house/experiments/{cuid:str}/heartbeat", run.beat),
    SwanlabRoute("POST", f"{_EXPERIMENT}/columns", column.add_columns),
    SwanlabRoute("POST", "/api/projects/{workspace:str}/{project:str}/series", column.add_series),
    SwanlabRoute("GET", f"{_EXPERIMENT}/column", column.list_columns),
    SwanlabRoute("GET", f"{_EXPERIMENT}/column/csv", export.export_column),
    SwanlabRoute("POST", _HOUSE, ingestion.add_metrics, limit="batch"),
    SwanlabRoute("POST", f"{_HOUSE}/scalar", query.read_lines),
    SwanlabRoute("POST", f"{_HOUSE}/scalar/value", query.read_statistics),
    SwanlabRoute("POST", f"{_HOUSE}/scalar/export", export.export_columns),
    SwanlabRoute("POST", f"{_HOUSE}/summaries", query.read_summaries),
    SwanlabRoute("GET", f"{_HOUSE}/summaries/{{project:str}}/{{cuid:str}}", query.read_last_steps),
    SwanlabRoute("POST", f"{_HOUSE}/media", media.read_media),
    SwanlabRoute("POST", f"{_HOUSE}/f_media", media.read_all_media),
    SwanlabRoute("GET", f"{_HOUSE}/log", media.read_log),
    SwanlabRoute("POST", f"{_HOUSE}/log/export", export.export_log),
    SwanlabRoute("POST", f"{_HOUSE}/{{kind:str}}/keys", query.list_keys),
    SwanlabRoute("POST", f"{_HOUSE}/{{kind:str}}/availability", query.list_runs_of_keys),
    SwanlabRoute("POST", "/api/resources/presigned/put", file.link_uploads),
    SwanlabRoute("POST", "/api/resources/presigned/get", file.link_downloads),
    SwanlabRoute("PUT", "/api/resources/objects/{cuid:str}/{path:path}", file.receive_object, "blob", public=True),
    SwanlabRoute("GET", f"{_RUN}/sts", file.give_credentials),
    SwanlabRoute(
        "PUT",
        "/api/resources/s3/runs/{project:str}/{cuid:str}/{path:path}",
        file.receive_by_token,
        "blob",
        public=True,
    ),
    SwanlabRoute("GET", "/api/resources/inline/{cuid:str}/{path:path}", file.fetch_inline, public=True),
    SwanlabRoute("POST", "/api/files/presigned/get", export.link_exports),
    SwanlabRoute("POST", f"{_EXPERIMENT}/files/prepare", file.prepare_files),
    SwanlabRoute("POST", f"{_EXPERIMENT}/files/complete", file.complete_files),
    SwanlabRoute("POST", f"{_EXPERIMENT}/files/prepare-multipart", file.prepare_parts),
    SwanlabRoute("POST", f"{_EXPERIMENT}/files/complete-multipart", file.complete_parts),
)


def make_dialect(limits: Limits) -> Dialect:
    """Make the protocol.

    Args:
        limits: How large bodies may be.

    Returns:
        What the application mounts.
    """
    return Dialect("swanlab", PREFIXES, lambda: _handlers(limits), _render, account.secret_of, _identify)


def _handlers(limits: Limits) -> list[HTTPRouteHandler]:
    return [
        make_endpoint(
            route.method,
            route.path,
            route.function,
            limit=getattr(limits, route.limit),
            public=route.public,
            streams=route.limit == "blob",
        )
        for route in ROUTES
    ]


def _identify(services: Services, secret: str) -> Caller | None:
    return services.login_tokens.authenticate(secret) or services.accounts.authenticate(secret)


def _render(failure: Failure) -> Answer:
    failure = in_wider_use(failure)
    status = 400 if failure.status == 422 else failure.status
    code = HTTPStatus(status).phrase.replace(" ", "_").replace("-", "_")
    message = failure.message if failure.found is None else f"{failure.message}, not {failure.found}"
    return Answer(encode_json({"code": code, "message": message}), status, headers=failure.headers)
