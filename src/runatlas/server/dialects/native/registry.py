"""Routes of the model registry."""

from __future__ import annotations

import attrs

from runatlas.model.registry import ModelRecord, ModelVersionDraft, ModelVersionRecord, Stage
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("models")


@attrs.frozen
class Promotion:
    """Where a version is to go."""

    stage: Stage


@routes.add("GET", "/models/{workspace}", errors=(403, 404))
def list_models(services: Services, caller: Caller, workspace: str) -> tuple[ModelRecord, ...]:
    """List a workspace's models by name."""
    return services.registry.list_models(caller, workspace)


@routes.add("GET", "/models/{workspace}/{name}/versions", errors=(403, 404))
def list_model_versions(
    services: Services, caller: Caller, workspace: str, name: str
) -> tuple[ModelVersionRecord, ...]:
    """List a model's versions, oldest first."""
    return services.registry.list_model_versions(caller, workspace, name)


@routes.add("POST", "/models", statuses=(201,), errors=(403, 404), write=True)
def create_model_version(services: Services, caller: Caller, body: ModelVersionDraft) -> ModelVersionRecord:
    """Register an artifact of a run as the next version of a model, making the model if needed."""
    return services.registry.create_model_version(caller, body)


@routes.add("PATCH", "/models/{workspace}/{name}/versions/{version}", errors=(403, 404))
def promote_model(
    services: Services, caller: Caller, workspace: str, name: str, *, version: str, body: Promotion
) -> ModelVersionRecord:
    """Change a version's stage; promoting to production archives the one there before."""
    return services.registry.promote_model(caller, workspace, name, _number(version), body.stage)


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
