"""Who works here: users, workspaces, keys, and the installation itself."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from runatlas.model.compact import compact

__all__ = [
    "ROLES",
    "KeyRecord",
    "NewKeyRecord",
    "NewPasswordRecord",
    "Role",
    "ServerRecord",
    "UsageRecord",
    "UserPatch",
    "UserRecord",
    "UserRef",
    "WorkspacePatch",
    "WorkspaceRecord",
    "WorkspaceSort",
    "WorkspaceType",
]

Role = Literal["OWNER", "MEMBER", "VIEWER", "VISITOR"]
ROLES: tuple[Role, ...] = ("OWNER", "MEMBER", "VIEWER", "VISITOR")
"""From the most rights to the fewest: OWNER manages, MEMBER writes, VIEWER reads, VISITOR sees what is public."""

WorkspaceType = Literal["PERSON", "TEAM"]
WorkspaceSort = Literal["create", "name"]


@compact
@attrs.frozen
class UserRef:
    """A user as named inside another record."""

    username: str
    name: str = ""


@attrs.frozen
class UserRecord:
    """A user's account."""

    username: str
    name: str = ""
    bio: str = ""
    institution: str = ""
    school: str = ""
    email: str = ""
    location: str = ""
    url: str = ""
    is_root: bool = False
    created_at_ms: int = 0


@attrs.frozen
class UserPatch:
    """What to change of a user; ``None`` keeps."""

    name: str | None = None
    bio: str | None = None
    institution: str | None = None
    school: str | None = None
    email: str | None = None
    location: str | None = None
    url: str | None = None


@attrs.frozen
class WorkspaceRecord:
    """A collection of projects: a person's or a team's.

    Attributes:
        username: The unique name, as in paths.
        name: The display name.
        role: What the caller may do here.
    """

    username: str
    name: str = ""
    workspace_type: WorkspaceType = "PERSON"
    role: Role = "VISITOR"
    comment: str = ""
    profile: dict[str, Any] = attrs.field(factory=dict)
    created_at_ms: int = 0


@attrs.frozen
class WorkspacePatch:
    """What to change of a workspace; ``None`` keeps."""

    name: str | None = None
    comment: str | None = None
    profile: dict[str, Any] | None = None


@attrs.frozen
class KeyRecord:
    """An API key without its secret."""

    id: str
    username: str
    prefix: str
    created_at_ms: int
    last_used_at_ms: int | None = None
    revoked_at_ms: int | None = None


@attrs.frozen
class NewKeyRecord:
    """A key just made; the only time that its secret is shown."""

    key: KeyRecord
    secret: str


@attrs.frozen
class NewPasswordRecord:
    """A one-time password just made, to be exchanged for another one in time; the only time that it is shown."""

    username: str
    password: str
    expires_at_ms: int


@attrs.frozen
class ServerRecord:
    """What the server behind an Api is.

    Attributes:
        product: ``"runatlas"`` or ``"swanlab"``.
        version: Its version.
        enabled: Whether it is self-hosted.
        expired: Whether its licence ran out; never here.
        root: Whether the caller administers it.
        plan: ``"free"`` or ``"commercial"``.
        seats: How many users it admits; 0 for no limit.
        accounts: Whether users exist, and so a key is needed.
    """

    product: str
    version: str
    enabled: bool = True
    expired: bool = False
    root: bool = False
    plan: Literal["free", "commercial"] = "free"
    seats: int = 0
    accounts: bool = False


@attrs.frozen
class UsageRecord:
    """Counts over the whole installation."""

    users: int = 0
    workspaces: int = 0
    projects: int = 0
    runs: int = 0
    running: int = 0
    points: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    database_bytes: int = 0
    trashed_runs: int = 0
