"""What comparisons look at: a run's own texts, numbers and sets, its config values and its series."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Double,
    Integer,
    Table,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from runatlas.model.config_name import list_text, member_texts, number_of, text_of, time_of
from runatlas.model.filters import Field
from runatlas.model.run_value import is_nan as _is_nan
from runatlas.server.store.number import (
    EXACT_BELOW,
    among_doubles,
    among_integers,
    compare_double,
    compare_integer,
    compare_written,
    written,
)
from runatlas.server.store.run_column import (
    INTEGER_STATISTICS,
    NULLABLE_COLUMNS,
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    is_nan,
    scalar_series,
    statistic,
)
from runatlas.server.store.schema import run_configs, run_labels, runs, series
from runatlas.server.store.statement import code_points, contains, fits_glob, has_text, member_of, one_of

__all__ = ["Compare", "Subject", "make_subject"]

Present: TypeAlias = "str | int | float | bool | tuple[Any, ...]"
"""What a field is compared with, ``None`` excepted; a tuple is a list."""

_NUMERIC = ("num", "bool")
_TEXTUAL = ("str", "nstr", "date")
_UNEQUAL = ("null", "nan", "json", "sect")
"""What is equal to no text, also where dict filters compare."""

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

    def fits(self, pattern: str, *, any_case: bool) -> ColumnElement[bool]:  # noqa: ARG002 - the ordinary answer
        """Test whether a pattern fits all of it; what is no text has none that does."""
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

    def fits(self, pattern: str, *, any_case: bool) -> ColumnElement[bool]:
        return and_(self._present, fits_glob(self._text, pattern, any_case=any_case))


class _Number(Subject):
    """A number of the run's own; NULL is missing."""

    def __init__(self, number: ColumnElement[Any], *, nullable: bool, whole: bool) -> None:
        self._number = number
        self._present = number.is_not(None) if nullable else true()
        self._whole = whole

    def missing(self) -> ColumnElement[bool]:
        return not_(self._present)

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        among = among_integers if self._whole else among_doubles
        return and_(self._present, among(self._number, _numbers(values)))

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        number = _number(value)
        if number is None:
            return false()
        compared = compare_integer if self._whole else compare_double
        return and_(self._present, compared(self._number, compare, number))


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
        return or_(false(), *(has_text(runs.c.colors, text) for text in _texts(values)))

    def contains(self, part: Present) -> ColumnElement[bool]:
        return self.equals([part])


class _Config(Subject):
    """A config value, compared strictly."""

    _lenient = False

    def __init__(self, key: str) -> None:
        self._name = key
        self._key = literal(key, Text())

    def _exists(self, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return _exists_of(run_configs, run_configs.c.run_pk, run_configs.c.key == self._key, *conditions)

    def missing(self) -> ColumnElement[bool]:
        return not_(self._exists(run_configs.c.kind != "null"))

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        c, numbers, texts = run_configs.c, _numbers(values), _texts(values)
        small = [number for number in numbers if abs(number) < EXACT_BELOW]
        large = [text for number in numbers if abs(number) >= EXACT_BELOW for text in written(number)]
        lists = [list_text(value) for value in values if isinstance(value, tuple)]
        found = []
        if small:
            found.append(and_(one_of(c.kind, _NUMERIC), among_doubles(c.number, small)))
        if large:
            found.append(and_(one_of(c.kind, ("num",)), member_of(c.text, "numbers", large)))
        if texts:
            found.append(and_(one_of(c.kind, _TEXTUAL), member_of(c.text, "texts", texts)))
        if lists:
            found.append(and_(one_of(c.kind, ("json",)), member_of(c.text, "lists", lists)))
        if any(map(_is_nan, values)):
            found.append(one_of(c.kind, ("nan",)))
        return self._exists(or_(*found)) if found else false()

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        c, number = run_configs.c, _number(value)
        if number is not None:
            return self._exists(one_of(c.kind, _NUMERIC), compare_written(c.number, c.text, compare, number))
        if isinstance(value, str):
            return self._exists(one_of(c.kind, _TEXTUAL), compare(code_points(c.text), literal(value, Text())))
        return false()

    def contains(self, part: Present) -> ColumnElement[bool]:
        c = run_configs.c
        lines = (f"\n{text}\n" for text in member_texts(part, lenient=self._lenient))
        among = or_(*(func.replace(c.text, literal(line, Text()), "") != c.text for line in lines))
        found = self._exists(or_(and_(one_of(c.kind, ("json",)), among), self._has_part(part)))
        if not isinstance(part, str):
            return found
        inner = _exists_of(run_configs, c.run_pk, c.key == literal(f"{self._name}.{part}", Text()))
        return or_(found, and_(self._exists(one_of(c.kind, ("sect",))), inner))

    def _has_part(self, part: Present) -> ColumnElement[bool]:
        """Test what is no list and no section for a part of its text."""
        c = run_configs.c
        return and_(one_of(c.kind, _TEXTUAL), contains(c.text, part)) if isinstance(part, str) else false()

    def fits(self, pattern: str, *, any_case: bool) -> ColumnElement[bool]:
        c = run_configs.c
        return self._exists(one_of(c.kind, _TEXTUAL), fits_glob(c.text, pattern, any_case=any_case))


class _LenientConfig(_Config):
    """A config value, compared as dict filters do."""

    _lenient = True

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        exact = [value for value in values if isinstance(value, tuple) or _is_nan(value)]
        found = [self.ordered(operator.eq, value) for value in values if value not in exact]
        return or_(super().equals(exact), *found)

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        if isinstance(value, tuple) or _is_nan(value):
            return false()
        c, text = run_configs.c, text_of(value)
        as_text = compare(code_points(c.text), literal(text, Text()))
        number = number_of(value) if isinstance(value, str) else value
        if number is not None:
            return self._either((*_NUMERIC, "nstr"), compare_written(c.number, c.text, compare, number), as_text)
        if (time := time_of(text)) is not None:
            return self._either(("date",), compare(c.number, literal(float(time), Double())), as_text)
        if text.lower() in ("true", "false"):
            return self._either(("bool",), compare(code_points(c.text), literal(text.lower(), Text())), as_text)
        return self._exists(not_(one_of(c.kind, _UNEQUAL)), as_text)

    def _has_part(self, part: Present) -> ColumnElement[bool]:
        c = run_configs.c
        if isinstance(part, tuple) or _is_nan(part):
            return false()
        return and_(not_(one_of(c.kind, _UNEQUAL)), contains(c.text, text_of(part)))

    def _either(
        self, kinds: tuple[str, ...], alike: ColumnElement[bool], as_text: ColumnElement[bool]
    ) -> ColumnElement[bool]:
        kind = run_configs.c.kind
        return self._exists(
            or_(and_(one_of(kind, kinds), alike), and_(not_(one_of(kind, (*kinds, *_UNEQUAL))), as_text))
        )


class _Scalar(Subject):
    """A statistic of a series of points."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._statistic = statistic(series, field)
        self._whole = field.stat in INTEGER_STATISTICS

    def _exists(self, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return _exists_of(series, series.c.run_pk, scalar_series(series, self._field), *conditions)

    def missing(self) -> ColumnElement[bool]:
        # A statistic that is NaN is NULL, but there: what tells is whether the series has values other than NaN.
        of_values = self._field.stat in ("min", "max", "avg", "std")
        return not_(self._exists(series.c.min_value.is_not(None)) if of_values else self._exists())

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        among = among_integers if self._whole else among_doubles
        found = [among(self._statistic, _numbers(values))]
        if any(map(_is_nan, values)):
            found.append(is_nan(series, self._field))
        return self._exists(or_(*found))

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        number = _number(value)
        if number is None:
            return false()
        compared = compare_integer if self._whole else compare_double
        return self._exists(compared(self._statistic, compare, number))


class _Median(Subject):
    """The median of a series, which was read before; by the row of the run."""

    def __init__(self, known: Mapping[int, float]) -> None:
        self._known = known

    def _among(self, test: Callable[[float], bool]) -> ColumnElement[bool]:
        return member_of(runs.c.id, "known", [row for row, value in self._known.items() if test(value)])

    def missing(self) -> ColumnElement[bool]:
        return not_(member_of(runs.c.id, "known", list(self._known)))

    def equals(self, values: Sequence[Present]) -> ColumnElement[bool]:
        numbers, nan = set(_numbers(values)), any(map(_is_nan, values))
        return self._among(lambda held: held in numbers or (nan and math.isnan(held)))

    def ordered(self, compare: Compare, value: Present) -> ColumnElement[bool]:
        number = _number(value)
        return false() if number is None else self._among(lambda held: bool(compare(held, number)))


def make_subject(field: Field, medians: Mapping[Field, Mapping[int, float]], *, lenient: bool) -> Subject:
    """Make what a comparison of a field looks at; medians are given for the fields that ask for one."""
    if field.type == "SCALAR":
        return _Median(medians[field]) if field.stat == "median" else _Scalar(field)
    if field.stat == "len":
        return _Number(_length(field), nullable=True, whole=True)
    if field.type == "CONFIG":
        return _LenientConfig(field.key) if lenient else _Config(field.key)
    if field.key in TEXT_COLUMNS:
        return _Text(TEXT_COLUMNS[field.key], nullable=field.key in NULLABLE_COLUMNS)
    if field.key in NUMBER_COLUMNS:
        whole = field.key != "duration"
        return _Number(NUMBER_COLUMNS[field.key], nullable=field.key in NULLABLE_COLUMNS, whole=whole)
    return _Labels() if field.key == "labels" else _Colors()


def _length(field: Field) -> ColumnElement[Any]:
    """Make the expression of a length; NULL where there is none."""
    if field.type == "STABLE" and field.key != "labels":
        return func.length(TEXT_COLUMNS[field.key])
    if field.type == "STABLE":
        counted = select(func.count()).select_from(run_labels).where(run_labels.c.run_pk == runs.c.id)
        return counted.correlate(runs).scalar_subquery()
    c = run_configs.c
    size = case(
        (one_of(c.kind, _TEXTUAL), func.length(c.text)), (one_of(c.kind, ("json", "sect")), cast(c.number, Integer))
    )
    found = select(size).where(c.run_pk == runs.c.id, c.key == literal(field.key, Text()))
    return found.correlate(runs).scalar_subquery()


def _number(value: Present) -> int | float | None:
    """Return a literal that has an order among numbers; ``None`` for text, lists and NaN."""
    return None if isinstance(value, (str, tuple)) or _is_nan(value) else value


def _numbers(values: Sequence[Present]) -> list[int | float]:
    return [number for value in values if (number := _number(value)) is not None]


def _texts(values: Sequence[Present]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _exists_of(table: Table, run_pk: ColumnElement[int], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return (
        select(literal_column("1")).select_from(table).where(run_pk == runs.c.id, *conditions).correlate(runs).exists()
    )
