"""What may be asked of runs: the bounds of filters and orders, the same wherever they are worked out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runatlas.errors import ValidationError
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filters import OPERATORS, STATISTICS, Comparison, Field, Filter, Not, Sort
from runatlas.model.glob import parse_glob
from runatlas.model.text import check_text

__all__ = [
    "COMPARISONS_MAX",
    "LIST_DEPTH_MAX",
    "PART_MAX",
    "SORTS_MAX",
    "check_config_keys",
    "check_filter",
    "check_groups",
    "check_order",
    "check_statistics",
    "has_length",
    "simplify",
    "too_deep",
]

COMPARISONS_MAX = 500
"""How many comparisons a filter may have."""

PART_MAX = 1000
"""How long a text may be that is looked for inside another."""

SORTS_MAX = 10
"""How many fields runs may be sorted and grouped by."""

STATISTICS_MAX = 100
"""How many statistics of metrics, or names in configs, a listing may carry."""

_DEPTH_MAX = 20
"""SQLite's parser takes somewhat more, once the filter is simplified."""

_GIVEN_DEPTH_MAX = 200

VALUES_MAX = 100_000
"""How many values a filter may compare with, those inside lists too."""

FRACTIONS_MAX = 10_000
"""How many of them may be numbers with a fraction: databases take these one by one."""

LIST_DEPTH_MAX = 8
"""How deep a list may nest that a filter compares with."""

_INT_BITS = 4096
"""How long a whole number may be: far longer than a double reaches."""


def simplify(node: Filter, depth: int = 0) -> Filter:
    """Take out levels that say nothing: a twofold ``Not``, an ``And`` within an ``And``, one item alone.

    Raises:
        ValidationError: It nests too deeply to be looked through.
    """
    if depth > _GIVEN_DEPTH_MAX:
        raise too_deep()
    if isinstance(node, Comparison):
        return node
    if isinstance(node, Not):
        item = simplify(node.item, depth + 1)
        return item.item if isinstance(item, Not) else Not(item)
    kind = type(node)
    items: list[Filter] = []
    for item in (simplify(item, depth + 1) for item in node.items):
        items += item.items if isinstance(item, kind) else (item,)
    return items[0] if len(items) == 1 else kind(tuple(items))


def too_deep() -> ValidationError:
    """Make the error for a filter that nests too deeply."""
    return ValidationError(f"filter: it nests more than {_DEPTH_MAX} levels deep")


def check_filter(wanted: Filter) -> Filter:
    """Check a filter, and return it simplified.

    Raises:
        ValidationError: It has an unknown field, statistic or operator, a value that is none, or is too large.
    """
    simple = simplify(wanted)
    count = values_count = fractions = 0
    for node in _comparisons(simple, 0):
        values = node.value if isinstance(node.value, tuple) else (node.value,)
        several = node.op in {"IN", "NOT IN"}
        if not several and isinstance(node.value, tuple):
            values = (node.value,)
        if node.op not in OPERATORS:
            raise ValidationError(f"filter: there is no operator {node.op!r}")
        if several and not isinstance(node.value, tuple):
            raise ValidationError(f"filter: {node.op} of {node.field.key!r} takes a list")
        if isinstance(node.value, tuple) and node.op not in {"IN", "NOT IN", "EQ", "NEQ", "CONTAIN"}:
            raise ValidationError(f"filter: {node.op} of {node.field.key!r} takes one value")
        _check_field(node.field)
        for value in values:
            values_count += _check_value(value, node.op, 0)
        if values_count > VALUES_MAX:
            raise ValidationError(f"filter: it has more than {VALUES_MAX:,} values")
        fractions += sum(isinstance(value, float) and not value.is_integer() for value in values)
        is_one = several and not node.lenient and (node.field.type, node.field.key) != ("STABLE", "colors")
        count += 1 if is_one else len(values)
    if fractions > FRACTIONS_MAX:
        raise ValidationError(f"filter: it has more than {FRACTIONS_MAX:,} numbers with a fraction")
    if count > COMPARISONS_MAX:
        raise ValidationError(f"filter: it has more than {COMPARISONS_MAX} comparisons")
    return simple


def _comparisons(node: Filter, depth: int) -> Iterator[Comparison]:
    if depth > _DEPTH_MAX:
        raise too_deep()
    if isinstance(node, Comparison):
        yield node
    else:
        for item in (node.item,) if isinstance(node, Not) else node.items:
            yield from _comparisons(item, depth + 1)


def has_length(field: Field) -> bool:
    """Tell whether a field has a length that can be asked for: texts, labels and what configs hold have."""
    if field.type == "STABLE":
        return field.key != "colors" and STABLE_FIELDS[field.key] in {"text", "labels"}
    return field.type == "CONFIG"


def _check_field(field: Field) -> None:
    if field.type == "STABLE" and field.key not in STABLE_FIELDS:
        raise ValidationError(f"filter: a run has no field {field.key!r}")
    if field.type != "SCALAR" and (field.context or field.stat not in {"last", "len"}):
        raise ValidationError(f"filter: {field.key!r} is no metric, and has no statistic and no context")
    if field.stat == "len" and not has_length(field):
        raise ValidationError(f"filter: {field.key!r} has no length")
    if field.type == "SCALAR" and field.stat not in STATISTICS:
        raise ValidationError(f"filter: {field.key!r} has no statistic {field.stat!r}")
    check_text(field.key, "filter")


def _check_value(value: object, op: str, depth: int) -> int:
    """Check a literal or a list of them, and count its values."""
    if not isinstance(value, tuple):
        _check_literal(value, op)
        return 1
    if depth == LIST_DEPTH_MAX:
        raise ValidationError(f"filter: a list nests more than {LIST_DEPTH_MAX} levels deep")
    return 1 + sum(_check_value(item, op, depth + 1) for item in value)


def _check_literal(value: object, op: str) -> None:
    if not (value is None or isinstance(value, (str, int, float))):
        raise ValidationError(f"filter: {type(value).__name__} is no value; use text, a number, a boolean or None")
    if isinstance(value, str):
        check_text(value, "filter")
        if op == "CONTAIN" and len(value) > PART_MAX:
            raise ValidationError(f"filter: CONTAIN takes text of up to {PART_MAX} characters")
    if op in {"GLOB", "IGLOB"}:
        if not isinstance(value, str):
            raise ValidationError(f"filter: {op} takes a pattern, which is text")
        try:
            parse_glob(value)
        except ValueError as error:
            raise ValidationError(f"filter: {error}") from None
    if isinstance(value, int) and value.bit_length() > _INT_BITS:
        raise ValidationError("filter: a number is too large")


def check_order(sorts: Sequence[Sort]) -> None:
    """Check an order, groups being sorts too.

    Raises:
        ValidationError: A field cannot be sorted by, or there are too many.
    """
    if len(sorts) > SORTS_MAX:
        raise ValidationError(f"sorts: runs are sorted and grouped by up to {SORTS_MAX} fields, got {len(sorts)}")
    for sort in sorts:
        if sort.order not in {"ASC", "DESC"}:
            raise ValidationError(f"sorts: {sort.order!r} is neither ASC nor DESC")
        check_text(sort.field.key, "sorts")
        _check_field(sort.field)
        if (sort.field.type, sort.field.key) == ("STABLE", "labels"):
            raise ValidationError("sorts: runs cannot be sorted by 'labels'")
        if sort.field.stat == "len":
            raise ValidationError(f"sorts: runs cannot be sorted by the length of {sort.field.key!r}")


def check_statistics(fields: Sequence[Field]) -> None:
    """Check which statistics a listing is asked for.

    Raises:
        ValidationError: One is none of a metric, its points would have to be read, or there are too many.
    """
    if len(fields) > STATISTICS_MAX:
        raise ValidationError(f"statistics: up to {STATISTICS_MAX} are listed at once, got {len(fields)}")
    for field in fields:
        if field.type != "SCALAR":
            raise ValidationError(f"statistics: {field.key!r} is no metric")
        if field.stat not in STATISTICS or field.stat == "median":
            raise ValidationError(f"statistics: {field.key!r} has no statistic {field.stat!r} that a listing carries")
        check_text(field.key, "statistics")


def check_config_keys(names: Sequence[str] | None) -> None:
    """Check which names in configs a listing is asked for.

    Raises:
        ValidationError: There are too many, or one is no text that can be stored.
    """
    if names is not None and len(names) > STATISTICS_MAX:
        raise ValidationError(f"config_keys: up to {STATISTICS_MAX} are listed at once, got {len(names)}")
    for name in names or ():
        check_text(name, "config_keys")


def check_groups(fields: Sequence[Field]) -> None:
    """Check what runs are to be grouped by.

    Raises:
        ValidationError: Nothing is given, too much, or a field that no filter can ask for one value of.
    """
    if not fields:
        raise ValidationError("fields: name at least one field to group by, such as 'config.lr'")
    if len(fields) > SORTS_MAX:
        raise ValidationError(f"fields: runs are grouped by up to {SORTS_MAX} fields, got {len(fields)}")
    check_order([Sort(field, "ASC") for field in fields])
    for field in fields:
        if (field.type, field.key) == ("STABLE", "colors"):
            raise ValidationError("fields: runs cannot be grouped by their colors; a run may have several")
        if field.type == "SCALAR" and field.stat != "last":
            raise ValidationError(f"fields: runs can be grouped by the last value of {field.key!r} only")
