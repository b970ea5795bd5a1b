"""Policies that a project holds: evaluated again and again, reporting only until they are switched to act."""

from __future__ import annotations

import re
from typing import Literal

import attrs

from runatlas.errors import shortened
from runatlas.model.policy import Policy
from runatlas.model.trash import PlannedItem

__all__ = ["EVERY", "EvaluationRecord", "HeldPolicyRecord", "Outcome", "RuleCount", "validate_policy_name"]

EVERY = "1d"
"""How often a held policy is evaluated unless that is said."""

Outcome = Literal["begun", "planned", "deleted", "refused", "failed"]
"""How an evaluation ended: it told what would go, or deleted that; it was refused, as a policy or for want of rights;
something was out of order. One that stays ``begun`` broke off with its process, and took nothing."""


_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,100}")


def validate_policy_name(name: str, *, argument: str = "name") -> str:
    """Return ``name`` if a project can hold a policy by it: 1 to 100 characters without ``/``, not blank.

    Raises:
        TypeError: It is not a string.
        ValueError: It has another form.

    Example:
        >>> validate_policy_name("crashed runs")
        'crashed runs'
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument}: expected a string, got {type(name).__name__}")
    if not _NAME.fullmatch(name) or not name.strip() or name in {".", ".."}:
        raise ValueError(
            f"{argument}: {shortened(repr(name))} cannot name a policy; use 1 to 100 characters without '/'"
        )
    return name


@attrs.frozen
class HeldPolicyRecord:
    """A policy that a project holds.

    Attributes:
        name: What it is called by; no two of a project have one name.
        every: How often it is evaluated: ``12h``, ``1d``, ``1w``.
        acts: Whether it deletes; else it reports only.
        held_by: Who set it or switched it last: it is evaluated with his rights.
        evaluated_at_ms: When that was done last.
        next_at_ms: When it is due.
    """

    name: str
    policy: Policy
    every: str
    acts: bool
    held_by: str
    held_at_ms: int
    evaluated_at_ms: int | None
    next_at_ms: int


@attrs.frozen
class RuleCount:
    """How many runs a part of a policy, or a guard, let go or kept; several may keep one run.

    Attributes:
        rule: Such as ``older_than 30d``, ``keep_best val_loss:3`` or ``protected``.
        goes: Whether these runs go.
    """

    rule: str
    runs: int
    goes: bool


@attrs.frozen
class EvaluationRecord:
    """What one evaluation of a held policy did.

    Attributes:
        id: The store's id of it.
        project: The path of the project that holds the policy.
        name, policy, acts, held_by: What was evaluated, as it was then.
        outcome: How it ended.
        taken, kept: How many runs went, or would go if it acted, and how many that it looked at stay.
        rules: Why, by part of the policy and guard.
        items: The first of the runs that went or would go, each with its reason.
        trash_id: The entry of the trash that holds what went; ``""`` if nothing did.
        reason: Why it was refused or failed.
    """

    id: str
    project: str
    name: str
    policy: Policy
    acts: bool
    held_by: str
    at_ms: int
    outcome: Outcome
    taken: int = 0
    kept: int = 0
    rules: tuple[RuleCount, ...] = ()
    items: tuple[PlannedItem, ...] = ()
    trash_id: str = ""
    reason: str = ""
