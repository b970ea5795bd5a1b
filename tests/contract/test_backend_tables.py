"""Runs leave as tables, and answer questions in SQL, alike from every backend."""

from __future__ import annotations

from support.backend import Site
from support.world import make_points

from runatlas import Api
from runatlas.model.batch import Batch
from runatlas.model.run import RunDraft


def test_runs_are_a_stream_and_the_tables_of_a_question(site: Site) -> None:
    import polars as pl

    project = site.project()
    for place, name in enumerate(("one", "two", "three")):
        site.inside.create_run(RunDraft(project, id=name, name=name, config={"lr": place, "deep": {"er": name}}))
        series = (make_points("loss", [0.5, float(place)]), make_points("acc", [0.1] * place))
        site.inside.append(Batch(project.run(name), points=series))
    runs = Api(backend=site.root).project(str(project)).runs("config.lr > 0", order="config.lr")
    assert pl.DataFrame(runs)["config.deep.er"].to_list() == ["two", "three"]
    found = runs.sql(
        """
        select r.name, c.number, s.points, sum(p.value) as total
        from runs r
        join config c on c.run = r.run and c.key = 'lr'
        join series s on s.run = r.run and s.key = 'loss'
        join points p on p.run = r.run and p.key = 'loss'
        group by all order by all
        """
    ).unwrap()
    assert [tuple(row.values()) for row in found] == [("three", 2.0, 2, 2.5), ("two", 1.0, 2, 1.5)]
    assert found.complete
    alone = runs.sql("select value, run from points where run = 'two' and key = 'acc'").unwrap()
    assert [tuple(row.values()) for row in alone] == [(0.1, "two")]
