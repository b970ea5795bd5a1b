"""A program that deletes, restores or purges the runs of a group and says when that was done, for tests that kill it.

python crash_cleaner.py PLACE GROUP delete
python crash_cleaner.py PLACE TRASH_ID restore|purge
"""

from __future__ import annotations

import os
import sys

import runatlas


def main(place: str, subject: str, operation: str) -> None:
    api = runatlas.Api(place)
    if operation == "delete":
        project = api.workspace().unwrap().project("clean")
        done = project.runs(f"group == '{subject}'").delete(commit=True, force=True).unwrap().trash_id
    else:
        (entry,) = [entry for entry in api.trash() if entry.id == subject]
        (entry.restore() if operation == "restore" else entry.purge(commit=True)).unwrap()
        done = subject
    os.write(1, f"done {done}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
