"""Reading a run in the process that writes it: the one place where a read waits for what was recorded before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from runatlas.backends.contract import Backend
from runatlas.backends.operation import Operation, complete
from runatlas.entities.backend_handle import BackendHandle, Opener
from runatlas.errors import NotSupportedError
from runatlas.tracking.recorder import Recorder
from runatlas.tracking.target import Mode, Target, opener_of

__all__ = ["OwnStore", "ReadYourWrites", "own_handle"]

_UNREADABLE: dict[Mode, str] = {
    "disabled": "the run is disabled: nothing of it is kept, and nothing can be read",
    "offline": "the run is offline: 'runatlas sync' sends it, and then it can be read",
}


class ReadYourWrites(Backend):
    """The backend of a run that this process writes: each of its operations sees all that was recorded before it.

    An operation first waits as ``flush()`` does, and then asks, not what is kept in memory but the store. Nothing else
    waits: what needs no operation (the location, the run's own fields, which this process has) is there at once.

    Args:
        backend: What is asked.
        recorder: What the run is written by; ``None`` for a run that is only read.
        mode: How it is written; what is ``disabled`` or ``offline`` cannot be read.
    """

    def __init__(self, backend: Backend, recorder: Recorder | None, mode: Mode) -> None:
        self._backend = backend
        self._recorder = recorder
        self._mode: Mode = mode

    @property
    def location(self) -> str:
        """Where the data is."""
        return self._backend.location

    @property
    def web_url(self) -> str:
        """The origin that the URLs of entities begin with."""
        return self._backend.web_url

    @property
    def reads_ahead(self) -> bool:
        """Whether the next page of a listing is asked for while one is used."""
        return self._backend.reads_ahead

    def close(self) -> None:
        """Release connections and files."""
        self._backend.close()

    def forget(self, path: str | None = None) -> None:
        """Drop what is kept in memory."""
        self._backend.forget(path)

    def _up_to_date(self) -> Backend:
        """Return the backend when it has everything that was recorded so far.

        Raises:
            NotSupportedError: It never gets it from this process.
        """
        if self._mode in _UNREADABLE:
            raise NotSupportedError(_UNREADABLE[self._mode])
        recorder = self._recorder
        if recorder is not None and not recorder.is_closed and recorder.is_ahead:
            recorder.flush(None)
            # What was read a moment ago is not what was just written.
            self._backend.forget()
        return self._backend


def _ask_up_to_date(item: Operation) -> Callable[..., Any]:
    name = item.name

    def ask(self: ReadYourWrites, *given: Any, **named: Any) -> Any:
        return getattr(self._up_to_date(), name)(*given, **named)

    return ask


complete(ReadYourWrites, Backend, _ask_up_to_date)


@attrs.frozen(eq=False)
class OwnStore:
    """Opens the backend of a run that this process writes; to another process its pickle is the place alone."""

    _place: Opener
    _recorder: Recorder | None
    _mode: Mode

    @property
    def location(self) -> str:
        """Where the data is."""
        return self._place.location

    def __call__(self) -> ReadYourWrites:
        """Open the backend."""
        return ReadYourWrites(self._place(), self._recorder, self._mode)

    def __reduce__(self) -> tuple[Callable[[Opener], Opener], tuple[Opener]]:
        return _alone, (self._place,)


def _alone(place: Opener) -> Opener:
    return place


def own_handle(target: Target, recorder: Recorder | None) -> BackendHandle:
    """Return the way to a run that this process writes: a read waits for what was recorded before.

    Args:
        target: Where the run is.
        recorder: What records it; ``None`` if nothing does.
    """
    return BackendHandle(OwnStore(opener_of(target.settings, purpose="read"), recorder, target.mode))
