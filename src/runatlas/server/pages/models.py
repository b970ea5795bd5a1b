"""The registered models: their versions, where each stands, and the run that it comes from."""

from __future__ import annotations

import attrs

from runatlas.errors import ApiStatusError, NotFoundError
from runatlas.model.ids import RunPath
from runatlas.model.page import PageRequest
from runatlas.model.registry import STAGES, ModelRecord, ModelVersionRecord, Stage
from runatlas.server.pages.address import model_address, run_address, with_query
from runatlas.server.pages.page import last_of, page, read_form, redirect
from runatlas.server.pages.run_view import own_link
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["change_stage", "show_model", "show_models"]

_WORKSPACES, _MODELS, _VERSIONS = 100, 500, 150
_READERS, _WRITERS = frozenset({"OWNER", "MEMBER", "VIEWER"}), frozenset({"OWNER", "MEMBER"})
_DIGITS = 9


@attrs.frozen
class Version:
    """A version with the address of its run, and a link to its file."""

    record: ModelVersionRecord
    run: str | None
    link: str


def show_models(call: EndpointCall) -> Answer:
    """Show the models of the caller's workspaces, or of the one that the address names."""
    name = call.value("workspace") or None
    models: list[ModelRecord] = []
    if name is not None:
        models += call.services.registry.list_models(call.user, name)
    else:
        for each in call.services.workspaces.list_workspaces(call.user, None, PageRequest(limit=_WORKSPACES)).items:
            if each.role in _READERS:
                models += call.services.registry.list_models(call.user, each.username)
    return page(call, "models.html", models=models[:_MODELS], left=max(len(models) - _MODELS, 0), workspace=name)


def show_model(call: EndpointCall) -> Answer:
    """Show a model's versions, the latest first."""
    return _model(call, "")


def _model(call: EndpointCall, problem: str, *, status: int = 200) -> Answer:
    workspace, name = call.params["workspace"], call.params["name"]
    versions = call.services.registry.list_model_versions(call.user, workspace, name)
    role = call.services.workspaces.get_workspace(call.user, workspace).role
    return page(
        call,
        "model.html",
        status=status,
        workspace=workspace,
        name=name,
        versions=[_version(call, each) for each in versions[: -_VERSIONS - 1 : -1]],
        total=len(versions),
        address=model_address(workspace, name),
        stages=STAGES,
        may_write=role in _WRITERS,
        changed=call.value("changed") or "",
        problem=problem,
    )


def _version(call: EndpointCall, record: ModelVersionRecord) -> Version:
    try:
        run = run_address(RunPath.parse(record.run))
    except ValueError:
        run = None
    name = record.artifact.rpartition("/")[2]
    mime_type = "application/octet-stream"
    link = call.services.links.blob_link(call.user, record.sha256, name=name, mime_type=mime_type, size=record.size)
    return Version(record, run, own_link(call, link.url))


def change_stage(call: EndpointCall) -> Answer:
    """Put a version into another stage; the one in production before is archived."""
    form = read_form(call)
    workspace, name, text = call.params["workspace"], call.params["name"], last_of(form, "version")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise NotFoundError("the model has no such version")
    stage: Stage | None = next((each for each in STAGES if each == last_of(form, "stage")), None)
    if stage is None:
        return _model(call, f"choose one of {', '.join(STAGES)}", status=422)
    try:
        call.services.registry.promote_model(call.user, workspace, name, int(text), stage)
    except ApiStatusError as error:
        return _model(call, error.message, status=error.code)
    return redirect(with_query(model_address(workspace, name), changed=int(text)))
