"""How a caller names a metric and the statistic that is meant of it, or any other value of a run."""

from __future__ import annotations

import re

import attrs

from runatlas.model.codec import loads, make_context
from runatlas.model.filter_field import STABLE_FIELDS, STATISTIC_NAMES
from runatlas.model.filter_language import parse_field
from runatlas.model.filters import Field, Statistic

__all__ = ["make_metric", "make_value_field"]

_IN_CONTEXT = re.compile(r"(?P<key>.+?)(?P<context>\{.*\})(\.(?P<stat>\w+))?", re.DOTALL)


def make_metric(name: str, *, stat: Statistic = "last") -> Field:
    """Read a metric and the statistic that is meant of it.

    Args:
        name: ``"val_loss.min"``, ``"train/loss"``, ``'loss{"split":"val"}.max'``, or as filters name it:
            ``'summary["x.min"].last'``.
        stat: The statistic if the name has none.

    Raises:
        ValueError: It cannot be understood, or is a median, for which every point would be read.

    Example:
        >>> make_metric("train/loss.min"), make_metric('loss{"split":"val"}', stat="max").context
        (Field(type='SCALAR', key='train/loss', stat='min', context=()), (('split', 'val'),))
    """
    field = _read_metric(name, stat)
    if field.stat == "median":
        raise ValueError(f"{name!r}: the median of a series is not kept; use last, min, max, avg or std")
    return field


def _read_metric(name: str, stat: Statistic) -> Field:
    plain = name.removeprefix("run.")
    if plain.startswith(("summary.", "summary[", "metrics.", "metrics[")):
        field = parse_field(plain, argument="metric")
        is_said = plain.rpartition(".")[2] in STATISTIC_NAMES
        return field if is_said or field.stat != "last" else attrs.evolve(field, stat=stat)
    found = _IN_CONTEXT.fullmatch(name)
    if found is not None and found["stat"] in {None, *STATISTIC_NAMES}:
        try:
            context = make_context(loads(found["context"]))
        except (TypeError, ValueError) as error:
            raise ValueError(f'{name!r}: {found["context"]} is no context, such as {{"split":"val"}}') from error
        return Field("SCALAR", found["key"], stat=STATISTIC_NAMES.get(found["stat"] or "", stat), context=context)
    key, _, last = name.rpartition(".")
    if key and last in STATISTIC_NAMES:
        return Field("SCALAR", key, stat=STATISTIC_NAMES[last])
    return Field("SCALAR", name, stat=stat)


def make_value_field(name: str, *, argument: str) -> Field:
    """Read what one value of a run is: a field of its own or its config, else a metric with its statistic.

    Args:
        name: ``"name"``, ``"config.lr"``, ``"val_loss.min"``; ``"run"`` is the run's id.
        argument: What errors call it.

    Raises:
        ValueError: It cannot be understood.

    Example:
        >>> [make_value_field(name, argument="x").type for name in ("state", "config.lr", "loss.min")]
        ['STABLE', 'CONFIG', 'SCALAR']
    """
    if name == "run":
        return Field("STABLE", "id")
    is_field = name.startswith(("config.", "config[")) or name in STABLE_FIELDS
    return parse_field(name, argument=argument) if is_field else make_metric(name)
