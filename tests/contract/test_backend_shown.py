"""What a notebook shows is the same from every backend, whatever it can and cannot do."""

from __future__ import annotations

from support.backend import Site
from support.page import check_html
from support.world import make_points

from runatlas import Api
from runatlas.model.batch import Batch
from runatlas.model.run import RunDraft


def test_a_project_its_runs_and_a_run_show_themselves(site: Site) -> None:
    project = site.project()
    for name in ("one", "two"):
        site.inside.create_run(RunDraft(project, id=name, name=name, state="FINISHED", config={"lr": name, "seed": 1}))
        site.inside.append(Batch(project.run(name), points=(make_points("loss", [0.5, 0.25]),)))
    api = Api(backend=site.root)
    for place in (api, api.workspace(site.home), api.projects()):
        assert str(project) in check_html(place._repr_html_())
    for item in (api.project(str(project)), api.project(str(project)).runs()):
        shown = check_html(item._repr_html_())
        assert "2 of 2; one request" in shown
        assert "the same in all 2: seed = 1" in shown
        assert "0.25" in shown
    assert "runs 2 finished last run" in check_html(api.project(str(project))._repr_html_())
    run = api.run(str(project.run("one")))
    assert "loss 2 0.5 0.25 0.25 0.5" in check_html(run._repr_html_())
    assert "config (2)" in check_html(run._repr_html_())
