"""The main job on the recorded runs, through the public API only: list, filter, compare, report, clean up.

Every line shown after ``>>>`` is what was just done; the tour says nothing that it does not do.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runatlas.api.entry import Api
from runatlas.entities.project import Project

__all__ = ["show_tour"]

_PROMPT = ">>>"
_GOOD = "state == 'FINISHED' and config.lr < 1 and 'wide' in tags"
_BAD = "state == 'CRASHED' or summary.val_loss > 1"
_PICTURE = "order=summary.val_loss&curves=val_loss&curves=val_acc&color=config.lr&log=y"
"""The best first, with their curves: what the address of the project's page says then."""


def show_tour(api: Api, project: Project, *, shown_directory: str, directory: Path, console: Console) -> None:
    """Work with a project's runs and show how.

    Args:
        api: Over the demonstration's directory.
        project: The project of the recorded runs.
        shown_directory: The directory as the user named it.
        directory: The directory; a chart and two tables are written to its ``report``.
        console: Where to print.
    """
    tour = _Tour(console, project, shown_directory, directory / "report")
    tour.code("import runatlas", f"api = runatlas.Api({shown_directory!r})")
    tour.projects(api)
    tour.runs()
    tour.best()
    tour.curves()
    tour.report()
    tour.clean_up()
    tour.next_lines()


class _Tour:
    """One walk; each method is a stop."""

    def __init__(self, console: Console, project: Project, shown_directory: str, report: Path) -> None:
        self._console = console
        self._project = project
        self._shown = shown_directory
        self._report = report
        report.mkdir(exist_ok=True)

    def projects(self, api: Api) -> None:
        self._title("Projects")
        self.code("api.projects()", f"project = api.project({self._project.path!r})")
        rows = [[project.path, project.count["experiments"], project.created_at] for project in api.projects()]
        self._table(["project", "runs", "created"], rows)

    def runs(self) -> None:
        self._title("Runs, with their config and their last values")
        self.code('runs = project.runs(order="summary.val_loss")', "runs.table()")
        table = self._project.runs(order="summary.val_loss").table().unwrap()
        names = [
            "name",
            "state",
            "config.lr",
            "config.model.width",
            "config.seed",
            "summary.val_loss",
            "summary.val_acc",
        ]
        self._table(names, [[row.get(name) for name in names] for row in table])

    def best(self) -> None:
        self._title("A filter, and the best run")
        self.code(
            f'good = project.runs("{_GOOD}", order="summary.val_loss.min")',
            "len(good)",
            "best = good.first()",
            'best.summary(["val_loss"])["val_loss"]["min"]',
        )
        good = self._project.runs(_GOOD, order="summary.val_loss.min")
        best = good[0]
        lowest = best.summary(["val_loss"])["val_loss"]["min"]
        self._say(
            f"{len(good)} runs match. {best.name} is the best of them: "
            f"val_loss {lowest['value']:.4f} at step {lowest['step']}"
        )

    def curves(self) -> None:
        self._title("All curves of all runs in one table")
        self.code('losses = project.metrics(["train_loss", "val_loss"]).data', "losses.complete")
        losses = self._project.metrics(["train_loss", "val_loss"]).unwrap()
        self._say(
            f"{len(losses)} curves of {len(losses.runs)} runs, {losses.num_rows:,} points"
            f"{', complete' if losses.complete else ', not complete'}"
        )
        chart = self._shown_path("val_loss.png")
        self.code(f'good.metrics(["val_loss"]).data.plot(path={chart!r})')
        self._project.runs(_GOOD).metrics(["val_loss"]).unwrap().plot(path=self._report / "val_loss.png")
        self._say(f"The chart is in {chart}")

    def report(self) -> None:
        self._title("A report for a spreadsheet")
        runs, points = self._shown_path("runs.csv"), self._shown_path("losses.csv")
        self.code(f"runs.table().data.to_csv({runs!r})", f"losses.to_csv({points!r})")
        self._project.runs(order="summary.val_loss").table().unwrap().to_csv(self._report / "runs.csv")
        self._project.metrics(["train_loss", "val_loss"]).unwrap().to_csv(self._report / "losses.csv")
        self._say(f"The tables are in {runs} and {points}")

    def clean_up(self) -> None:
        self._title("Clean-up is planned first; nothing is deleted here")
        self.code(f'plan = project.runs("{_BAD}").delete(commit=False).data', "plan.total")
        plan = self._project.runs(_BAD).delete(commit=False).unwrap()
        self._table(["run", "state"], [[item.name, item.state] for item in plan.items])
        self._say(f"{plan.total} runs would go to the trash; commit=True does it, and restore() brings them back")

    def next_lines(self) -> None:
        self._title("Go on from here")
        path = self._project.path
        lines = [
            f"runatlas ui {self._shown}",
            f"runatlas ui {shlex.quote(f'{self._project.url}?{_PICTURE}')}",
            f"runatlas api runs {path} --dir {self._shown}",
            f"runatlas serve --dir {self._shown}",
            "python",
        ]
        for line in lines:
            self._console.print(f"$ {line}", style="green", soft_wrap=True, markup=False, highlight=False)
        self.code(
            "import runatlas",
            f"project = runatlas.Api({self._shown!r}).project({path!r})",
            "project.runs().to_pandas()",
        )

    def code(self, *lines: str) -> None:
        for line in lines:
            self._console.print(f"{_PROMPT} {line}", style="cyan", soft_wrap=True, markup=False, highlight=False)

    def _shown_path(self, name: str) -> str:
        return f"{self._shown.rstrip('/')}/report/{name}"

    def _title(self, text: str) -> None:
        self._console.print()
        self._console.print(text, style="bold", markup=False)

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)

    def _table(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        table = Table()
        for name in names:
            table.add_column(name.rpartition(".")[2], overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        self._console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
