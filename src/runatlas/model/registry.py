"""The model registry: named models with numbered versions, one of them in production."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

__all__ = ["STAGES", "ModelRecord", "ModelVersionDraft", "ModelVersionRecord", "Stage"]

Stage = Literal["none", "staging", "production", "archived"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@attrs.frozen
class ModelVersionRecord:
    """A version of a model: an artifact of a run.

    Attributes:
        run: The run's path, as text; its last one when the run was deleted.
        artifact: The artifact's name on that run.
    """

    model: str
    workspace: str
    version: int
    stage: Stage
    run: str
    artifact: str
    description: str = ""
    sha256: str = ""
    size: int = 0
    created_at_ms: int = 0
    updated_at_ms: int = 0


@attrs.frozen
class ModelRecord:
    """A model and where its versions stand."""

    name: str
    workspace: str
    versions: int
    latest: int
    production: int | None
    created_at_ms: int


@attrs.frozen
class ModelVersionDraft:
    """A version to be made of an artifact that the run has; its number is the next one."""

    name: str
    run: str
    artifact: str
    stage: Stage = "none"
    description: str = ""
