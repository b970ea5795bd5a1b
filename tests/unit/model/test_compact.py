"""A compact record is what attrs would have made of the class, for all that looks at it."""

from __future__ import annotations

import copy
import math
import pickle

import attrs
import pytest

from runatlas.errors import ResponseFormatError
from runatlas.model.codec import decode, decode_json, encode, encode_json
from runatlas.model.compact import compact


@attrs.frozen
class Plain:
    """A record."""

    name: str
    values: dict[str, float] = attrs.field(factory=dict)
    labels: tuple[str, ...] = ()

    @property
    def first(self) -> str | None:
        return next(iter(self.labels), None)

    def longer(self, count: int) -> str:
        return self.name * count


@compact
@attrs.frozen
class Record:
    """A record."""

    name: str
    values: dict[str, float] = attrs.field(factory=dict)
    labels: tuple[str, ...] = ()

    @property
    def first(self) -> str | None:
        return next(iter(self.labels), None)

    def longer(self, count: int) -> str:
        return self.name * count


GIVEN = ("a", {"loss": 0.5}, ("x", "y"))


def test_it_says_what_the_class_of_attrs_says() -> None:
    plain, made = Plain(*GIVEN), Record(*GIVEN)
    assert repr(made) == repr(plain).replace("Plain", "Record")
    assert (made.first, made.longer(2), Record.__doc__) == (plain.first, plain.longer(2), Plain.__doc__)
    assert attrs.asdict(made) == attrs.asdict(plain)
    assert encode(made) == encode(plain)
    assert [field.name for field in attrs.fields(Record)] == [field.name for field in attrs.fields(Plain)]


def test_it_is_equal_hashed_changed_copied_and_frozen_as_one_of_attrs() -> None:
    made = Record(*GIVEN)
    assert made == Record(*GIVEN) != attrs.evolve(made, name="b") == Record("b", *GIVEN[1:])
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (type(again), again) == (Record, made)
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)
    with pytest.raises(AttributeError):
        made.name = "b"  # type: ignore[misc]
    assert Record("a").values is not Record("a").values


def test_it_travels_as_one_of_attrs_and_is_refused_in_the_same_words() -> None:
    for values in ({"loss": 0.5}, {"loss": math.inf}):  # the quick way, and the codec's
        data = encode_json(Record("a", values, ("x",)))
        assert decode_json(data, Record) == Record("a", values, ("x",))
        assert decode_json(data, Plain) == Plain("a", values, ("x",))
    told = []
    for kind in (Plain, Record):
        with pytest.raises(ResponseFormatError, match="does not decode") as caught:
            decode({"name": 1, "labels": "x", "more": 2}, kind, strict=True)
        told.append(str(caught.value).replace(kind.__name__, ""))
    assert told[0] == told[1]
