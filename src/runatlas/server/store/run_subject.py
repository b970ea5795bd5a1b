"""What comparisons look at: a run's own texts, numbers and sets, its config values and its series."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Double,
    Table,
    Text,
    and_,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from runatlas.model.codec import dumps
from runatlas.model.filters import Field
from runatlas.server.store.config import number_of, text_of, time_of
from runatlas.server.store.run_column import (
    NULLABLE_COLUMNS,
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    scalar_series,
    statistic,
)
from runatlas.server.store.schema import run_configs, run_labels, runs, series
from runatlas.server.store.statement import code_points, contains, member_of, one_of

__all__ = ["Compare", "Subject", "make_subject"]

Present: TypeAlias = "str | int | float | bool"
"""What a field is compared with, ``None`` excepted."""

_NUMERIC = ("num", "bool")
_TEXTUAL = ("str", "nstr", "date")
_NOTHING = ("null", "nan")

Compare = Callable[[Any, Any], ColumnElement[bool]]


class Subject(ABC):
    """What a comparison looks at. Each test is true or false for every run, never NULL; values are never ``None``."""

    @abstractmethod
    def missing(self) -> ColumnElement[bool]:
        """Test whether the run does not have it."""

    @abstractmethod
    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        """Test whether it equals one of ``values``."""

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:  # noqa: ARG002 - the ordinary answer
        """Test its order; what has none is never ordered."""
        return false()

    def contains(self, part: Present) -> ColumnElement[bool]:  # noqa: ARG002 - the ordinary answer
        """Test for a part of it; what has none never has one."""
        return false()


class _Text(Subject):
    """A text of the run's own; NULL is missing."""

    def __init__(self, text: ColumnElement[Any], *, nullable: bool = False) -> None:
        self._text = text
        self._present = text.is_not(None) if nullable else true()

    def missing(self) -> ColumnElement[bool]:
        return not_(self._present)

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        texts = _texts(values)
        return and_(self._present, member_of(self._text, "texts", texts)) if texts else false()

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        if not isinstance(value, str):
            return false()
        return and_(self._present, compare(code_points(self._text), literal(value, Text())))

    def contains(self, part: Present) -> ColumnElement[bool]:
        return and_(self._present, contains(self._text, part)) if isinstance(part, str) else false()


class _Number(Subject):
    """A number of the run's own; NULL is missing."""

    def __init__(self, number: ColumnElement[Any], *, nullable: bool) -> None:
        self._number = number
        self._present = number.is_not(None) if nullable else true()

    def missing(self) -> ColumnElement[bool]:
        return not_(self._present)

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        numbers = _numbers(values)
        return and_(self._present, self._number.in_(numbers)) if numbers else false()

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        number = _numbers([value])
        return and_(self._present, compare(self._number, number[0])) if number else false()


class _Labels(Subject):
    """The run's labels: a set."""

    def _exists(self, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return _exists_of(run_labels, run_labels.c.run_pk, *conditions)

    def missing(self) -> ColumnElement[bool]:
        return not_(self._exists())

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        return self._exists(member_of(run_labels.c.label, "labels", _texts(values)))

    def contains(self, part: Present) -> ColumnElement[bool]:
        return self.equals([part])


class _Colors(Subject):
    """The run's colours: a short list, kept as JSON text."""

    def missing(self) -> ColumnElement[bool]:
        return runs.c.colors == "[]"

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        return or_(false(), *(_has_element(runs.c.colors, text) for text in _texts(values)))

    def contains(self, part: Present) -> ColumnElement[bool]:
        return self.equals([part])


class _Config(Subject):
    """A config value, compared strictly."""

    def __init__(self, key: str) -> None:
        self._key = literal(key, Text())

    def _exists(self, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return _exists_of(run_configs, run_configs.c.run_pk, run_configs.c.key == self._key, *conditions)

    def missing(self) -> ColumnElement[bool]:
        return not_(self._exists(run_configs.c.kind != "null"))

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        c, numbers, texts = run_configs.c, _numbers(values), _texts(values)
        found = []
        if numbers:
            found.append(and_(one_of(c.kind, _NUMERIC), c.number.in_(numbers)))
        if texts:
            found.append(and_(one_of(c.kind, _TEXTUAL), member_of(c.text, "texts", texts)))
        return self._exists(or_(*found)) if found else false()

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        c, numbers = run_configs.c, _numbers([value])
        if numbers:
            return self._exists(one_of(c.kind, _NUMERIC), compare(c.number, numbers[0]))
        if isinstance(value, str):
            return self._exists(one_of(c.kind, _TEXTUAL), compare(code_points(c.text), literal(value, Text())))
        return false()

    def contains(self, part: Present) -> ColumnElement[bool]:
        if not isinstance(part, str):
            return false()
        c = run_configs.c
        in_text = and_(one_of(c.kind, _TEXTUAL), contains(c.text, part))
        return self._exists(or_(in_text, and_(c.kind == "json", _has_element(c.text, part))))


class _LenientConfig(_Config):
    """A config value, compared as dict filters do."""

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        return or_(false(), *(self.ordered(operator.eq, value) for value in values))

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        c, text = run_configs.c, text_of(value)
        as_text = compare(code_points(c.text), literal(text, Text()))
        if isinstance(value, float) and math.isnan(value):
            return false()
        number = number_of(value) if isinstance(value, str) else _as_number(value)
        if number is not None:
            return self._either((*_NUMERIC, "nstr"), compare(c.number, literal(number, Double())), as_text)
        if (time := time_of(text)) is not None:
            return self._either(("date",), compare(c.number, literal(float(time), Double())), as_text)
        if text.lower() in ("true", "false"):
            return self._either(("bool",), compare(code_points(c.text), literal(text.lower(), Text())), as_text)
        return self._exists(not_(one_of(c.kind, _NOTHING)), as_text)

    def contains(self, part: Present) -> ColumnElement[bool]:
        c = run_configs.c
        return self._exists(not_(one_of(c.kind, _NOTHING)), contains(c.text, text_of(part)))

    def _either(
        self, kinds: tuple[str, ...], alike: ColumnElement[bool], as_text: ColumnElement[bool]
    ) -> ColumnElement[bool]:
        kind = run_configs.c.kind
        return self._exists(
            or_(and_(one_of(kind, kinds), alike), and_(not_(one_of(kind, (*kinds, *_NOTHING))), as_text))
        )


class _Scalar(Subject):
    """A statistic of a series of points."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._statistic = statistic(series, field)

    def _exists(self, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return _exists_of(series, series.c.run_pk, scalar_series(series, self._field), *conditions)

    def missing(self) -> ColumnElement[bool]:
        # A statistic that is NaN is NULL, but there: what tells is whether the series has values other than NaN.
        of_values = self._field.stat in ("min", "max", "avg")
        return not_(self._exists(series.c.min_value.is_not(None)) if of_values else self._exists())

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        numbers = _numbers(values)
        return self._exists(self._statistic.in_(numbers)) if numbers else false()

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        numbers = _numbers([value])
        return self._exists(compare(self._statistic, numbers[0])) if numbers else false()


def make_subject(field: Field, *, lenient: bool) -> Subject:
    """Make what a comparison of a field looks at."""
    if field.type == "CONFIG":
        return _LenientConfig(field.key) if lenient else _Config(field.key)
    if field.type == "SCALAR":
        return _Scalar(field)
    if field.key in TEXT_COLUMNS:
        return _Text(TEXT_COLUMNS[field.key], nullable=field.key in NULLABLE_COLUMNS)
    if field.key in NUMBER_COLUMNS:
        return _Number(NUMBER_COLUMNS[field.key], nullable=field.key in NULLABLE_COLUMNS)
    return _Labels() if field.key == "labels" else _Colors()


def _as_number(value: Present) -> float | None:
    """Return a literal as the double it compares as; ``None`` for text and NaN."""
    if isinstance(value, str):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def _numbers(values: Sequence[Present]) -> list[ColumnElement[float]]:
    return [literal(number, Double()) for value in values if (number := _as_number(value)) is not None]


def _texts(values: Sequence[Present]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _exists_of(table: Table, run_pk: ColumnElement[int], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return (
        select(literal_column("1")).select_from(table).where(run_pk == runs.c.id, *conditions).correlate(runs).exists()
    )


def _has_element(json_text: ColumnElement[str], element: str) -> ColumnElement[bool]:
    """Test for a text in a JSON list: quotes inside texts are escaped, so a quoted text is found only as itself."""
    return func.replace(json_text, literal(dumps(element), Text()), "") != json_text
