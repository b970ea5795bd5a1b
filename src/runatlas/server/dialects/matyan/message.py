"""What a client says by WebSocket, read message by message: values fit their types, unknown fields are ignored."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any, TypeAlias

import attrs

from runatlas.errors import ValidationError
from runatlas.model.instant import parse_iso
from runatlas.model.log import LogDraft, LogLevel
from runatlas.model.series import ColumnType, Context
from runatlas.server.wire.field import flag, optional, text

__all__ = [
    "OBJECT_TYPES",
    "BlobSaid",
    "Message",
    "ObjectSaid",
    "ParamsSaid",
    "PointSaid",
    "PropertySaid",
    "RunSaid",
    "TagSaid",
    "read_context",
    "read_message",
    "weights_of",
]

OBJECT_TYPES: dict[str, ColumnType] = {
    "image": "IMAGE",
    "text": "TEXT",
    "distribution": "DISTRIBUTION",
    "audio": "AUDIO",
    "figure": "FIGURE",
}
_OBJECT_DTYPES = {*OBJECT_TYPES, *(f"{name}s" for name in OBJECT_TYPES)}
_LEVELS: tuple[tuple[int, LogLevel], ...] = ((40, "ERROR"), (30, "WARN"), (20, "INFO"))
_STEP_BOUND = 2**62


@attrs.frozen
class RunSaid:
    """The run begins or ends."""

    ends: bool


@attrs.frozen
class PointSaid:
    """A value of a metric; without a step it comes after the last."""

    name: str
    value: float
    step: int | None
    epoch: int | None
    context: Context
    time_ms: int


@attrs.frozen
class ObjectSaid:
    """An object of a sequence."""

    name: str
    value: dict[str, Any]
    column_type: ColumnType
    step: int | None
    epoch: int | None
    context: Context
    time_ms: int


@attrs.frozen
class ParamsSaid:
    """Params to be set; where there is one name on each level, only the innermost is."""

    value: dict[str, Any]


@attrs.frozen
class PropertySaid:
    """Properties of the run; ``None`` keeps."""

    name: str | None
    description: str | None
    archived: bool | None
    experiment: str | None


@attrs.frozen
class TagSaid:
    """A tag to be attached or detached."""

    name: str
    removed: bool


@attrs.frozen
class BlobSaid:
    """Bytes were uploaded to a path of the run."""

    path: str
    media_type: str


Message: TypeAlias = "RunSaid | PointSaid | ObjectSaid | ParamsSaid | PropertySaid | TagSaid | BlobSaid | LogDraft"


def read_message(said: Any) -> Message | None:
    """Read a message; ``None`` for one that is understood and means nothing.

    Raises:
        ValidationError: It is none, or a field has the wrong type.
    """
    if not isinstance(said, dict):
        raise ValidationError("a message is a JSON object")
    kind = said.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise ValidationError(f"type: {str(kind)[:80]!r} is no message; expected one of {', '.join(_READERS)}")
    return reader(said)


def _metric(said: dict[str, Any]) -> Message | None:
    dtype = said.get("dtype")
    if isinstance(said.get("value"), dict):
        return _object(said)
    if isinstance(dtype, str) and dtype in _OBJECT_DTYPES:
        # The client's own backup has such placeholders; stored, they would take the place of the objects.
        return None
    return PointSaid(
        text(said, "name"),
        _number(said.get("value"), "value"),
        _whole(said.get("step"), "step"),
        _whole(said.get("epoch"), "epoch"),
        read_context(said.get("context")),
        _time_ms(said.get("client_datetime")),
    )


def _object(said: dict[str, Any]) -> ObjectSaid:
    value = said.get("value")
    if not isinstance(value, dict):
        raise ValidationError("value: an object is expected")
    kind = value.get("type")
    column_type = OBJECT_TYPES.get(kind) if isinstance(kind, str) else None
    if column_type is None:
        raise ValidationError(f"value: its type must be one of {', '.join(OBJECT_TYPES)}, not {str(kind)[:80]!r}")
    return ObjectSaid(
        text(said, "name"),
        value,
        column_type,
        _whole(said.get("step"), "step"),
        _whole(said.get("epoch"), "epoch"),
        read_context(said.get("context")),
        _time_ms(said.get("client_datetime")),
    )


def _params(said: dict[str, Any]) -> ParamsSaid:
    value = said.get("value")
    if not isinstance(value, dict):
        raise ValidationError("value: params are an object")
    return ParamsSaid(value)


def _property(said: dict[str, Any]) -> PropertySaid:
    archived = optional(flag, said, "archived")
    name, description, experiment = (optional(text, said, field) for field in ("name", "description", "experiment"))
    return PropertySaid(name, description, archived, experiment)


def _terminal_line(said: dict[str, Any]) -> LogDraft:
    step = _whole(said.get("step"), "step")
    if step is None or step < 0:
        raise ValidationError("step: a line has a number from 0 on")
    return LogDraft(text(said, "line"), line=step + 1)


def _record(said: dict[str, Any]) -> LogDraft:
    level = _whole(said.get("level"), "level")
    if level is None:
        raise ValidationError("level: expected a number")
    info, args = said.get("logger_info"), said.get("extra_args")
    if info is not None and not isinstance(info, (list, dict)):
        raise ValidationError("logger_info: expected a list or an object")
    if args is not None and not isinstance(args, dict):
        raise ValidationError("extra_args: expected an object")
    seconds = _number(said.get("timestamp"), "timestamp")
    fields: dict[str, Any] = dict(args or {})
    if info:
        fields.setdefault("logger_info", info)
    return LogDraft(
        text(said, "message"),
        next((name for bound, name in _LEVELS if level >= bound), "DEBUG"),
        tag="record",
        time_ms=int(seconds * 1000) if math.isfinite(seconds) and 0 < seconds < 2**40 else 0,
        fields=fields or None,
    )


_READERS: dict[str, Callable[[dict[str, Any]], Message | None]] = {
    "create_run": lambda _: RunSaid(ends=False),
    "log_metric": _metric,
    "log_custom_object": _object,
    "log_hparams": _params,
    "set_run_property": _property,
    "add_tag": lambda said: TagSaid(text(said, "tag_name").strip(), removed=False),
    "remove_tag": lambda said: TagSaid(text(said, "tag_name").strip(), removed=True),
    "log_terminal_line": _terminal_line,
    "log_record": _record,
    "blob_ref": lambda said: BlobSaid(text(said, "artifact_path"), str(said.get("content_type") or "")),
    "finish_run": lambda _: RunSaid(ends=True),
}


def _number(value: Any, name: str) -> float:
    if isinstance(value, (bool, int, float, str)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ValidationError(f"{name}: expected a number")


def _whole(value: Any, name: str) -> int | None:
    if value is None:
        return None
    found = value
    if isinstance(value, (str, float)):
        number = _number(value, name)
        found = int(number) if math.isfinite(number) and number.is_integer() else None
    if not isinstance(found, int) or not -_STEP_BOUND < found < _STEP_BOUND:
        raise ValidationError(f"{name}: expected a whole number")
    return int(found)


def _time_ms(value: Any) -> int:
    """The client's time in milliseconds; 0 for the server's own."""
    if not isinstance(value, str):
        return 0
    try:
        moment = parse_iso(value)
    except ValueError:
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(int(aware.timestamp() * 1000), 0)


def read_context(value: Any) -> Context:
    """Read a context; what lies deeper than one level is named by dots.

    Raises:
        ValidationError: It is no object.
    """
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise ValidationError("context: expected an object")
    return tuple(sorted(_flat("", value).items()))


def _flat(prefix: str, value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            found |= _flat(f"{prefix}{name}.", inner)
        elif isinstance(inner, list):
            found |= _flat(f"{prefix}{name}.", {str(place): item for place, item in enumerate(inner)})
        else:
            found[prefix + name] = inner
    return found


def weights_of(value: Mapping[str, Any]) -> list[float | int]:
    """Read the weights of a distribution: numbers, or the hexadecimal digits of little-endian floats.

    Raises:
        ValidationError: They are neither.
    """
    data = value.get("data")
    if isinstance(data, str):
        try:
            packed = bytes.fromhex(data)
        except ValueError:
            raise ValidationError("data: expected hexadecimal digits") from None
        return [number for (number,) in struct.iter_unpack("<d", packed[: len(packed) // 8 * 8])]
    if not isinstance(data, list) or any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in data):
        raise ValidationError("data: a distribution has a list of weights")
    return data
