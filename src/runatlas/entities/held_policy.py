"""Policies that a project holds: a server evaluates them again and again, and a log tells what each evaluation did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from runatlas.display.markup import Html, facts, heading, joined, rows_of
from runatlas.display.shown import shown
from runatlas.entities.argument import boolean
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import ListedEntity
from runatlas.entities.collection import Collection, UnpagedCollection, Window, make_window
from runatlas.entities.deletion import item_json
from runatlas.model.duration import parse_duration
from runatlas.model.held_policy import EvaluationRecord, HeldPolicyRecord, RuleCount, validate_policy_name
from runatlas.model.ids import ProjectPath
from runatlas.model.instant import iso_text, iso_text_if
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.model.policy import Policy
from runatlas.model.trash import PlannedItem
from runatlas.response import ApiResponse
from runatlas.tables.plan import PlanTable

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.held_policy import Outcome

__all__ = ["Evaluation", "Evaluations", "HeldPolicies", "HeldPolicy", "evaluation_json", "hold_policy", "policy_json"]


class HeldPolicy(ListedEntity[ProjectPath, HeldPolicyRecord]):
    """A policy that a project holds."""

    _SHOWN = ("name", "every", "acts", "held_by", "evaluated_at", "next_at")
    _JSON = ("name", "project", "every", "acts", "held_by", "held_at", "evaluated_at", "next_at")

    _MISSING = "project {} holds no policy {!r}"
    _KEY = "name"

    __slots__ = ()

    def _listed(self) -> Iterable[HeldPolicyRecord]:
        return self._handle.backend.list_policies(self._place)

    @property
    def name(self) -> str:
        """What it is called by."""
        return self._key

    @property
    def project(self) -> str:
        """The path of the project that holds it."""
        return str(self._place)

    @property
    def policy(self) -> Policy:
        """What it says."""
        return self._held().policy

    @property
    def every(self) -> str:
        """How often it is evaluated: ``12h``, ``1d``, ``1w``."""
        return self._held().every

    @property
    def acts(self) -> bool:
        """Whether it deletes; else it reports only."""
        return self._held().acts

    @property
    def held_by(self) -> str:
        """Who set it or switched it last: it is evaluated with his rights."""
        return self._held().held_by

    @property
    def held_at(self) -> str:
        """When it was set or switched last: ISO 8601."""
        return iso_text(self._held().held_at_ms)

    @property
    def evaluated_at(self) -> str | None:
        """When it was evaluated last: ISO 8601; ``None`` if it never was."""
        return iso_text_if(self._held().evaluated_at_ms)

    @property
    def next_at(self) -> str:
        """When it is due: ISO 8601."""
        return iso_text(self._held().next_at_ms)

    def log(self, *, limit: int | None = None) -> Evaluations:
        """List what its evaluations did, newest first.

        Args:
            limit: How many at the most.

        Raises:
            TypeError: It is no whole number.
            ValueError: It is out of bounds.
        """
        return Evaluations(self._handle, make_window(limit=limit), self._place, self._key)

    def switch(self, acts: bool) -> ApiResponse[HeldPolicy]:
        """Let it delete from its next evaluation on, with your rights, or report only.

        Args:
            acts: Whether it deletes.

        Raises:
            TypeError: ``acts`` is no boolean.
        """
        wanted = boolean(acts, "acts")

        def switch() -> HeldPolicy:
            self._record = self._handle.backend.switch_policy(self._place, self._key, acts=wanted)
            return self

        return ApiResponse.of(switch)

    def release(self) -> ApiResponse[None]:
        """Let the project hold it no longer; what it deleted stays in the trash, and its log where it is."""
        return ApiResponse.of(lambda: self._handle.backend.release_policy(self._place, self._key))

    def _show(self) -> Html:
        record = self._record
        if record is None:
            return super()._show()
        return joined(heading(repr(self)), facts({**self._facts(), **policy_json(record.policy)}))

    def json(self) -> dict[str, Any]:
        """Return the policy as plain values."""
        return {**super().json(), "policy": policy_json(self.policy)}


def policy_json(policy: Policy) -> dict[str, Any]:
    """Return what a policy says as plain values, without what it does not say."""
    said = attrs.asdict(policy, filter=lambda field, value: value != field.default)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


class HeldPolicies(UnpagedCollection[HeldPolicy, HeldPolicyRecord]):
    """The policies that a project holds, by name."""

    _listed_in: ProjectPath

    def _list(self) -> Sequence[HeldPolicyRecord]:
        return self._handle.backend.list_policies(self._listed_in)

    def _make(self, record: HeldPolicyRecord) -> HeldPolicy:
        return HeldPolicy(self._handle, self._listed_in, record.name, record)


class Evaluation(ListedEntity[ProjectPath, EvaluationRecord]):
    """What one evaluation of a held policy did."""

    _SHOWN = ("at", "name", "outcome", "acts", "taken", "kept", "trash_id", "reason")

    _MISSING = "the log of project {} has no evaluation {!r}"

    __slots__ = ()

    def _listed(self) -> Iterable[EvaluationRecord]:
        backend = self._handle.backend
        return each_item(lambda page: backend.list_evaluations(self._place, page))

    @property
    def id(self) -> str:
        """The store's id of it."""
        return self._key

    @property
    def project(self) -> str:
        """The path that the project had then."""
        return self._held().project

    @property
    def name(self) -> str:
        """What the policy is called by."""
        return self._held().name

    @property
    def at(self) -> str:
        """When it began: ISO 8601."""
        return iso_text(self._held().at_ms)

    @property
    def outcome(self) -> Outcome:
        """``planned``, ``deleted``, ``refused`` or ``failed``; one that stays ``begun`` broke off and took nothing."""
        return self._held().outcome

    @property
    def acts(self) -> bool:
        """Whether it was to delete."""
        return self._held().acts

    @property
    def held_by(self) -> str:
        """With whose rights it was done."""
        return self._held().held_by

    @property
    def policy(self) -> Policy:
        """What the policy said then."""
        return self._held().policy

    @property
    def taken(self) -> int:
        """How many runs went, or would go if it acted."""
        return self._held().taken

    @property
    def kept(self) -> int:
        """How many of the runs that it looked at stay."""
        return self._held().kept

    @property
    def rules(self) -> tuple[RuleCount, ...]:
        """How many runs each part of the policy, or a guard, let go or kept; several may keep one run."""
        return self._held().rules

    @property
    def items(self) -> tuple[PlannedItem, ...]:
        """The first of the runs that went or would go, each with its reason."""
        return self._held().items

    @property
    def trash_id(self) -> str:
        """The entry of the trash that brings back what went; ``""`` if nothing did."""
        return self._held().trash_id

    @property
    def reason(self) -> str:
        """Why it was refused or failed."""
        return self._held().reason

    def _show(self) -> Html:
        record = self._record
        if record is None:
            return super()._show()
        rules = rows_of(record.rules) if record.rules else None
        return joined(super()._show(), rules, shown(PlanTable(record.items, ())) if record.items else None)

    def json(self) -> dict[str, Any]:
        """Return the evaluation as plain values."""
        return evaluation_json(self._held())


def evaluation_json(record: EvaluationRecord) -> dict[str, Any]:
    """Return an evaluation as plain values."""
    names = ("id", "project", "name", "outcome", "acts", "held_by", "taken", "kept", "trash_id", "reason")
    return {
        **{name: getattr(record, name) for name in names},
        "at": iso_text(record.at_ms),
        "rules": [attrs.asdict(rule) for rule in record.rules],
        "policy": policy_json(record.policy),
        "items": [item_json(item) for item in record.items],
    }


class Evaluations(Collection[Evaluation, EvaluationRecord]):
    """What evaluations of a project's policies did, newest first.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        project: The project.
        policy: Only those of the policy of that name; ``None`` for all, also of policies that were released.
    """

    def __init__(self, handle: BackendHandle, window: Window, project: ProjectPath, policy: str | None = None) -> None:
        super().__init__(handle, window)
        self._project = project
        self._policy = policy

    def _read(self, page: PageRequest) -> Page[EvaluationRecord]:
        return self._handle.backend.list_evaluations(self._project, page, policy=self._policy)

    def _make(self, record: EvaluationRecord) -> Evaluation:
        return Evaluation(self._handle, self._project, record.id, record)

    def _subject(self) -> str:
        return repr(str(self._project))


def hold_policy(
    handle: BackendHandle, project: ProjectPath, name: str, policy: Policy, *, every: str, acts: bool
) -> ApiResponse[HeldPolicy]:
    """Let a project hold a policy.

    Args:
        handle: The way to the backend.
        project: The project.
        name: What it is called by.
        policy: What it says.
        every: How often it is evaluated.
        acts: Whether it deletes; else it reports only.

    Raises:
        TypeError: An argument has another type.
        ValueError: The name or ``every`` cannot be understood.
    """
    validate_policy_name(name)
    parse_duration(every, argument="every")
    wanted = boolean(acts, "acts")

    def hold() -> HeldPolicy:
        record = handle.backend.hold_policy(project, name, policy, every=every, acts=wanted)
        return HeldPolicy(handle, project, name, record)

    return ApiResponse.of(hold)
