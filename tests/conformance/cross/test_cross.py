"""A run written by any one client reads the same through every other."""

from __future__ import annotations

from typing import Any

import pytest
from support.crossing import FAILED, READERS, WHOLE, WRITERS, Loss, expected_form, form_of, lines_of, lose

pytestmark = pytest.mark.xdist_group("conformance-cross")

RUNS = {"whole": WHOLE, "failed": FAILED}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_run_reads_the_same(crossing: Any, writer: str, reader: str, name: str) -> None:
    run = f"{writer}/{name}"
    content = {**RUNS[name], "slug": crossing.paths[run].rpartition("/")[2]}
    expected = expected_form(writer, reader, content, crossing.told["ours"][run])
    assert lines_of(crossing.told[reader][run]) == lines_of(expected)


@pytest.mark.parametrize("reader", READERS)
def test_every_client_lists_all_runs(crossing: Any, reader: str) -> None:
    ids = [path.rpartition("/")[2] for path in crossing.paths.values()]
    assert sorted(crossing.listed[reader]) == sorted(ids)


def test_a_run_has_its_times(crossing: Any) -> None:
    for form in crossing.told["ours"].values():
        times = [row[2] for rows in form["series"].values() for row in rows]
        assert 0 < form["created"] <= form["ended"]
        assert times
        assert all(times)


@pytest.mark.parametrize(
    "losses",
    [*WRITERS.values(), *READERS.values()],
    ids=[*(f"to {w}" for w in WRITERS), *(f"from {r}" for r in READERS)],
)
def test_every_loss_loses_something(losses: tuple[Loss, ...]) -> None:
    form = form_of({**WHOLE, "slug": "run", "error": "boom"})
    form["last"] = {label: rows[-1][1] for label, rows in form["series"].items()}
    for loss in losses:
        assert lines_of(lose(form, (loss,))) != lines_of(form), loss.what
