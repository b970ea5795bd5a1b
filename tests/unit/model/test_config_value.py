"""Configs as people have them: structure stays structure, the rest is text, and one warning says so."""

from __future__ import annotations

import argparse
import collections
import enum
import functools
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.codec import dumps
from runatlas.model.config_value import is_masked, plain_config, plain_value, read_value
from runatlas.server.store.config import flatten


class Colour(enum.Enum):
    RED = "red"
    GREY = len


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Settings:
    lr: float
    colour: Colour


@dataclass
class Unset:
    kind: ClassVar[str] = "x"
    a: int = 1
    b: int = field(init=False)


@attrs.frozen
class Frozen:
    x: int


class Size(NamedTuple):
    height: int
    width: int


class Model:
    """Does what models of pydantic 2 do: ``json`` is deprecated."""

    def __init__(self, lr: float) -> None:
        self._lr = lr

    def model_dump(self) -> dict[str, Any]:
        return {"lr": self._lr, "path": Path("x")}

    def json(self) -> str:
        raise AssertionError("deprecated")


class OldModel:
    """Does what models of pydantic 1 do."""

    __fields__: ClassVar[dict[str, Any]] = {"lr": None}

    def dict(self) -> dict[str, Any]:
        return {"lr": 0.1}

    def json(self) -> str:
        return '{"lr": 0.1}'


class Document:
    """Gives JSON as text."""

    def json(self) -> str:
        return '{"lr": 0.1}'


class Tree(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, **items: Any) -> None:
        self._items = items

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class Row(Sequence[Any]):
    """A sequence that is no list."""

    def __init__(self, *items: Any) -> None:
        self._items = items

    def __getitem__(self, place: Any) -> Any:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)


class Keyed:
    """Has keys and items, and is no Mapping, as configs of ml_collections."""

    def keys(self) -> list[str]:
        return ["lr"]

    def __getitem__(self, key: str) -> float:
        return {"lr": 0.1}[key]


class Bag:
    def __init__(self) -> None:
        self.lr = 0.1
        self.inner = SimpleNamespace(width=4)
        self._cache = object()


class Slots:
    __slots__ = ("lr", "unset")

    def __init__(self) -> None:
        self.lr = 0.1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": (1, 2), 3: {4}, None: {}, Colour.RED: 1}, {"a": [1, 2], "3": [4], "None": {}, "red": 1}),
        (Tree(a=Row(1, Tree(b=2))), {"a": [1, {"b": 2}]}),
        (Keyed(), {"lr": 0.1}),
        (Settings(0.1, Colour.RED), {"lr": 0.1, "colour": "red"}),
        (Unset(), {"a": 1}),
        (Frozen(1), {"x": 1}),
        (Size(2, 3), {"height": 2, "width": 3}),
        (Model(0.1), {"lr": 0.1, "path": "x"}),
        (OldModel(), {"lr": 0.1}),
        (Document(), {"lr": 0.1}),
        (Bag(), {"lr": 0.1, "inner": {"width": 4}}),
        (Slots(), {"lr": 0.1}),
        (argparse.Namespace(a=1), {"a": 1}),
        (SimpleNamespace(a=Path("x")), {"a": "x"}),
        ([Colour.GREY, Level.LOW], ["GREY", 1]),
        ({10, 9}, [9, 10]),
        (frozenset({"a", 1}), ["a", 1]),
        (range(3), [0, 1, 2]),
        (collections.deque([1]), [1]),
        ([{"a": 1}.keys(), {"a": 1}.values()], [["a"], [1]]),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        ([np.float32(0.5), np.int64(3), np.bool_(True), np.array(2), np.longdouble(1.5)], [0.5, 3, True, 2, 1.5]),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]),
        ([np.ma.masked, np.datetime64("NaT", "s")], [None, None]),
        ([np.datetime64("2026-01-02T00:00:00.5"), np.timedelta64(1500, "ms")], ["2026-01-02T00:00:00.500000", 1.5]),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        ([date(2026, 1, 2), time(3), timedelta(minutes=1.5)], ["2026-01-02", "03:00:00", 90.0]),
        ([Decimal("0.1"), Decimal(3), Fraction(1, 4)], [0.1, 3, 0.25]),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    ],
)
def test_what_has_a_structure_keeps_it(value: Any, expected: Any, caplog: pytest.LogCaptureFixture) -> None:
    plain = plain_value(value, "config")

    assert plain == expected
    assert dumps(plain) == dumps(expected)
    assert caplog.messages == []


def test_what_pandas_has_no_value_of_is_none(caplog: pytest.LogCaptureFixture) -> None:
    import pandas as pd

    assert plain_value([pd.NA, pd.NaT], "config") == [None, None]
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (print, "print"),
        (Settings, f"{__name__}.Settings"),
        (object(), "object"),
        (np.dtype("float32"), "float32"),
        (np.zeros(20_000), "numpy.ndarray of float64, shape (20000,)"),
        (b"abc", "abc"),
        (b"\xff", "/w=="),
        (1 + 2j, "(1+2j)"),
        ((i for i in range(0)), "<genexpr>"),
        (SimpleNamespace, "types.SimpleNamespace"),
    ],
)
def test_what_has_none_is_text_and_one_warning_says_so(value: Any, text: str, caplog: pytest.LogCaptureFixture) -> None:
    given_value = {"a": {"b": [value]}, "again": value}
    plain = plain_config(given_value)

    assert (plain["a"]["b"][0], plain["again"]) == (text, text)
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING
    assert "config.a.b[0]: a " in caplog.text
    assert "is kept as text" in caplog.text


def test_a_partial_function_tells_its_arguments() -> None:
    value, notes = read_value(functools.partial(Size, 1, width=2), "x")

    assert value == {"function": f"{__name__}.Size", "args": [1], "keywords": {"width": 2}}
    assert notes == ["x.function: a type is kept as text"]


def test_the_text_of_an_object_is_the_same_in_every_process() -> None:
    class Holder:
        def __init__(self) -> None:
            self.run = print

        def __repr__(self) -> str:
            return object.__repr__(self)

    assert "0x" not in plain_value([Holder(), functools.partial, lambda: 1], "x")[0]


def test_what_a_config_cannot_give_is_kept_as_it_is_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As OmegaConf: a missing value and an interpolation that leads nowhere raise an error of the library's own."""

    class MissingError(Exception):
        pass

    class Config(Tree):
        def __getitem__(self, key: str) -> Any:
            found = super().__getitem__(key)
            if found == "???":
                raise MissingError
            return found

    written = {"lr": "???", "opt": {"name": "sgd"}}
    library = SimpleNamespace(
        OmegaConf=SimpleNamespace(is_config=lambda value: True, to_container=lambda value, resolve: dict(written))
    )
    monkeypatch.setitem(sys.modules, "omegaconf", library)

    assert plain_config(Config(**written)) == written
    assert "config.lr: it has no value, '???' is kept" in caplog.text


def test_an_error_of_another_library_is_no_missing_value() -> None:
    class Interrupting(Tree):
        def __getitem__(self, key: str) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plain_config(Interrupting(a=1))


def test_a_config_that_holds_itself_gets_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    config: dict[str, Any] = {"lr": 0.1}
    config["self"] = config
    bag = Bag()
    bag.inner = SimpleNamespace(owner=bag)

    assert plain_config(config)["lr"] == 0.1
    assert "config.self: holds itself" in caplog.text
    caplog.clear()
    assert plain_config(bag)["lr"] == 0.1
    assert "config.inner.owner" in caplog.text


def test_what_no_store_takes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"d": deep}
    plain = plain_config({"deep": deep, "text": "a\ud800", "\udfff": 1, "huge": 10**5000})

    assert flatten(plain)
    dumps(plain).encode()
    assert (plain["text"], plain["\ufffd"]) == ("a\ufffd", 1)
    for told in (
        "levels deep",
        "config.text: has NUL characters or lone surrogates",
        "config.huge: a int is kept as text",
    ):
        assert told in caplog.text


def test_keys_that_read_alike_are_all_kept(caplog: pytest.LogCaptureFixture) -> None:
    plain = plain_config({1: "x", "1": "y", (1, 2): "z"})

    assert plain == {"1 (int)": "x", "1": "y", "[1, 2]": "z"}
    assert "two keys that read '1'" in caplog.text
    assert "the key '[1, 2]' is of the type tuple" in caplog.text


def test_a_class_or_a_module_of_settings() -> None:
    class Config:
        lr = 0.1

        class model:
            width = 4

        def method(self) -> None: ...

        @property
        def other(self) -> int:
            return 1

    module = ModuleType("settings")
    vars(module).update(lr=0.1, math=math, _hidden=1, make=print)

    assert plain_config(Config) == {"lr": 0.1, "model": {"width": 4}}
    assert plain_config(module) == {"lr": 0.1}


def test_an_object_given_as_config_keeps_the_fields_that_have_a_structure(caplog: pytest.LogCaptureFixture) -> None:
    bag = Bag()
    bag.inner = print  # type: ignore[assignment]

    assert plain_config(bag) == {"lr": 0.1, "inner": "print"}
    assert plain_value({"bag": bag}, "x") == {"bag": f"{__name__}.Bag"}
    assert len(caplog.records) == 2


def test_a_config_is_copied_and_may_hold_nan() -> None:
    given_config = {"a": {"b": [1]}}
    taken = plain_config(given_config)
    given_config["a"]["b"].append(2)

    assert taken == {"a": {"b": [1]}}
    assert math.isnan(plain_value(math.nan, "x"))


@pytest.mark.parametrize("wrong", [5, "text", [1], None, Settings, print])
def test_what_has_no_fields_is_no_config(wrong: Any) -> None:
    with pytest.raises(TypeError, match="config"):
        plain_config(wrong)


anything = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers()),
        *(st.decimals(), st.fractions(), st.datetimes(), st.timedeltas(), st.uuids()),
        st.sampled_from([print, object(), Colour.GREY, np.float32(1), np.ma.masked, ..., int, np.dtype("i4")]),
    ),
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.none(), st.binary(), st.dates()), inner),
        inner.map(lambda value: SimpleNamespace(value=value)),
        inner.map(lambda value: Tree(value=Row(value))),
    ),
)


@given(st.dictionaries(st.text(), anything))
def test_nothing_stops_a_run_before_its_first_step(config: dict[str, Any]) -> None:
    plain, _ = read_value(config, "config")

    assert len(plain) == len(config)
    dumps(plain).encode()
    flatten(plain)


def test_masked_values_are_known() -> None:
    assert is_masked(np.ma.masked)
    assert is_masked(np.ma.array([1, 2], mask=[False, True]))
    assert not is_masked(np.ma.array([1, 2]))
    assert not is_masked(np.array(1))
    assert not is_masked(SimpleNamespace(mask=True))
