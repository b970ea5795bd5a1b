"""What a change of many things did."""

from __future__ import annotations

from typing import Any

import attrs

from runatlas.model.series import ReadFailure

__all__ = ["Update"]


@attrs.frozen
class Update:
    """What a change of many things did; they were settled before anything was changed.

    Attributes:
        ids: What was chosen: the store's ids of runs, or paths of projects.
        total: How many were changed.
        failures: What could not be changed. Runs are changed in one transaction, so there never are any of them.
    """

    ids: tuple[str, ...] = attrs.field(repr=False)
    total: int
    failures: tuple[ReadFailure, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was chosen was changed."""
        return self.total == len(self.ids)

    @property
    def sampled(self) -> bool:
        """Always false."""
        return False

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        failures = [attrs.asdict(failure) for failure in self.failures]
        return {"ids": list(self.ids), "total": self.total, "complete": self.complete, "failures": failures}
