"""What an entity and a collection answer alike: whether they could be read, and why not."""

from __future__ import annotations

from abc import ABC, abstractmethod

from typing_extensions import Self

from runatlas.entities.gateway import Gateway
from runatlas.errors import RunAtlasError

__all__ = ["Answered"]


class Answered(ABC):
    """Something that is read when it is needed, and is the answer to that request too."""

    __slots__ = ()

    _gateway: Gateway

    @property
    @abstractmethod
    def ok(self) -> bool:
        """Whether it could be read; reads it if that was not tried, or failed before."""

    @property
    @abstractmethod
    def error(self) -> RunAtlasError | None:
        """Why the last attempt to read it failed; ``None`` if it did not. Reads it if that was not tried."""

    @abstractmethod
    def _forget(self) -> None:
        """Forget what was read, and that it could not be."""

    def _scope(self) -> str | None:
        """Return the path under which a backend may keep this in memory; ``None`` if it has none."""
        return None

    @property
    def code(self) -> int:
        """The HTTP status of the last attempt to read it: 200 for a success, 0 if no answer came."""
        error = self.error
        return 200 if error is None else error.code

    @property
    def errmsg(self) -> str:
        """What went wrong when it was last read, ``""`` if nothing did."""
        error = self.error
        return "" if error is None else error.message

    @property
    def data(self) -> Self | None:
        """The object itself; ``None`` if it cannot be read."""
        return self if self.ok else None

    def refresh(self) -> Self:
        """Forget what is known and read it again; whether that worked is in ``ok``.

        Returns:
            The object itself.
        """
        self._gateway.forget(self._scope())
        self._forget()
        _ = self.ok
        return self
