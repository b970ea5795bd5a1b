"""Draws the pictures of these pages: ``runatlas demo && python docs/pictures.py``.

Where the page about cleaning up has imported real runs to ``./speedruns``, it draws those too; and what notebooks show
where ``weasyprint`` and ``pymupdf`` are installed, which set and draw HTML.
"""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import runatlas

IMAGES = Path(__file__).parent / "images"
STYLE = {
    "figure.figsize": (7.2, 3.4),
    "figure.dpi": 130,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 9,
    "lines.linewidth": 1.3,
}


def charts(project: runatlas.Project) -> None:
    """The page about exploring: the charts whose code stands beside them."""
    project.runs("state == 'FINISHED'").plot("val_loss", color="config.lr", log="y").save(
        IMAGES / "explore.png", dpi=130
    )
    chart = project.plot(["train_loss", "val_loss"], "config.lr < 1", color="config.lr", facet="metric", smooth=0.9)
    chart.save(IMAGES / "facets.png", dpi=130)
    runs = project.runs("config.lr < 1 and state == 'FINISHED'", order="summary.val_loss.min")
    runs[0].plot().save(IMAGES / "run.png", dpi=130)
    project.plot("val_loss", "config.lr < 1", color="config.lr", band="minmax").save(IMAGES / "band.png", dpi=130)
    project.runs().scatter("config.lr", "val_loss.min", color="state").save(IMAGES / "scatter.png", dpi=130)
    across = project.runs().parallel(["config.lr", "config.model.width"], "val_loss.min")
    across.save(IMAGES / "parallel.png", dpi=130)


def cleaned(project: runatlas.Project) -> None:
    """The page about cleaning up: what a plan would take, and what would stay."""
    figure, axes = plt.subplots()
    plan = project.runs("state == 'CRASHED' or summary.val_loss > 1").delete(commit=False).unwrap()
    going = {item.cuid for item in plan.items}
    for run in project.runs():
        series = run.metrics(["val_loss"], all=True).unwrap()["val_loss"]
        goes = run.cuid in going
        label = "planned to go" if goes else "stays"
        axes.plot(series.steps, series.values, color="#c8c8c8" if not goes else "#e45756", zorder=2 + goes, label=label)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), frameon=False)
    axes.set(
        xlabel="step", ylabel="val_loss", yscale="log", title=f"A plan over {plan.total} of {len(project.runs())} runs"
    )
    figure.savefig(IMAGES / "clean-up.png")


def chosen(track: runatlas.Project) -> None:
    """The page about cleaning up: what stays of real runs by a policy."""
    figure, axes = plt.subplots()
    plan = track.clean(
        where="summary.val_loss < inf", group_by="config.record", keep_best="val_loss:1", keep_last=1
    ).unwrap()
    going = {item.cuid for item in plan.items}
    runs = [run for run in track.runs("summary.val_loss < 4") if run.config["date"] is not None]
    for goes, color, label in ((True, "#c8c8c8", "planned to go"), (False, "#4c78a8", "stays")):
        found = [run for run in runs if (run.cuid in going) == goes]
        dates = [dt.date.fromisoformat(run.config["date"]) for run in found]
        axes.scatter(dates, [run.latest["val_loss"] for run in found], s=12, color=color, label=label)
    axes.legend(frameon=False)
    axes.set(ylabel="last val_loss", title="The best and the last run of every record stay")
    figure.savefig(IMAGES / "real-runs.png")


def reported(project: runatlas.Project) -> None:
    """The page about reporting: the chart whose code stands beside it."""
    project.runs("state == 'FINISHED'").scatter("config.lr", "val_acc.max").save(IMAGES / "report.png", dpi=130)


def shown(project: runatlas.Project) -> None:
    """The page about exploring: a listing and a run as the last lines of two cells."""
    runs = project.runs("config.lr < 1 and state == 'FINISHED'", order="summary.val_loss.min")
    style = "@page{size:1140px 905px;margin:12px} body{font:12px sans-serif} code{background:#eee;padding:4px 8px}"
    style += "table{border-collapse:collapse} th,td{padding:2px 7px;border-bottom:1px solid #e4e4e4}"
    cells = "".join(
        f"<p><code>{name}</code></p>{item._repr_html_()}" for name, item in (("runs", runs), ("runs[0]", runs[0]))
    )
    weasyprint, pymupdf = import_module("weasyprint"), import_module("pymupdf")
    page = weasyprint.HTML(string=f"<!DOCTYPE html><title>.</title><body>{cells}</body>")
    document = pymupdf.open(stream=page.write_pdf(stylesheets=[weasyprint.CSS(string=style)]), filetype="pdf")
    document[0].get_pixmap(dpi=120).save(IMAGES / "notebook.png")


def main() -> None:
    """Draw all of them."""
    mpl.use("Agg")
    plt.rcParams.update(STYLE)
    IMAGES.mkdir(exist_ok=True)
    with runatlas.Api("./runatlas-demo") as api:
        project = next(iter(api.projects()))
        charts(project)
        cleaned(project)
        reported(project)
        if find_spec("weasyprint") and find_spec("pymupdf"):
            shown(project)
    if Path("./speedruns").is_dir():
        with runatlas.Api("./speedruns") as api:
            chosen(next(project for project in api.projects() if project.name == "track_1_short"))


if __name__ == "__main__":
    main()
