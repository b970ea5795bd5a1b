"""What keeps a run from being deleted: one rule, wherever the run lies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

__all__ = ["FORCED", "NAMED", "Guard", "GuardKind", "TakenKind", "guards_of"]

GuardKind = Literal["protected", "registered", "pinned", "baseline", "running"]
"""Why a deletion leaves a run: it is protected, what a model in staging or production came from, pinned, a baseline, or
goes on and is alive."""

TakenKind = Literal["registered", "pinned", "baseline", "running"]
"""A guard that a deletion can take all the same: any but protection."""

NAMED: tuple[TakenKind, ...] = ("pinned", "baseline", "running")
"""What the deletion of one run takes that is named itself."""

FORCED: tuple[TakenKind, ...] = ("registered", *NAMED)
"""What a forced deletion takes."""

_REASON_MAX = 200


class Guard(NamedTuple):
    """A guard that holds a run; ``reason`` ends the sentence that begins with "the run is"."""

    kind: GuardKind
    reason: str


def guards_of(run: Any, sources: Iterable[str] = ()) -> tuple[Guard, ...]:
    """Tell what guards a run.

    Args:
        run: What is known of the run, with ``protected``, ``protected_reason``, ``pin``, ``baseline``, and ``state`` as
            it reads.
        sources: The versions in staging or production that were made of it, for people.

    Returns:
        Its guards, those that are hardest to pass first.
    """
    guards = [Guard("registered", f"the source of {version}") for version in sources]
    if run.protected:
        reason = run.protected_reason
        shown = reason if len(reason) <= _REASON_MAX else reason[:_REASON_MAX] + "…"
        guards.insert(0, Guard("protected", f"protected: {shown}" if shown else "protected"))
    if run.pin:
        guards.append(Guard("pinned", "pinned"))
    if run.baseline:
        guards.append(Guard("baseline", "a baseline"))
    if run.state == "RUNNING":
        guards.append(Guard("running", "running"))
    return tuple(guards)
