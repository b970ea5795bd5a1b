"""The collector's messages: lists of events in, a reply to each out, under ``/api/v2``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from runatlas.errors import ConflictError, NotFoundError, RunAtlasError, ValidationError
from runatlas.model.annotation import ANNOTATION_MAX, AnnotationDraft
from runatlas.model.codec import encode_json
from runatlas.model.ids import RunPath
from runatlas.model.run import RunPatch
from runatlas.server.dialects.syvain.envelope import code_of
from runatlas.server.dialects.syvain.experiment import find_or_make, set_status
from runatlas.server.dialects.syvain.field import finite_object, whole
from runatlas.server.dialects.syvain.folder import folder_tree
from runatlas.server.dialects.syvain.ingestion import NAME_MAX
from runatlas.server.dialects.syvain.metric import Metric, store_metrics
from runatlas.server.dialects.syvain.record import path_of
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.failure import failure_of
from runatlas.server.wire.field import number, optional, text
from runatlas.server.wire.payload import parse_json

__all__ = ["experiment_events", "organization_events"]

_PREFIX = "syvain.v2."
_MESSAGES_MAX = 1000
_ID_MAX = 200
_TOKEN_NAME = "collector"  # noqa: S105  what the key is called
_ERROR_MAX = 16_000


@attrs.frozen
class _Message:
    """One event of a request; ``id`` is what its reply refers to."""

    event: str
    id: str
    data: dict[str, Any]

    def reply(self, event: str, data: Any) -> dict[str, Any]:
        return {"event": _PREFIX + event, "correlationId": self.id, "data": data}

    def refusal(self, error: RunAtlasError) -> dict[str, Any]:
        """Refuse this message alone; what is the caller's or the server's trouble goes up and fails the request.

        Raises:
            RunAtlasError: The caller may not do this, or the error is the server's own.
        """
        failure = failure_of(error)
        if failure is None or failure.status in {401, 403}:
            raise error
        status, code = code_of(failure)
        return self.reply("error", {"status": status, "code": code, "message": failure.message})


def _messages(call: EndpointCall) -> list[_Message]:
    body = parse_json(call.body)
    if not isinstance(body, list) or len(body) > _MESSAGES_MAX:
        raise ValidationError(f"the body must be a list of at most {_MESSAGES_MAX} messages")
    found = []
    for item in body:
        if not isinstance(item, dict):
            raise ValidationError("a message must be an object")
        event = text(item, "event", least=1, most=_ID_MAX)
        name = text(item, "messageId", least=1, most=_ID_MAX)
        found.append(_Message(event.removeprefix(_PREFIX), name, finite_object(item, "data")))
    return found


def _answer(replies: list[dict[str, Any]]) -> Answer:
    return Answer(encode_json(replies))


# -- with an API key --------------------------------------------------------------------------------------------------


def organization_events(call: EndpointCall) -> Answer:
    """Answer what is asked of the organization; a request that fails as a whole has changed nothing."""
    messages = _messages(call)
    with call.services.store.together():
        return _answer([_reply(call, message) for message in messages])


def _reply(call: EndpointCall, message: _Message) -> dict[str, Any]:
    handle = _ORGANIZATION.get(message.event)
    try:
        if handle is None:
            raise ValidationError(f"there is no event {message.event[:100]!r} here")
        with call.services.store.together():
            return handle(call, message)
    except RunAtlasError as error:
        return message.refusal(error)


def _read_tree(call: EndpointCall, message: _Message) -> dict[str, Any]:
    return message.reply("foldertree.read", {"folders": folder_tree(call)})


def _open(call: EndpointCall, message: _Message) -> dict[str, Any]:
    data = {"description": "", **message.data}
    slug = text(data, "slug", least=1, most=200)
    description, metadata = text(data, "description", most=4000), finite_object(data, "meta")
    run = find_or_make(call, slug, description, metadata, keep=not description and not metadata)
    return message.reply("experiment.opened", _token(call, run.path, run.cuid))


def _token(call: EndpointCall, run: RunPath, cuid: str) -> dict[str, Any]:
    made = call.services.ingestion_keys.create_ingestion_key(call.user, run, _TOKEN_NAME)
    return {"experimentId": cuid, "experimentToken": made.secret, "expiresAtMs": made.key.expires_at_ms}


def _named_experiment(call: EndpointCall, message: _Message) -> tuple[str, RunPath]:
    cuid = text(message.data, "experimentId", least=1, most=_ID_MAX)
    return cuid, path_of(attrs.evolve(call, params={"experiment": cuid}))


def _move(call: EndpointCall, message: _Message) -> dict[str, Any]:
    cuid, run = _named_experiment(call, message)
    folder_id = optional(text, message.data, "toFolderId", least=1, most=_ID_MAX)
    call.services.runs.update_run(call.user, run, RunPatch(folder_id=folder_id or ""))
    return message.reply("folderexperiment.moved", {"experimentId": cuid, "folderId": folder_id})


def _refresh(call: EndpointCall, message: _Message) -> dict[str, Any]:
    cuid, run = _named_experiment(call, message)
    old = text(message.data, "experimentToken", least=1, most=1000)
    key = call.services.ingestion_keys.find_by_secret(call.user, run, old)
    if key is None:
        raise NotFoundError("the token is none of this experiment")
    if key.revoked_at_ms is not None:
        raise ConflictError("the token was revoked; open the experiment again")
    return message.reply("experiment.tokenRefreshed", _token(call, run, cuid))


_ORGANIZATION: dict[str, Callable[[EndpointCall, _Message], dict[str, Any]]] = {
    "foldertree.read": _read_tree,
    "experiment.open": _open,
    "folderexperiment.move": _move,
    "experiment.tokenRefresh": _refresh,
}


# -- with an experiment's token ---------------------------------------------------------------------------------------


def experiment_events(call: EndpointCall) -> Answer:
    """Apply what a run reports, in its order; each message once."""
    run = path_of(call)
    replies: list[dict[str, Any]] = []
    for group in _groups(_messages(call)):
        if group[0].event == "experiment.metric":
            replies += _store(call, run, group)
        else:
            replies.append(_apply(call, run, group[0]))
    return _answer(replies)


def _groups(messages: list[_Message]) -> Iterator[list[_Message]]:
    """Take neighbouring metrics together, everything else by itself."""
    metrics: list[_Message] = []
    for message in messages:
        if message.event == "experiment.metric":
            metrics.append(message)
            continue
        if metrics:
            yield metrics
            metrics = []
        yield [message]
    if metrics:
        yield metrics


def _store(call: EndpointCall, run: RunPath, messages: list[_Message]) -> list[dict[str, Any]]:
    """Store metrics at once; when that is refused one by one, so that the good ones are kept."""
    replies, metrics = [], []
    now = call.services.store.clock()
    for message in messages:
        read = _read(message, now)
        if isinstance(read, Metric):
            metrics.append((message, read))
        else:
            replies.append(message.refusal(read))
    try:
        with call.services.store.together():
            store_metrics(call, run, [metric for _, metric in metrics])
    except ValidationError:
        return replies + [_store_one(call, run, message, metric) for message, metric in metrics]
    return replies + [message.reply(message.event, {}) for message, _ in metrics]


def _store_one(call: EndpointCall, run: RunPath, message: _Message, metric: Metric) -> dict[str, Any]:
    try:
        with call.services.store.together():
            store_metrics(call, run, [metric])
    except RunAtlasError as error:
        return message.refusal(error)
    return message.reply(message.event, {})


def _read(message: _Message, now_ms: int) -> Metric | ValidationError:
    try:
        return _metric(message, now_ms)
    except ValidationError as error:
        return error


def _metric(message: _Message, now_ms: int) -> Metric:
    data = message.data
    return Metric(
        message.id,
        text(data, "metricName", least=1, most=NAME_MAX),
        number(data, "metricValue"),
        optional(whole, data, "step"),
        finite_object(data, "meta"),
        whole({"timestampMs": now_ms, **data}, "timestampMs"),
    )


def _apply(call: EndpointCall, run: RunPath, message: _Message) -> dict[str, Any]:
    handle = _EXPERIMENT.get(message.event)
    try:
        if handle is None:
            raise ValidationError(f"there is no event {message.event[:100]!r} here")
        with call.services.store.together():
            if call.services.events.claim(call.user, run, message.id):
                handle(call, run, message)
    except RunAtlasError as error:
        return message.refusal(error)
    event = "experiment.tokenRevoked" if message.event == "experiment.tokenRevoke" else message.event
    return message.reply(event, {})


def _start(call: EndpointCall, run: RunPath, _: _Message) -> None:
    set_status(call, run, "running")


def _done(call: EndpointCall, run: RunPath, _: _Message) -> None:
    set_status(call, run, "done")


def _error(call: EndpointCall, run: RunPath, message: _Message) -> None:
    told = text({"error": "", **message.data}, "error", most=_ERROR_MAX)
    kind = finite_object(message.data, "meta").get("error_type")
    name = kind[:500] if isinstance(kind, str) and kind else "Error"
    set_status(call, run, "error", name=name, detail=told.removeprefix(f"{name}: "))


def _annotate(call: EndpointCall, run: RunPath, message: _Message) -> None:
    draft = AnnotationDraft(
        text(message.data, "annotation", least=1, most=ANNOTATION_MAX), finite_object(message.data, "meta")
    )
    call.services.annotations.create_annotation(call.user, run, draft)


def _revoke(call: EndpointCall, run: RunPath, _: _Message) -> None:
    secret = bearer_or_basic(call.headers) or ""
    key = call.services.ingestion_keys.find_by_secret(call.user, run, secret)
    if key is not None:
        call.services.ingestion_keys.revoke_ingestion_key(call.user, run, key.id)


_EXPERIMENT: dict[str, Callable[[EndpointCall, RunPath, _Message], None]] = {
    "experiment.start": _start,
    "experiment.done": _done,
    "experiment.error": _error,
    "experiment.annotate": _annotate,
    "experiment.tokenRevoke": _revoke,
}
