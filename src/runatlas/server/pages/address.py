"""The addresses of pages."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from runatlas.model.ids import ProjectPath, RunPath

__all__ = [
    "model_address",
    "picture_address",
    "project_address",
    "run_address",
    "safe_next",
    "user_address",
    "with_query",
    "workspace_address",
]

_NEXT_MAX = 16_000
_PICTURE_MAX = 4_000
_RUN_MAX = 100


def workspace_address(username: str) -> str:
    """Return the address of a workspace's page.

    Example:
        >>> workspace_address("ann")
        '/@ann'
    """
    return f"/@{quote(username)}"


def project_address(path: ProjectPath) -> str:
    """Return the address of a project's page.

    Example:
        >>> project_address(ProjectPath("ann", "iris"))
        '/@ann/iris'
    """
    return f"/@{quote(path.workspace)}/{quote(path.project)}"


def run_address(path: RunPath, cuid: str = "") -> str:
    """Return the address of a run's page.

    Args:
        path: The run.
        cuid: What it is called there if its id is long in an address; a page has many of them.

    Example:
        >>> run_address(RunPath("ann", "iris", "a b"))
        '/@ann/iris/runs/a%20b'
    """
    name = quote(path.run, safe="")
    return f"{project_address(path.project_path)}/runs/{cuid if cuid and len(name) > _RUN_MAX else name}"


def model_address(workspace: str, name: str) -> str:
    """Return the address of a model's page.

    Example:
        >>> model_address("ann", "a?b")
        '/models/ann/a%3Fb'
    """
    return f"/models/{quote(workspace, safe='')}/{quote(name, safe='')}"


def user_address(username: str) -> str:
    """Return the address of the page on which administrators look at a user.

    Example:
        >>> user_address("ann")
        '/administration/users/ann'
    """
    return f"/administration/users/{quote(username, safe='')}"


def with_query(address: str, **query: str | int | None) -> str:
    """Return an address with these parameters; those that are ``None`` or empty are left out.

    Example:
        >>> with_query("/@ann/iris", filter="config.lr < 1", after=None)
        '/@ann/iris?filter=config.lr+%3C+1'
    """
    said = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"{address}?{urlencode(said)}" if said else address


def picture_address(source: str, runs: Sequence[str], key: str, **drawn: str) -> str:
    """Return the address of a picture of curves; ``""`` where a page has no room for one so long.

    Args:
        source: The address of the curves.
        runs: Their runs.
        key: Their metric.
        drawn: How they are drawn; what is empty is left out.

    Example:
        >>> picture_address("/@ann/iris/curves", ["r1", "r2"], "loss", x="time", log="")
        '/@ann/iris/curves.svg?runs=r1&runs=r2&keys=loss&x=time'
    """
    asked = [*(("runs", run) for run in runs), ("keys", key), *((name, said) for name, said in drawn.items() if said)]
    address = f"{source}.svg?{urlencode(asked, errors='replace')}"
    return address if len(address) <= _PICTURE_MAX else ""


def safe_next(given: str | None) -> str:
    r"""Return where to go after signing in: an address of ours, or ``/``.

    Example:
        >>> safe_next("/@ann?x=1"), safe_next("//evil.example"), safe_next("/\\evil"), safe_next(None)
        ('/@ann?x=1', '/', '/', '/')
    """
    if given is None or len(given) > _NEXT_MAX or not given.startswith("/") or given.startswith("//"):
        return "/"
    return given if given.isprintable() and "\\" not in given else "/"
