"""What plans have in common: a change of many runs to look at before it is made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from runatlas.display.markup import Html, failure, heading, joined, note
from runatlas.display.shown import shown
from runatlas.entities.backend_handle import BackendHandle
from runatlas.tables.frame import Frame, Tabled
from runatlas.terminal import more_of, printable

__all__ = ["SHOWN", "Plan", "more"]

SHOWN = 20
"""Of how many runs a plan tells one by one."""


class PlanRecord(Protocol):
    """What the records of plans have."""

    @property
    def missing(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def total(self) -> int: ...


Record = TypeVar("Record", bound=PlanRecord)
Item = TypeVar("Item")


class Plan(Tabled, Generic[Record, Item]):
    """What a change of many runs would do, frozen: applying it does exactly this, or fails and changes nothing.

    Args:
        handle: The way to the backend.
        record: The plan as the backend made it.

    Attributes:
        record: The plan as the backend made it.
        complete: Whether everything asked for by id is there; a plan that is not complete cannot be applied.
        failures: Asked for by id, but not there.
    """

    def __init__(self, handle: BackendHandle, record: Record) -> None:
        self._handle = handle
        self.record = record
        self.failures = record.missing
        self.complete = not record.missing

    @property
    @abstractmethod
    def items(self) -> tuple[Item, ...]:
        """The runs."""

    @property
    def total(self) -> int:
        """How many runs it is about."""
        return self.record.total

    @property
    def sampled(self) -> bool:
        """Whether it is about more than ``table()`` shows."""
        return False

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids that are no runs."""
        return self.record.missing

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be looked at before it is applied, such as a key of the filter that no run has."""
        return self.record.notes

    @property
    @abstractmethod
    def refusal(self) -> str:
        """Why applying it is refused, as far as that is known by now; ``""`` if nothing is known."""

    @abstractmethod
    def _summary(self) -> str:
        """Say in one sentence what would happen."""

    @abstractmethod
    def _lines(self) -> list[str]:
        """Say what would happen to single runs, of many to the first ones."""

    def _details(self) -> list[str]:
        """Say what else should be known before it is applied."""
        return []

    def _sentences(self) -> list[str]:
        told = [self._summary()]
        told += [f"there is no such run: {name}" for name in self.missing[:SHOWN]]
        told += [f"note: {note}" for note in self.notes[:SHOWN]]
        told += self._details()
        return [printable(line) for line in [*told, *([f"refused: {self.refusal}"] if self.refusal else [])]]

    def _tables(self) -> Sequence[Frame]:
        return [self.table()] if self.items else []

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def _show(self) -> Html:
        refused = [failure(self.refusal, "refused")] if self.refusal else []
        first, *told = self._sentences()
        told = told[: len(told) - len(refused)]
        return joined(heading(first), *refused, *map(note, told), *map(shown, self._tables()))

    def __repr__(self) -> str:
        first, *rest = [*self._sentences(), *map(printable, self._lines())]
        return "\n".join([f"{type(self).__name__}: {first}", *(f"- {line}" for line in rest)])


def more(count: int) -> list[str]:
    """Say how many runs are not told one by one, if any."""
    return [more_of(count, "run")] if count > 0 else []
