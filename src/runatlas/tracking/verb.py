"""The verbs that training code records with."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runatlas.entities.gateway import Gateway
from runatlas.model.artifact import validate_artifact_name
from runatlas.model.config_value import read_value
from runatlas.model.log import LogDraft, LogLevel
from runatlas.model.run import RunRecord
from runatlas.model.series import Context
from runatlas.tracking.event import Objects
from runatlas.tracking.foreign import is_object, objects_of, take_object
from runatlas.tracking.number import as_context, as_name, as_number, as_whole, clean_text, flatten
from runatlas.tracking.overview import OverviewRun
from runatlas.tracking.recorder import QUEUE_MAX, Recorder
from runatlas.tracking.step import STEP_MAX, STEP_MIN
from runatlas.tracking.target import Mode

__all__ = ["RecordingRun"]

_PLAIN = frozenset({float, int, bool})
_NAMES_MAX, _CONTEXTS_MAX = 100_000, 1_000

_now = time.time


class RecordingRun(OverviewRun):
    """A run that can be recorded to.

    ``track`` and ``log`` first try a short way that takes numbers under names that were good before; whatever else
    comes takes the long one, which checks everything before it records anything.
    """

    def __init__(
        self,
        gateway: Gateway,
        record: RunRecord,
        recorder: Recorder | None,
        *,
        writable: bool,
        mode: Mode | None = None,
    ) -> None:
        self._known: set[str] = set()
        self._contexts: dict[Any, tuple[Context, set[str]]] = {}
        # Strict runs and disabled ones take the long way, which looks at more.
        self._is_quick = recorder is not None and not recorder.plan.strict
        super().__init__(gateway, record.path, record, recorder, writable=writable, mode=mode)

    # -- tracking -----------------------------------------------------------------------------------------------

    def track(
        self,
        value: Any,
        name: str | None = None,
        step: int | None = None,
        epoch: int | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a number or an object.

        Args:
            value: A number of any library, an object of ``runatlas.objects`` or with a ``json()``, a list of objects of
                one step, or a dict of them by name.
            name: The name of the sequence; with a dict, what the names in it begin with.
            step: The step; counted from 0 for each name and context if left out, on from the last one in a resumed run.
            epoch: Groups steps.
            context: Tells sequences of one name apart, such as ``{"subset": "train"}``.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: The name is missing, or an argument is out of bounds.
            TypeError: The value is no number and has no ``json()``, or an argument has another type.
        """
        if (
            type(value) in _PLAIN
            and self._is_quick
            and context is None
            and epoch is None
            and type(name) is str
            and name in self._known
            and (step is None or (type(step) is int and STEP_MIN <= step <= STEP_MAX))
        ):
            recorder: Any = self._recorder
            if len(recorder.events) < QUEUE_MAX:
                recorder.append((_now(), {name: value}, step, None, ()))
                return
        self._require_writable()
        if isinstance(value, Mapping) and not is_object(value):
            prefix = "" if name is None else f"{as_name(name)}/"
            self._put({f"{prefix}{key}": item for key, item in value.items()}, step, epoch, context)
        else:
            self._put({as_name(name): value}, step, epoch, context)

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        epoch: int | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Record several numbers and objects of one step.

        Args:
            data: Values by name; dicts inside are taken apart, their names joined by ``/``.
            step: The step of all of them; each name counts its own if left out.
            epoch: Groups steps.
            context: Tells sequences of one name apart.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: A name is empty, or an argument is out of bounds.
            TypeError: A value is no number and has no ``json()``, or an argument has another type; then nothing of
                ``data`` is recorded.

        Example:
            >>> from runatlas import Run
            >>> with Run(repo="./experiments", capture_terminal_logs=False) as run:
            ...     run.log({"loss": 0.5, "acc": 0.9}, step=1)
        """
        if (
            self._is_quick
            and context is None
            and epoch is None
            and type(data) is dict
            and (step is None or (type(step) is int and STEP_MIN <= step <= STEP_MAX))
        ):
            known = self._known
            for key, value in data.items():
                if type(value) not in _PLAIN or key not in known:
                    break
            else:
                recorder: Any = self._recorder
                if len(recorder.events) < QUEUE_MAX:
                    recorder.append((_now(), data.copy(), step, None, ()))
                    return
        self._require_writable()
        if not isinstance(data, Mapping):
            raise TypeError(f"data: expected a dict, got {type(data).__name__}")
        self._put(data, step, epoch, context)

    def _put(self, data: Mapping[str, Any], step: Any, epoch: Any, context: Any) -> None:
        """Check everything, then record it."""
        number, group = as_whole(step, "step"), as_whole(epoch, "epoch")
        place, known = self._place(context)
        numbers: dict[str, Any] = {}
        objects: dict[str, tuple[Any, ...]] = {}
        for name, value in flatten(data):
            if name not in known:
                as_name(name)
                if len(known) < _NAMES_MAX:
                    known.add(name)
            if type(value) in _PLAIN:
                numbers[name] = value
            elif items := objects_of(value, name):
                objects[name] = items
            else:
                numbers[name] = as_number(value, name)
        recorder = self._recorder
        if recorder is None:
            return
        recorder.losses.check()
        now = _now()
        if numbers:
            recorder.put((now, numbers, number, group, place))
        for name, items in objects.items():
            recorder.put(Objects(now, name, tuple(map(take_object, items)), number, group, place))

    def _place(self, context: Any) -> tuple[Context, set[str]]:
        """A context in its canonical form, and the names that are known to be good with it."""
        if not context and (context is None or isinstance(context, Mapping)):
            return (), self._known
        key: Any = None
        if type(context) is dict:
            # True and 1 are equal, and two contexts.
            key = (tuple(context.items()), tuple(map(type, context.values())))
            try:
                found = self._contexts.get(key)
            except TypeError:
                found = None
            if found is not None:
                return found
        made = as_context(context), set[str]()
        if key is not None and len(self._contexts) < _CONTEXTS_MAX:
            self._contexts[key] = made
        return made

    # -- messages -----------------------------------------------------------------------------------------------

    def log_debug(self, msg: str, **kwargs: Any) -> None:
        """Record a message for those who look for faults.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("DEBUG", msg, kwargs)

    def log_info(self, msg: str, **kwargs: Any) -> None:
        """Record a message.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("INFO", msg, kwargs)

    def log_warning(self, msg: str, **kwargs: Any) -> None:
        """Record a warning.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("WARN", msg, kwargs)

    def log_error(self, msg: str, **kwargs: Any) -> None:
        """Record an error.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("ERROR", msg, kwargs)

    def _say(self, level: LogLevel, msg: str, fields: dict[str, Any]) -> None:
        self._require_writable()
        plain, notes = read_value(fields, "kwargs")
        draft = LogDraft(clean_text(msg, "msg"), level, tag="record", time_ms=int(_now() * 1000), fields=plain or None)
        if self._recorder is not None:
            if notes:
                self._recorder.losses.warn("fields", f"fields of messages are not kept as they are: {notes[0]}")
            self._recorder.losses.check()
            self._recorder.put(draft)

    # -- files --------------------------------------------------------------------------------------------------

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a file with the run. It is stored in the background; the same content is stored once.

        Args:
            path: The file. It may be deleted or replaced as soon as this returns; one that is changed in place is
                kept as it is when its turn comes.
            name: Its path inside the run; the file's own name if left out.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: The name is no path inside the run.
            OSError: The file cannot be read.
        """
        self._require_writable()
        file = Path(path)
        place = validate_artifact_name(file.name if name is None else name)
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a directory; log_artifacts keeps all that is in one")
        if self._recorder is not None:
            self._recorder.losses.check()
            self._recorder.add_file(file, place)

    def log_artifacts(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep all files of a directory, and of those in it.

        Args:
            path: The directory.
            name: What their paths inside the run begin with.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: A name is no path inside the run.
            OSError: The directory or a file in it cannot be read.
        """
        self._require_writable()
        base = Path(path)
        if not base.is_dir():
            raise NotADirectoryError(f"{base} is no directory; log_artifact keeps one file")
        prefix = "" if name is None else f"{validate_artifact_name(name)}/"
        files = [
            (file, prefix + file.relative_to(base).as_posix()) for file in sorted(base.rglob("*")) if file.is_file()
        ]
        for _, place in files:
            validate_artifact_name(place)
        for file, place in files:
            self.log_artifact(file, place)
