"""This protocol's objects, made of our records and read into them."""

from __future__ import annotations

import math
from typing import Any

from runatlas.model.account import UserRecord, WorkspaceRecord
from runatlas.model.codec import context_text
from runatlas.model.log import LogRecord
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunRecord
from runatlas.model.series import ColumnRecord, Context
from runatlas.server.dialects.swanlab.instant import iso_text

__all__ = [
    "column_object",
    "group_object",
    "log_object",
    "number",
    "project_object",
    "run_object",
    "user_object",
    "wire_key",
]

_COLORS = ["#528d59", "#528d59"]


def number(value: float) -> float | str:
    """Write a value: NaN and the infinities are text, since JSON has none."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def wire_key(key: str, context: Context) -> str:
    """Name a series: this protocol has no contexts, so one with a context has it behind its key.

    Example:
        >>> wire_key("loss", ()), wire_key("loss", (("subset", "val"),))
        ('loss', 'loss {"subset":"val"}')
    """
    return f"{key} {context_text(context)}" if context else key


def user_object(user: UserRecord) -> dict[str, Any]:
    """Make a user, as administrators see one."""
    return {
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "institution": user.institution,
        "isRoot": user.is_root,
        "createdAt": iso_text(user.created_at_ms),
    }


def group_object(workspace: WorkspaceRecord) -> dict[str, Any]:
    """Make a workspace."""
    return {
        "username": workspace.username,
        "name": workspace.name or workspace.username,
        "type": workspace.workspace_type,
        "role": workspace.role,
        "comment": workspace.comment,
        "profile": workspace.profile,
        "createdAt": iso_text(workspace.created_at_ms),
    }


def project_object(project: ProjectRecord) -> dict[str, Any]:
    """Make a project."""
    made: dict[str, Any] = {
        "cuid": project.cuid,
        "name": project.name,
        "path": str(project.path),
        "username": project.workspace,
        "visibility": project.visibility,
        "description": project.description,
        "version": 1,
        "group": {
            "type": project.workspace_type,
            "username": project.workspace,
            "name": project.workspace_name or project.workspace,
        },
        "projectLabels": [{"name": label, "colors": [], "cuid": label} for label in project.labels],
        "role": project.role,
        "createdAt": iso_text(project.created_at_ms),
        "updatedAt": iso_text(project.updated_at_ms),
    }
    if project.count is not None:
        made["_count"] = {
            "experiments": project.count.experiments,
            "contributors": project.count.contributors,
            "collaborators": project.count.collaborators,
            "clones": project.count.clones,
            "children": project.count.children,
            "runningExps": project.count.running,
        }
    return made


def run_object(run: RunRecord) -> dict[str, Any]:
    """Make a run; ``profile`` is there when the record carries it."""
    made: dict[str, Any] = {
        "cuid": run.cuid,
        "slug": run.id,
        "name": run.name or run.id,
        "description": run.description,
        "state": run.state,
        "type": "CHAPTER",
        "show": run.show,
        "pin": run.pin,
        "baseline": run.baseline,
        "labels": [{"name": label, "colors": []} for label in run.labels],
        "colors": list(run.colors) or _COLORS,
        "cluster": run.group,
        "job": run.job_type,
        "project_id": run.project_cuid,
        "user": None if run.user is None else {"username": run.user.username, "name": run.user.name},
        "createdAt": iso_text(run.created_at_ms),
        "updatedAt": iso_text(run.updated_at_ms),
        "finishedAt": iso_text(run.finished_at_ms),
        "pinnedAt": iso_text(run.pinned_at_ms),
        "rootProId": None,
        "rootExpId": None,
        # Read by the oldest clients, which send it back with what they log.
        "flagId": run.cuid,
    }
    if run.profile is not None:
        made["profile"] = {
            "config": {
                key: {"value": value, "sort": place, "desc": ""}
                for place, (key, value) in enumerate((run.config or {}).items())
            },
            "metadata": run.profile.metadata,
            "requirements": run.profile.requirements,
            "conda": run.profile.conda,
        }
    return made


def column_object(column: ColumnRecord) -> dict[str, Any]:
    """Make a column."""
    key = wire_key(column.key, column.context)
    return {
        "key": key,
        "name": key if column.name == column.key else column.name,
        "class": column.column_class,
        "type": column.column_type,
        "createdAt": column.created_at_ms,
        "error": column.error,
    }


def log_object(line: LogRecord) -> dict[str, Any]:
    """Make a line."""
    return {
        "epoch": line.line,
        "level": line.level,
        "message": line.message,
        "tag": line.tag,
        "timestamp": iso_text(line.time_ms),
    }
