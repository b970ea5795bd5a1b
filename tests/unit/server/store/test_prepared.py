"""Statements that are compiled when they are first used."""

from __future__ import annotations

import gc
import importlib
import pkgutil

import pytest
from sqlalchemy import bindparam, select

from runatlas.server import store
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import writers


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_statement_takes_the_parameters_it_is_given(dialect: str) -> None:
    for module in pkgutil.iter_modules(store.__path__):
        importlib.import_module(f"{store.__name__}.{module.name}")
    gc.unfreeze()
    statements = [each for each in gc.get_objects() if isinstance(each, Prepared)]
    assert len(statements) > 50
    assert all(statement.text(dialect) for statement in statements)


def test_other_parameters_than_a_statement_has_are_refused() -> None:
    statement = Prepared(select(writers.c.sequence).where(writers.c.run_pk == bindparam("run")), "runs")
    with pytest.raises(ValueError, match=r"the statement takes \('run',\), not \('runs',\)"):
        statement.text("sqlite")
