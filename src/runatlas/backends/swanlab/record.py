"""Objects of SwanLab's protocol as our records."""

from __future__ import annotations

import math
import mimetypes
from typing import Any, Literal, TypeVar, get_args

import attrs

from runatlas.backends.swanlab.document import Document
from runatlas.model.account import Role, ServerRecord, UsageRecord, UserRecord, UserRef, WorkspaceRecord, WorkspaceType
from runatlas.model.ids import ProjectPath
from runatlas.model.log import LogLevel, LogRecord
from runatlas.model.media import MediaItem
from runatlas.model.project import ProjectCountRecord, ProjectRecord, Visibility
from runatlas.model.run import Profile, RunRecord, RunState
from runatlas.model.series import ColumnClass, ColumnRecord, ColumnType, Statistic, SummaryRecord

__all__ = [
    "SYSTEM_PREFIX",
    "column_class",
    "column_record",
    "log_record",
    "media_item",
    "project_record",
    "run_record",
    "server_record",
    "summary_record",
    "usage_record",
    "user_record",
    "workspace_record",
]

T = TypeVar("T")

SYSTEM_PREFIX = "__swanlab__."
"""What the keys of a machine's own measurements begin with."""

_PROFILE = ("bio", "url", "institution", "school", "email", "location")


def _choice(document: Document, name: str, choices: Any, default: T) -> T:
    """Return a text that is one of a few; the default for null and for what a newer server may say."""
    found = document.text(name, "")
    return next((choice for choice in get_args(choices) if choice == found), default)


def server_record(document: Document) -> ServerRecord:
    """Read what the installation is."""
    return ServerRecord(
        product="swanlab",
        version="",
        enabled=document.flag("enabled", default=True),
        expired=document.flag("expired", default=False),
        root=document.flag("root", default=False),
        plan=_choice(document, "plan", Literal["free", "commercial"], "free"),
        seats=document.whole("seats", 0),
        accounts=True,
    )


def user_record(document: Document, profile: Document | None = None) -> UserRecord:
    """Read a user: of the login, or of an administrator's list; the rest of the caller's own is in its profile."""
    username = document.text("username")
    told = document if profile is None else profile
    return UserRecord(
        username,
        document.text("name", "") or username,
        **{name: told.text(name, "") for name in _PROFILE},
        is_root=document.flag("isRoot", default=False),
        created_at_ms=document.time_ms("createdAt") or 0,
    )


def workspace_record(document: Document) -> WorkspaceRecord:
    """Read a group."""
    username = document.text("username")
    return WorkspaceRecord(
        username,
        document.text("name", "") or username,
        _choice(document, "type", WorkspaceType, "PERSON"),
        _choice(document, "role", Role, "VISITOR"),
        document.text("comment", ""),
        document.inner("profile").plain,
        document.time_ms("createdAt") or 0,
    )


def project_record(document: Document) -> ProjectRecord:
    """Read a project."""
    path = document.text("path", "").removeprefix("/").partition("/")
    group = document.inner("group")
    return ProjectRecord(
        cuid=document.text("cuid"),
        workspace=path[0] or document.text("username", "") or group.text("username"),
        name=path[2] or document.text("name"),
        description=document.text("description", ""),
        visibility=_choice(document, "visibility", Visibility, "PRIVATE"),
        labels=tuple(label.text("name") for label in document.objects("projectLabels")),
        role=_choice(document, "role", Role, "VISITOR"),
        workspace_name=group.text("name", ""),
        workspace_type=_choice(group, "type", WorkspaceType, "PERSON"),
        created_at_ms=document.time_ms("createdAt") or 0,
        updated_at_ms=document.time_ms("updatedAt") or 0,
        count=_count(document.inner("_count")),
    )


def _count(document: Document) -> ProjectCountRecord | None:
    if not document.plain:
        return None
    names = ("experiments", "contributors", "collaborators", "clones", "children")
    return ProjectCountRecord(
        **{name: document.whole(name, 0) for name in names}, running=document.whole("runningExps", 0)
    )


def run_record(document: Document, path: ProjectPath) -> RunRecord:
    """Read a run; it has no summary yet, and no config and profile if a listing left them out."""
    cuid = document.text("cuid")
    has_profile = document.plain.get("profile") is not None
    profile = document.inner("profile")
    user = document.inner("user")
    return RunRecord(
        workspace=path.workspace,
        project=path.project,
        id=document.text("slug", "") or cuid,
        cuid=cuid,
        project_cuid=document.text("project_id", ""),
        name=document.text("name", ""),
        description=document.text("description", ""),
        state=_choice(document, "state", RunState, "OFFLINE"),
        labels=tuple(label.text("name") for label in document.objects("labels")),
        group=document.text("cluster", ""),
        job_type=document.text("job", ""),
        show=document.flag("show", default=True),
        pin=document.flag("pin", default=False),
        baseline=document.flag("baseline", default=False),
        colors=document.texts("colors"),
        user=UserRef(user.text("username"), user.text("name", "")) if user.plain.get("username") else None,
        created_at_ms=document.time_ms("createdAt") or 0,
        updated_at_ms=document.time_ms("updatedAt") or 0,
        finished_at_ms=document.time_ms("finishedAt"),
        pinned_at_ms=document.time_ms("pinnedAt"),
        config=_config(profile.inner("config")) if has_profile else None,
        profile=_profile(profile) if has_profile else None,
    )


def _config(document: Document) -> dict[str, Any]:
    """Take the values out of their wrapping."""
    plain = document.plain
    return {key: item["value"] if isinstance(item, dict) and "value" in item else item for key, item in plain.items()}


def _profile(document: Document) -> Profile:
    metadata = document.inner("metadata").plain
    return Profile(metadata, document.text("requirements", ""), document.text("conda", ""))


def column_class(key: str) -> ColumnClass:
    """Tell a machine's own measurements from what a program logged."""
    return "SYSTEM" if key.startswith(SYSTEM_PREFIX) else "CUSTOM"


def column_record(document: Document) -> ColumnRecord:
    """Read a column; how many points it has is not told."""
    key = document.text("key")
    error = document.plain.get("error")
    return ColumnRecord(
        key,
        document.text("name", "") or key,
        _choice(document, "class", ColumnClass, column_class(key)),
        _choice(document, "type", ColumnType, "FLOAT"),
        document.whole("createdAt", 0),
        count=None,
        error=error if isinstance(error, dict) else None,
    )


def summary_record(run: str, key: str, document: Document) -> SummaryRecord:
    """Read what a series amounts to; how many points it has is not told."""
    step = document.whole("step")
    value = document.number("value")
    return SummaryRecord(
        run,
        key,
        (),
        None,
        column_class(key),
        "FLOAT",
        None,
        step,
        Statistic(float("nan") if value is None else value, step),
        _statistic(document.inner("min")),
        _statistic(document.inner("max")),
        document.number("avg"),
        document.number("stdDev"),
        document.number("median"),
    )


def _statistic(document: Document) -> Statistic | None:
    value = document.number("data")
    # Where only NaN was logged, these servers have it for the least and the greatest, and the others have none.
    return None if value is None or math.isnan(value) else Statistic(value, document.whole("index"))


def log_record(document: Document) -> LogRecord:
    """Read a line."""
    return LogRecord(
        document.whole("epoch"),
        _choice(document, "level", LogLevel, "INFO"),
        document.text("message", ""),
        document.time_ms("timestamp") or 0,
        document.text("tag", ""),
    )


def media_item(path: str, caption: str, url: str) -> MediaItem:
    """Make an object of a step; its kind is told by its name."""
    return MediaItem(
        path,
        mime_type=mimetypes.guess_type(path)[0] or "application/octet-stream",
        caption=caption,
        url=url or None,
    )


def usage_record(document: Document) -> UsageRecord:
    """Read the counts of an installation, those of ours that it has."""
    names = [field.name for field in attrs.fields(UsageRecord)]
    return UsageRecord(**{name: document.whole(name, 0) for name in names if name in document.plain})
