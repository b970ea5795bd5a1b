"""A file is imported into every backend alike: many runs at once, or one by one where a server takes no others."""

from __future__ import annotations

import json
from pathlib import Path

from support.backend import Site

from runatlas.importers.importing import import_jsonl
from runatlas.importers.layout import RecordLayout
from runatlas.importers.report import ProjectTally
from runatlas.model.run import RunQuery, RunSelection


def test_a_file_is_imported_once(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    lines = [{"run": str(number), "points": [[0, {"loss": 1.0 + number}]]} for number in range(3)]
    path.write_text("\n".join(map(json.dumps, lines)))
    layout = RecordLayout(project="demo", id_fields=("run",))
    # A SwanLab server itself: what compares it with the store would let that do what it refuses.
    backend = vars(site.root).get("_asked", site.root)
    assert import_jsonl(backend, path, layout).projects == {"demo": ProjectTally(added=3, values=3)}
    assert import_jsonl(backend, path, layout).projects == {"demo": ProjectTally(present=3)}
    runs = site.root.list_runs(RunQuery(RunSelection(site.home, "demo"))).items
    assert sorted((run.name, run.state, (run.summary or {})["loss"]) for run in runs) == [
        ("0", "FINISHED", 1.0),
        ("1", "FINISHED", 2.0),
        ("2", "FINISHED", 3.0),
    ]
