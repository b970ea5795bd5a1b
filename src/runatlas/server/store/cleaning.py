"""What policies of clean-up look at, of many runs in a few statements: no request a run, and no points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, bindparam, func, select

from runatlas.model.codec import loads_all
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filters import Field
from runatlas.model.policy import JudgedRun, Rule
from runatlas.server.store.run_column import NUMBER_COLUMNS, TEXT_COLUMNS, scalar_series, statistic
from runatlas.server.store.schema import run_configs, runs, series
from runatlas.server.store.statement import Connection, member_of, rows
from runatlas.server.store.trash import HeldRun

__all__ = ["judged_runs", "named_in_section"]

_ENDS = select(runs.c.id, runs.c.finished_at_ms, runs.c.heartbeat_at_ms, runs.c.labels).where(
    member_of(runs.c.id, "runs")
)
_CONFIGS = select(run_configs.c.run_pk, run_configs.c.kind, run_configs.c.text).where(
    member_of(run_configs.c.run_pk, "runs"), run_configs.c.key == bindparam("key")
)


def judged_runs(connection: Connection, held: Sequence[HeldRun], rule: Rule) -> list[JudgedRun]:
    """Read what a policy looks at.

    Args:
        connection: An open transaction.
        held: The runs that it looks at.
        rule: The policy.

    Returns:
        The same runs, in their order.
    """
    keys = [run.id for run in held]
    found = {row[0]: row[1:] for row in rows(connection, _ENDS, {"runs": keys})}
    ends = [found.get(key, (None, None, "[]")) for key in keys]
    labels = loads_all([end[2] for end in ends])
    bests = [Field("SCALAR", best.metric, stat=best.goal) for best in rule.best]
    values = [_values(connection, keys, field) for field in bests]
    groups = [_texts(connection, keys, field) for field in rule.groups]
    return [
        JudgedRun(
            run.cuid,
            run.state,
            run.created_at_ms,
            finished_at_ms=finished_ms,
            heard_at_ms=run.created_at_ms if heard_ms is None else heard_ms,
            labels=tuple(own_labels),
            values=tuple(known.get(run.id) for known in values),
            groups=tuple(known.get(run.id) for known in groups),
        )
        for run, (finished_ms, heard_ms, _), own_labels in zip(held, ends, labels, strict=True)
    ]


_WITHIN = (
    select(run_configs.c.key)
    .distinct()
    .where(
        member_of(run_configs.c.run_pk, "runs"),
        func.substr(run_configs.c.key, 1, bindparam("length")) == bindparam("prefix", type_=Text()),
        run_configs.c.kind != "sect",
    )
    .order_by(run_configs.c.key)
    .limit(bindparam("most"))
)


def named_in_section(connection: Connection, run_keys: Sequence[int], key: str, most: int) -> list[str]:
    """Name values that lie in a section of the configs of runs, so many at the most; none if it is no section."""
    prefix = f"{key}."
    values = {"runs": list(run_keys), "prefix": prefix, "length": len(prefix), "most": most}
    return [name for (name,) in rows(connection, _WITHIN, values)]


def _values(connection: Connection, keys: Sequence[int], field: Field) -> dict[int, float | None]:
    """Read a statistic of a metric by run; NaN counts as none."""
    wanted = select(series.c.run_pk, statistic(series, field)).where(
        member_of(series.c.run_pk, "runs"), scalar_series(series, field)
    )
    return dict(rows(connection, wanted, {"runs": list(keys)}))


def _texts(connection: Connection, keys: Sequence[int], field: Field) -> dict[int, str | None]:
    """Read what runs have in a field, as people write it in a filter; two texts are equal when the values are."""
    if field.type == "CONFIG":
        found = rows(connection, _CONFIGS, {"runs": list(keys), "key": field.key})
        return {run_pk: _config_text(kind, text) for run_pk, kind, text in found}
    is_truth = STABLE_FIELDS[field.key] == "bool"
    column = NUMBER_COLUMNS[field.key] if is_truth else TEXT_COLUMNS[field.key]
    own: list[Any] = rows(
        connection, select(runs.c.id, column).where(member_of(runs.c.id, "runs")), {"runs": list(keys)}
    )
    return {key: repr(bool(value) if is_truth else value) if value not in {None, ""} else None for key, value in own}


def _config_text(kind: str, text: str | None) -> str | None:
    if kind in {"null", "sect"} or text is None:
        return None
    if kind == "num":
        number = float(text)
        return text if not number.is_integer() or "." not in text else repr(int(number))
    if kind == "json":
        return text.replace("[\n", "[").replace("\n]", "]").replace("\n", ", ")
    return {"bool": text.capitalize(), "nan": text}.get(kind) or repr(text)
