"""What can be read and is the answer to that request too; and one thing with a path or id, read when it is needed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, Self, TypeVar

from runatlas.display.markup import Html, facts, failure, heading, joined, note, when
from runatlas.display.shown import Shown
from runatlas.entities.backend_handle import BackendHandle
from runatlas.errors import NotFoundError, RunAtlasError
from runatlas.process.fork import ProcessLock

__all__ = ["Entity", "ListedEntity", "Readable"]

P = TypeVar("P")
R = TypeVar("R")


class Readable(Shown):
    """Something that is read when it is needed, and is the answer to that request too."""

    __slots__ = ()

    _handle: BackendHandle

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
        self._handle.forget(self._scope())
        self._forget()
        _ = self.ok
        return self


_MAKING = ProcessLock()


class Entity(Readable, Generic[R]):
    """Identity, a record, and verbs.

    Constructing, comparing, printing, copying and pickling make no request, and neither do the identity's own fields.
    The first data attribute makes one, under a lock, then none; an entity out of a list already holds what the list
    carried. A failed request is not remembered as an answer: the next attribute asks again.
    """

    _SHOWN: ClassVar[tuple[str, ...]] = ()
    """What a notebook shows of it: attributes that its record has, however little of it was loaded."""

    _JSON: ClassVar[tuple[str, ...]] = ()
    """The attributes that ``json`` has."""

    __slots__ = ("__weakref__", "_failure", "_handle", "_lock", "_record")

    def __init__(self, handle: BackendHandle, record: R | None = None) -> None:
        self._handle = handle
        self._record = record
        self._failure: RunAtlasError | None = None
        self._lock: ProcessLock | None = None

    @property
    @abstractmethod
    def identity(self) -> tuple[Any, ...]:
        """What names the entity, and makes two of them equal; no request."""

    @abstractmethod
    def _fetch(self) -> R:
        """Ask the backend for the whole record."""

    def json(self) -> dict[str, Any]:
        """Return the entity's fields as plain values."""
        self._whole()
        return {name: getattr(self, name) for name in self._JSON}

    def _is_full(self, record: R) -> bool:  # noqa: ARG002 - most records are always whole
        """Tell whether a record has every part."""
        return True

    def _held(self) -> R:
        """Return the record, as far as it is known; load it if nothing is."""
        record = self._record
        return self._load() if record is None else record

    def _whole(self) -> R:
        """Return the record with every part."""
        record = self._record
        return record if record is not None and self._is_full(record) else self._load(whole=True)

    def _locked(self) -> ProcessLock:
        """Return its lock, made when it is first needed: most entities of a listing are never loaded."""
        with _MAKING:
            if self._lock is None:
                self._lock = ProcessLock()
            return self._lock

    def _load(self, *, whole: bool = False) -> R:
        with self._locked():
            record = self._record
            if record is not None and (not whole or self._is_full(record)):
                return record
            try:
                record = self._fetch()
            except RunAtlasError as error:
                self._failure = error
                raise error.with_traceback(None)  # noqa: B904 - the same error, without where it came up inside of us
            self._record = record
            return record

    def _forget(self) -> None:
        with self._locked():
            self._record = None
            self._failure = None

    @property
    def record(self) -> R:
        """What is known of it, as the backend gave it; loads it if nothing is known.

        Raises:
            RunAtlasError: It cannot be loaded.
        """
        return self._held()

    @property
    def ok(self) -> bool:
        """Whether it could be loaded; loads it if that was not tried, or failed before."""
        if self._record is None:
            try:
                self._load()
            except RunAtlasError:
                return False
        return True

    @property
    def error(self) -> RunAtlasError | None:
        """Why the last attempt to load it failed; ``None`` if it did not. Loads it if that was not tried."""
        if self._record is None and self._failure is None:
            _ = self.ok
        return self._failure if self._record is None else None

    def unwrap(self) -> Self:
        """Return the entity itself, loaded.

        Raises:
            RunAtlasError: It cannot be loaded.
        """
        self._held()
        return self

    def _facts(self) -> dict[str, object]:
        """Return what a notebook shows of it, loaded as it is."""
        held = {name: getattr(self, name) for name in self._SHOWN}
        return {name: when(told) if name == "at" or name.endswith("_at") else told for name, told in held.items()}

    def _show(self) -> Html:
        if self._record is not None:
            return joined(heading(repr(self)), facts(self._facts()))
        known = facts({"where": self._handle.location})
        error = self._failure
        if error is not None:
            return joined(heading(repr(self)), known, failure(error.message, type(error).__name__))
        return joined(
            heading(repr(self)), known, note("not loaded yet: .unwrap() loads it, as any of its attributes does")
        )

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entity) or not (isinstance(other, type(self)) or isinstance(self, type(other))):
            return NotImplemented
        return self.identity == other.identity and self._handle == other._handle

    def __hash__(self) -> int:
        return hash(self.identity)

    def __getstate__(self) -> dict[str, Any]:
        names = {name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ())}
        left_out = {"__weakref__", "_lock", "_failure"}
        state = dict(getattr(self, "__dict__", {}))
        state.update((name, getattr(self, name)) for name in sorted(names - left_out) if hasattr(self, name))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._failure = None
        self._lock = None

    def __repr__(self) -> str:
        identity = "/".join(str(part) for part in self.identity if part is not None)
        return f"{type(self).__name__}({identity!r})"


class ListedEntity(Entity[R], Generic[P, R]):
    """One of those that a place has, such as a note on a run: looked for among them when it is read.

    Args:
        handle: The way to the backend.
        place: What has it: a path or an id; ``None`` for the installation.
        key: What names it there.
        record: What is known of it.
    """

    _KEY: ClassVar[str] = "id"
    """The field of its record that names it."""

    _MISSING: ClassVar[str]
    """What is said when there is none, of the place and the key."""

    __slots__ = ("_key", "_place")

    def __init__(self, handle: BackendHandle, place: P, key: str, record: R | None = None) -> None:
        super().__init__(handle, record)
        self._place = place
        self._key = key

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names its place, and it there."""
        return (self._key,) if self._place is None else (str(self._place), self._key)

    @abstractmethod
    def _listed(self) -> Iterable[R]:
        """Ask the backend for all that the place has."""

    def _fetch(self) -> R:
        for record in self._listed():
            if getattr(record, self._KEY) == self._key:
                return record
        raise NotFoundError(self._MISSING.format(self._place, self._key))
