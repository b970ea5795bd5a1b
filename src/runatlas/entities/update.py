"""Changes of many things at once: what they did."""

from __future__ import annotations

from typing import Any

import attrs

from runatlas.entities.change import Change
from runatlas.errors import ConflictError
from runatlas.model.series import ReadFailure
from runatlas.response import ApiResponse

__all__ = ["Update"]


@attrs.frozen
class Update:
    """What a change of many things did; they were settled before anything was changed.

    Attributes:
        ids: What was chosen: the store's ids of runs, or paths of projects.
        total: How many were changed.
        failures: What could not be changed. Runs are changed in one transaction, so there never are any of them.
        change: The line of the journal; ``None`` if nothing differs from what was, and for projects, which are changed
            one by one.
    """

    ids: tuple[str, ...] = attrs.field(repr=False)
    total: int
    failures: tuple[ReadFailure, ...] = ()
    change: Change | None = attrs.field(default=None, repr=False)

    @property
    def complete(self) -> bool:
        """Whether everything that was chosen was changed."""
        return self.total == len(self.ids)

    @property
    def sampled(self) -> bool:
        """Always false."""
        return False

    def undo(self) -> ApiResponse[Change]:
        """Take it back, as ``Change.undo`` does.

        Returns:
            The change that took it back; a ``ConflictError`` if there is nothing to take back.
        """
        if self.change is None:
            return ApiResponse.failure(ConflictError("nothing was changed that one line of the journal takes back"))
        return self.change.undo()

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        failures = [attrs.asdict(failure) for failure in self.failures]
        change = "" if self.change is None else self.change.id
        told = {"ids": list(self.ids), "total": self.total, "complete": self.complete, "failures": failures}
        return {**told, "change": change}
