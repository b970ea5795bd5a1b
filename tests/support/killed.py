"""A process that does one piece of cleaning up to a store, and says when it begins and when it is done.

It works on the services in process, so that killing it kills what holds the transaction, on either engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from runatlas.model.data_cut import DataCut
from runatlas.model.policy import Policy
from runatlas.model.run import RunPatch, RunSelection
from runatlas.model.transfer import TransferDraft
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["KEPT_STEPS", "OPERATIONS", "RENAMED", "act", "open_services"]

RENAMED = ("warmup", "warm-up")
"""What a metric is called, in turns; it has so few steps that no run that goes back loses any of them."""

KEPT_STEPS = 100
"""How many steps a rewound run keeps."""

Operation = Callable[[Services, Caller, RunSelection, str], Any]
"""Does something to runs, to what a word names, or both."""


def open_services(directory: Path, url: str | None) -> Services:
    """Open the store of a directory, or of a PostgreSQL schema with its files there."""
    return Services.open(url or directory, blobs_dir=None if url is None else directory)


def act(directory: Path, url: str | None, name: str, project: str, ids: Sequence[str], subject: str = "") -> None:
    """Do one piece of work, all of it or what there is time for."""
    with closing(open_services(directory, url)) as services:
        caller = services.owner()
        chosen = RunSelection(caller.username, project, ids=tuple(ids))
        os.write(1, b"begun\n")
        OPERATIONS[name](services, caller, chosen, subject)
        os.write(1, b"done\n")


def _delete(services: Services, caller: Caller, chosen: RunSelection, _: str) -> None:
    services.trash.delete(caller, services.trash.plan_run_deletion(caller, chosen))


def _clean(services: Services, caller: Caller, chosen: RunSelection, group: str) -> None:
    policy = Policy(where=f"group == {group!r}", keep_last=1)
    plan = services.cleaning.plan_cleaning(caller, chosen.workspace, policy, project=chosen.project)
    services.trash.delete(caller, plan)


def _cutting(cut: DataCut) -> Operation:
    def cut_out(services: Services, caller: Caller, chosen: RunSelection, _: str) -> None:
        services.trash.delete(caller, services.trash.plan_data_deletion(caller, cut, chosen, force=True))

    return cut_out


def _move(services: Services, caller: Caller, chosen: RunSelection, target: str) -> None:
    draft = TransferDraft("move", f"{chosen.workspace}/{target}", runs=chosen)
    services.transfers.transfer(caller, services.transfers.plan_transfer(caller, draft))


def _copy(services: Services, caller: Caller, chosen: RunSelection, target: str) -> None:
    draft = TransferDraft("copy", f"{chosen.workspace}/{target}", runs=chosen, create=True)
    services.transfers.copy_runs(caller, services.transfers.plan_transfer(caller, draft))


def _rename(services: Services, caller: Caller, chosen: RunSelection, key: str) -> None:
    (old,) = {*RENAMED} - {key}
    draft = TransferDraft("rename_metric", key, runs=chosen, metric=old)
    services.transfers.transfer(caller, services.transfers.plan_transfer(caller, draft))


def _undo(services: Services, caller: Caller, _: RunSelection, change: str) -> None:
    services.changes.undo_change(caller, change)


def _update(services: Services, caller: Caller, chosen: RunSelection, word: str) -> None:
    patch = RunPatch(labels_added=(word,), description=word, config={"word": word})
    services.updates.apply_update(caller, services.updates.plan_update(caller, chosen, patch))


def _restore(services: Services, caller: Caller, _: RunSelection, entry: str) -> None:
    services.trash.restore(caller, entry)


def _purge(services: Services, caller: Caller, _: RunSelection, entry: str) -> None:
    services.purging.purge(caller, trash_id=entry)


OPERATIONS: dict[str, Operation] = {
    "delete": _delete,
    "clean": _clean,
    "cut": _cutting(DataCut(metrics=("loss",))),
    "rewind": _cutting(DataCut(metrics=None, media=None, artifacts=("weights.bin",), first_step=KEPT_STEPS)),
    "move": _move,
    "copy": _copy,
    "rename": _rename,
    "update": _update,
    "undo": _undo,
    "restore": _restore,
    "purge": _purge,
}
