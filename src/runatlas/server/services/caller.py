"""Who asks: the principal that every service method takes first."""

from __future__ import annotations

import attrs

__all__ = ["VISITOR", "Caller"]


@attrs.frozen
class Caller:
    """A user whose rights count for one call.

    Attributes:
        user_id: The user's row.
        username: The user's name, and the name of the personal workspace.
        is_root: Administers the installation: users, keys of others, usage.
        is_owner: The directory's owner, who sees and may do everything.
        run_cuid: The only run that may be read and written to, for callers with an ingestion key; ``None`` for others.
        origin: The ``http(s)://`` origin that links are built on; ``None`` for embedded use, links are ``file://``.
        session_id: Which session of the pages the user came in by; ``None`` for other ways.
        door: How the user came in, for the journal: ``python`` in process, else the protocol, or ``policy``.

    Example:
        >>> Caller(user_id=1, username="ann").administers
        False
    """

    user_id: int
    username: str
    is_root: bool = False
    is_owner: bool = False
    run_cuid: str | None = None
    origin: str | None = None
    session_id: str | None = None
    door: str = "python"

    @property
    def administers(self) -> bool:
        """Whether the caller may do what administrators may."""
        return self.is_root or self.is_owner


VISITOR = Caller(0, "")
"""Somebody of whom nothing is known: a member of no workspace, who sees what is public."""
