"""What a query asks for: keys of runs that are named by their cuids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.run import RunSelection
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import objects, text, texts

__all__ = ["Reference", "base_keys", "locate", "read_experiments", "read_keys", "read_references", "selections"]

REFERENCES_MAX = 1000
EXPERIMENTS_MAX = 10_000


class Reference(NamedTuple):
    """A key of a run; ``name`` is what the client calls the run."""

    cuid: str
    key: str
    name: str = ""


def read_references(body: dict[str, Any]) -> list[Reference]:
    """Read the columns of a query.

    Raises:
        ValidationError: They are none.
    """
    return [
        Reference(text(column, "experimentId"), text(column, "key"), text(column, "experimentName", ""))
        for column in objects(body.get("columns"), "columns", REFERENCES_MAX)
    ]


def read_experiments(given: Any) -> list[str]:
    """Read the runs of a query, each once.

    Raises:
        ValidationError: They are none.
    """
    found = objects(given, "experiments", EXPERIMENTS_MAX)
    return list(dict.fromkeys(text(item, "experimentId") for item in found))


def locate(call: EndpointCall, cuids: Iterable[str]) -> dict[str, RunPath]:
    """Find runs by cuid.

    Raises:
        NotFoundError: One is none, or the caller may not see it.
    """
    return call.services.runs.locate_runs(call.user, list(dict.fromkeys(cuids)))


def selections(call: EndpointCall, cuids: Iterable[str]) -> list[RunSelection]:
    """Select runs, project by project.

    Raises:
        NotFoundError: One is none, or the caller may not see it.
    """
    found: dict[ProjectPath, list[str]] = {}
    for cuid, path in locate(call, cuids).items():
        found.setdefault(path.project_path, []).append(cuid)
    return [RunSelection(path.workspace, path.project, ids=tuple(ids)) for path, ids in found.items()]


def base_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys to look for: one that names a context too is also looked for without it.

    Example:
        >>> base_keys(["loss", 'acc {"subset":"val"}'])
        ('loss', 'acc {"subset":"val"}', 'acc')
    """
    found = dict.fromkeys(keys)
    found |= dict.fromkeys(key.partition(" {")[0] for key in found if " {" in key and key.endswith("}"))
    return tuple(key for key in found if key)


def read_keys(body: dict[str, Any]) -> list[str] | None:
    """Read the keys of a query; ``None`` when all are wanted.

    Raises:
        ValidationError: They are none.
    """
    given = body.get("keys")
    return None if given is None else texts(given, "keys", REFERENCES_MAX)
