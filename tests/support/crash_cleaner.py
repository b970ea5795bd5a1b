"""A program that does something with the runs of a group and says when that was done, for tests that kill it.

python crash_cleaner.py PLACE GROUP delete|cut|move|merge|copy
python crash_cleaner.py PLACE TRASH_ID restore|purge
"""

from __future__ import annotations

import os
import sys

import runatlas

CUT_FROM = 5
"""The first step that a cut takes."""


def change(workspace: runatlas.Workspace, group: str, operation: str) -> str:
    runs = workspace.project("clean").runs(f"group == '{group}'")
    if operation == "delete":
        return runs.delete(commit=True, force=True).unwrap().trash_id
    if operation == "cut":
        return runs.delete_metrics(["loss"], steps=(CUT_FROM, None), commit=True, force=True).unwrap().trash_id
    if operation == "move":
        runs.move(f"moved-{group}", create=True, commit=True).unwrap()
    elif operation == "merge":
        workspace.project(f"moved-{group}").merge_into("clean", commit=True).unwrap()
    else:
        runs.copy(f"copies-{group}", create=True, commit=True).unwrap()
    return "-"


def main(place: str, subject: str, operation: str) -> None:
    api = runatlas.Api(place)
    if operation in {"restore", "purge"}:
        (entry,) = [entry for entry in api.trash() if entry.id == subject]
        (entry.restore() if operation == "restore" else entry.purge(commit=True)).unwrap()
        done = subject
    else:
        done = change(api.workspace().unwrap(), subject, operation)
    os.write(1, f"done {done}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
