"""Reports are the same from every backend, and a check of one names what no longer holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import arro3.io
from support.backend import Site
from support.page import check_html, check_page
from support.world import make_points

from runatlas import Api
from runatlas.model.batch import Batch
from runatlas.model.run import RunDraft, RunPatch, RunSelection

SEEDS = {("mlp", 0): 0.5, ("mlp", 1): 0.25, ("cnn", 0): 0.75, ("cnn", 1): 0.5}


def test_a_report_is_made_written_and_checked(site: Site, tmp_path: Path) -> None:
    project = site.project()
    for (model, seed), value in SEEDS.items():
        config = {"model": model, "seed": seed}
        site.inside.create_run(RunDraft(project, id=f"{model}-{seed}", name=model, state="FINISHED", config=config))
        points = (make_points("loss", [value + 1, value]),)
        site.inside.append(Batch(project.run(f"{model}-{seed}"), points=points))
    api = Api(backend=site.root)
    runs = api.project(str(project)).runs("config.seed >= 0")
    columns: list[Any] = [
        "run",
        "config.model",
        "created_at",
        {"field": "loss.min", "goal": "min", "digits": 2},
        "acc.max",
    ]
    listed = runs.report(columns=columns, sort="-loss.min", limit=3, title="Runs").unwrap()
    assert [row["loss.min"] for row in listed.table] == [0.75, 0.5, 0.5]
    absent = "acc.max: missing in 3 of 3 runs"
    assert listed.notes[-2 if site.is_exact else -1 :] == (
        absent,
        *(["no run here has a metric 'acc'"] * site.is_exact),
    )
    check_html(listed._repr_html_())
    held = arro3.io.read_parquet(listed.to_parquet(tmp_path / "runs.parquet")).read_all()
    assert held["loss.min"].to_pylist() == [0.75, 0.5, 0.5]
    assert listed.to_csv().splitlines()[0] == "run,config.model,created_at,loss.min,acc.max"

    spec = {"group_by": "config.model", "stats": ["loss.min"], "over": "config.seed", "spread": "minmax"}
    grouped = runs.report(**spec, sort="loss.min").unwrap()  # type: ignore[arg-type]
    page, text = tmp_path / "seeds.html", tmp_path / "runs.md"
    read = check_page(Path(grouped.to_html(page)).read_text())
    assert "mlp 2 0.375 [0.250, 0.500] (n = 2)" in " ".join(read.split())
    assert "config.seed >= 0" in read
    listed.to_markdown(text)
    for path in (page, text):
        check = api.check_report(path).unwrap()
        assert check.holds, check.differences
    site.root.update_runs(RunSelection(*_parts(project), ids=("mlp-1",)), RunPatch(config={"model": "cnn2"}))
    told = [str(item) for item in api.check_report(page).unwrap().differences]
    assert told == [
        "config.model='mlp', runs: was 2, is 1",
        "config.model='mlp', loss.min: was 0.375 [0.250, 0.500] (n = 2), is 0.5 (n = 1)",
        "config.model='cnn2': the row is new",
    ]
    assert api.check_report(text).unwrap().holds  # of the three runs that it has none was changed


def _parts(project: object) -> tuple[str, str]:
    workspace, name = str(project).split("/")
    return workspace, name
