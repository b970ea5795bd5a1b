"""A store of a few runs of which reports are made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from support.counting import make_counting
from support.world import make_points

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.entities.report import Report
from runatlas.entities.report_spec import ReportSpec
from runatlas.entities.runs import Runs
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft, RunPatch, RunSelection

LOSSES = {"a": 0.5, "b": 0.25, "c": math.nan, "d": 0.3, "e": None}
COLUMNS = ["name", "config.lr", "config.seed", "config.note", "loss.min"]


class Store:
    """Five runs, and an account of what is asked of their store."""

    def __init__(self, directory: Path) -> None:
        self.account, self.backend = make_counting(LocalBackend(directory))
        self.path = ProjectPath(self.backend.get_user().username, "reported")
        for place, (name, loss) in enumerate(LOSSES.items()):
            config = {"lr": 0.1 * (1 + place // 2), "seed": place % 2, "note": f"=1+{place}"}
            draft = RunDraft(self.path, id=name, name=name, config=config, state="FINISHED", create_project=True)
            self.backend.create_run(draft)
            if loss is not None:
                self.backend.append(Batch(self.path.run(name), points=(make_points("loss", [loss]),)))
        self.api = Api(backend=self.backend)

    def runs(self, filters: str | None = None) -> Runs:
        """The runs."""
        return self.api.project(str(self.path)).runs(filters)

    def set(self, name: str, key: str, value: Any) -> None:
        """Change the config of a run."""
        chosen = RunSelection(self.path.workspace, self.path.project, ids=(name,))
        self.backend.update_runs(chosen, RunPatch(config={key: value}))

    def told(self, path: str | Path, spec: ReportSpec | None = None) -> list[str]:
        """What a check finds."""
        return [str(item) for item in self.api.check_report(path, spec).unwrap().differences]


def listed(store: Store, **options: Any) -> Report:
    """A report of the runs."""
    return store.runs().report(columns=COLUMNS, sort="name", **options).unwrap()
