"""The pages, ready to be mounted: whatever address belongs to no protocol is theirs."""

from __future__ import annotations

from functools import partial

from litestar.handlers import HTTPRouteHandler

from runatlas.errors import NotFoundError
from runatlas.server.pages import (
    account,
    administration,
    asset,
    compare,
    home,
    models,
    project,
    run,
    run_actions,
    run_artifacts,
    run_edit,
    run_file,
    run_history,
    run_logs,
    run_media,
    run_system,
    trash,
    usage,
)
from runatlas.server.pages.curves.picture import CurvePictures
from runatlas.server.pages.curves.points import Curves
from runatlas.server.pages.page import Page, credential, for_members, render_failure, telling
from runatlas.server.pages.report.maker import ReportMaker
from runatlas.server.pages.report.page import Reports
from runatlas.server.pages.run_live import LiveRuns
from runatlas.server.pages.sign_in import choose_password, show_sign_in, sign_in, sign_out
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.dialect import Dialect
from runatlas.server.wire.endpoint import EndpointCall, make_endpoint

__all__ = ["READS", "VISITED", "WRITES", "make_dialect"]

_FORM_MAX = 2**20

VISITED: dict[str, Page] = {
    "/": home.show_home,
    "/{workspace:str}": home.show_workspace,
    "/{workspace:str}/{project:str}": project.show_project,
    "/{workspace:str}/{project:str}/compare": compare.show_comparison,
    "/{workspace:str}/{project:str}/runs/{run:str}": run.show_run,
    "/{workspace:str}/{project:str}/runs/{run:str}/chart": run.show_run,
    "/{workspace:str}/{project:str}/runs/{run:str}/media": run_media.show_media,
    "/{workspace:str}/{project:str}/runs/{run:str}/figure": run_media.show_figure,
    "/{workspace:str}/{project:str}/runs/{run:str}/logs": run_logs.show_logs,
    "/{workspace:str}/{project:str}/runs/{run:str}/lines": run_logs.show_lines,
    "/{workspace:str}/{project:str}/runs/{run:str}/system": run_system.show_system,
    "/{workspace:str}/{project:str}/runs/{run:str}/files": run_artifacts.show_artifacts,
    "/{workspace:str}/{project:str}/runs/{run:str}/history": run_history.show_history,
    "/{workspace:str}/{project:str}/runs/{run:str}/record": run_file.record_file,
    "/runs/{run:str}": run.find_run,
    "/runs/{run:str}/{part:str}": run.find_run,
    "/dashboard/experiments/{run:str}": run.find_run,
}
"""Pages that show what is public to whoever asks, and more to members."""

READS: dict[str, Page] = {
    "/runs": home.show_runs,
    "/{workspace:str}/{project:str}/runs.csv": run_file.csv_file,
    "/{workspace:str}/{project:str}/runs.parquet": run_file.parquet_file,
    "/account": account.show_account,
    "/account/keys/{key:str}": account.show_key,
    "/administration": administration.show_administration,
    "/administration/users/{username:str}": administration.show_user,
    "/administration/users/{username:str}/keys/{key:str}": administration.show_user_key,
    "/models": models.show_models,
    "/models/{workspace:str}/{name:str}": models.show_model,
    "/trash": trash.show_trash,
    "/trash/purge": trash.show_expired,
    "/trash/{entry:str}": trash.show_entry,
    "/usage": usage.show_usage,
    "/experiments/{experiment:str}": project.find_project,
    "/experiments/{experiment:str}/{part:str}": project.find_project,
}
"""Pages that one has to sign in for."""

WRITES: dict[str, Page] = {
    "/account": account.change_profile,
    "/account/password": account.change_password,
    "/account/keys": account.make_key,
    "/account/sessions": account.end_sessions,
    "/account/keys/{key:str}/revoke": account.revoke_key,
    "/{workspace:str}/{project:str}/runs": run_actions.change_runs,
    "/{workspace:str}/{project:str}/delete-runs": run_actions.delete_runs,
    "/{workspace:str}/{project:str}/undo": run_actions.undo_change,
    "/{workspace:str}/{project:str}/runs/{run:str}/edit": run_edit.edit_run,
    "/{workspace:str}/{project:str}/runs/{run:str}/mark": run_edit.mark_run,
    "/{workspace:str}/{project:str}/runs/{run:str}/notes": run_history.add_note,
    "/{workspace:str}/{project:str}/runs/{run:str}/keys": run_history.create_key,
    "/{workspace:str}/{project:str}/runs/{run:str}/keys/revoke": run_history.revoke_key,
    "/administration/users": administration.make_user,
    "/administration/users/{username:str}/keys": administration.make_user_key,
    "/administration/users/{username:str}/keys/{key:str}/revoke": administration.revoke_user_key,
    "/administration/users/{username:str}/password": administration.reset_password,
    "/models/{workspace:str}/{name:str}": models.change_stage,
    "/trash/purge": trash.purge_expired,
    "/trash/{entry:str}/restore": trash.restore_entry,
    "/trash/{entry:str}/purge": trash.purge_entry,
}
"""What the forms on the pages do; one has to be signed in."""


def make_dialect(reports: ReportMaker | None = None) -> Dialect:
    """Make the pages.

    Args:
        reports: What makes reports; without it their pages say that there are none.

    Returns:
        What the application mounts.
    """
    return Dialect("pages", ("/",), partial(_handlers, Reports(reports)), render_failure, credential, _identify)


def _identify(services: Services, secret: str) -> Caller | None:
    return services.sessions.authenticate(secret) or services.accounts.authenticate(secret)


def _handlers(reports: Reports) -> list[HTTPRouteHandler]:
    curves = Curves()
    reads = VISITED | {path: for_members(function) for path, function in READS.items()}
    reads |= {
        "/{workspace:str}/{project:str}/curves": curves.show,
        "/{workspace:str}/{project:str}/curves.svg": CurvePictures(curves).show,
        "/{workspace:str}/{project:str}/report": reports.show,
        "/{workspace:str}/{project:str}/report/{form:str}": reports.file,
        "/{workspace:str}/{project:str}/runs/{run:str}/state": LiveRuns().show,
        "/sign-in": show_sign_in,
        "/static/{version:str}/{name:str}": asset.asset,
        "/static/plotly/{version:str}/plotly.js": asset.plotly_asset,
        "/favicon.ico": _no_icon,
    }
    writes = {path: for_members(function) for path, function in WRITES.items()}
    writes |= {"/sign-in": sign_in, "/sign-in/password": choose_password, "/sign-out": sign_out}
    return [
        *(
            make_endpoint("GET", path, telling(function), limit=0, has_body=False, visitors=True)
            for path, function in reads.items()
        ),
        *(
            make_endpoint("POST", path, telling(function), limit=_FORM_MAX, visitors=True)
            for path, function in writes.items()
        ),
    ]


def _no_icon(_: EndpointCall) -> Answer:
    raise NotFoundError("there is no icon of that name")
