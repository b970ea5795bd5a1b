"""What one connection says of a run, applied frame by frame.

A frame arrives again when its acknowledgement was late or lost, by another connection perhaps. Most messages have a
place: to apply them again changes nothing. Each of those that come after the last (points and objects without a step,
records) carries its time, so that a frame with the same text is the same frame: it is applied once, and that it was is
kept until the next one shows that its acknowledgement arrived.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeGuard

import attrs

from runatlas.errors import NotFoundError, RunAtlasError, StoreError, ValidationError, shortened
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.run import RunPatch
from runatlas.server.dialects.matyan.body import parse
from runatlas.server.dialects.matyan.experiment_place import change_run, ensure_run, move_run, resume_run
from runatlas.server.dialects.matyan.message import (
    BlobSaid,
    Message,
    ObjectSaid,
    ParamsSaid,
    PointSaid,
    PropertySaid,
    RunSaid,
    TagSaid,
    read_message,
)
from runatlas.server.dialects.matyan.message_batch import last_steps, make_batch
from runatlas.server.dialects.matyan.param import param_patch
from runatlas.server.dialects.matyan.upload import keep_upload
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["Ingestion"]

_APPENDED = (PointSaid, ObjectSaid, LogDraft)
_SHOWN = 5


class Ingestion:
    """One connection's work on one run; one frame at a time."""

    def __init__(self, services: Services, caller: Caller, run_id: str) -> None:
        self._services = services
        self._caller = caller
        self._run_id = run_id
        self._kept = ""

    def apply(self, frame: str | bytes) -> dict[str, Any]:
        """Apply a frame: every message of it that can be applied.

        Returns:
            The acknowledgement.
        """
        try:
            return self._apply(frame)
        except StoreError:
            raise
        except RunAtlasError as error:
            return _acknowledgement([error.message])

    def _apply(self, frame: str | bytes) -> dict[str, Any]:
        said = parse(frame)
        errors: list[str] = []
        messages: list[Message] = []
        for item in said if isinstance(said, list) else [said]:
            message = _read(item, errors)
            messages += [] if message is None else [message]
        following = [message.time_ms for message in messages if _comes_after_the_last(message)]
        if following and all(following):
            return self._apply_once(frame, messages, errors)
        return self._apply_all(messages, errors)

    def _apply_once(self, frame: str | bytes, messages: Sequence[Message], errors: list[str]) -> dict[str, Any]:
        data = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
        digest = hashlib.sha256(self._run_id.encode("utf-8", "replace") + b"\n" + data).hexdigest()
        frames, key = self._services.idempotency, f"frame {digest}"
        with self._services.store.together(shared=True):
            stored = frames.begin(self._caller, key, digest)
            if stored is not None:
                found: dict[str, Any] = json.loads(stored.body)
                return found
            answer = self._apply_all(messages, errors)
            frames.finish(self._caller, key, 200, json.dumps(answer).encode())
            if self._kept:
                frames.forget(self._caller, self._kept)
        self._kept = key
        return answer

    def _apply_all(self, messages: Sequence[Message], errors: list[str]) -> dict[str, Any]:
        path = ensure_run(self._services, self._caller, self._run_id) if messages else None
        if path is not None:
            errors += _Applying(self._services, self._caller, self._run_id, path).apply(messages)
        return _acknowledgement(errors)


def _comes_after_the_last(message: Message) -> TypeGuard[PointSaid | ObjectSaid | LogDraft]:
    if isinstance(message, LogDraft):
        return message.line is None
    return isinstance(message, (PointSaid, ObjectSaid)) and message.step is None


def _read(said: Any, errors: list[str]) -> Message | None:
    try:
        return read_message(said)
    except ValidationError as error:
        errors.append(error.message)
        return None


def _acknowledgement(errors: Sequence[str]) -> dict[str, Any]:
    if not errors:
        return {"status": "ok", "error": None}
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return {"status": "error", "error": "; ".join(map(shortened, errors[:_SHOWN])) + more}


class _Applying:
    """The messages of a frame, in their order; those that append go together."""

    def __init__(self, services: Services, caller: Caller, run_id: str, path: RunPath) -> None:
        self._services = services
        self._caller = caller
        self._run_id = run_id
        self._path = path
        self._errors: list[str] = []
        self._waiting: list[PointSaid | ObjectSaid | LogDraft] = []

    def apply(self, messages: Sequence[Message]) -> list[str]:
        for message in messages:
            if isinstance(message, _APPENDED):
                self._waiting.append(message)
                continue
            self._append()
            try:
                self._steadily(partial(self._do, message))
            except StoreError:
                raise
            except RunAtlasError as error:
                self._errors.append(error.message)
        self._append()
        return self._errors

    def _append(self) -> None:
        """Append what waits; if that cannot be done together, one by one."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._steadily(partial(self._append_all, waiting))
        except ValidationError as error:
            if len(waiting) == 1:
                self._errors.append(error.message)
                return
            for message in waiting:
                self._waiting = [message]
                self._append()

    def _steadily(self, work: Callable[[], None]) -> None:
        """Do something once more if the run was moved, or deleted and freed, since it was looked for."""
        try:
            work()
        except NotFoundError:
            found = ensure_run(self._services, self._caller, self._run_id)
            if found is None:
                return
            if found == self._path:
                raise
            self._path = found
            work()

    def _append_all(self, messages: Sequence[PointSaid | ObjectSaid | LogDraft]) -> None:
        steps = last_steps(self._services, self._caller, self._path, messages)
        batch = make_batch(self._services, self._caller, self._path, messages, steps)
        self._services.recording.append(self._caller, batch)

    def _do(self, message: Message) -> None:
        """Do all that a message asks for, or nothing."""
        with self._services.store.together():
            self._do_parts(message)

    def _do_parts(self, message: Message) -> None:
        if isinstance(message, RunSaid):
            self._begin_or_end(message)
        elif isinstance(message, ParamsSaid):
            patch = param_patch(message.value)
            if patch is not None:
                self._change(patch)
        elif isinstance(message, PropertySaid):
            self._set(message)
        elif isinstance(message, TagSaid):
            self._tag(message)
        elif isinstance(message, BlobSaid):
            keep_upload(self._services, self._caller, self._path, message)

    def _begin_or_end(self, message: RunSaid) -> None:
        if message.ends:
            self._change(RunPatch(state="FINISHED"))
        else:
            resume_run(self._services, self._caller, self._path)

    def _set(self, message: PropertySaid) -> None:
        patch = RunPatch(name=message.name, description=message.description, archived=message.archived)
        if patch != RunPatch():
            self._change(patch)
        if message.experiment is not None:
            self._path = move_run(self._services, self._caller, self._path, message.experiment)

    def _tag(self, message: TagSaid) -> None:
        if message.removed:
            self._change(RunPatch(labels_removed=(message.name,)))
            return
        self._change(RunPatch(labels_added=(message.name,)))
        self._services.labels.keep_label(self._caller, self._path.workspace, message.name)

    def _change(self, patch: RunPatch) -> None:
        change_run(self._services, self._caller, self._path, attrs.evolve(patch, by_run=True))
