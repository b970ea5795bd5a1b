"""One run for the whole program: ``init``, ``log``, ``finish``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runatlas.process.fork import ProcessLock
from runatlas.tracking.ending import CLOSE_S
from runatlas.tracking.run import Run

__all__ = ["current_run", "finish", "init", "log"]


class _Session:
    """The program's run."""

    def __init__(self) -> None:
        self.lock = ProcessLock()
        self.run: Run | None = None


_session = _Session()


def init(project: str | None = None, *, run_id: str | None = None, **options: Any) -> Run:
    """Open the program's run; one that is open already is finished first.

    Args:
        project: The project, made if there is none; ``experiment`` of ``Run``.
        run_id: The id of a run to go on with; ``run_hash`` of ``Run``.
        **options: Everything else that ``Run`` takes: ``name``, ``config``, ``tags``, ``repo``, ``mode``, ….

    Returns:
        The run.

    Raises:
        TypeError: An argument is unknown, given twice, or has another type.
        ValueError: An argument is out of bounds.

    Example:
        >>> import runatlas
        >>> run = runatlas.init("baseline", repo="./experiments", config={"lr": 0.01})
        >>> runatlas.log({"loss": 0.5})
        >>> runatlas.finish()
        >>> run.state
        'FINISHED'
    """
    for name, given in (("experiment", project), ("run_hash", run_id)):
        if given is not None and options.get(name) is not None:
            raise TypeError(f"{name}: it is given twice")
        if given is not None:
            options[name] = given
    finish()
    run = Run(**options)
    with _session.lock:
        _session.run = run
    return run


def log(
    data: Mapping[str, Any],
    step: int | None = None,
    epoch: int | None = None,
    *,
    context: Mapping[str, Any] | None = None,
) -> None:
    """Record several numbers and objects of one step in the program's run.

    Args:
        data: Values by name.
        step: The step of all of them; each name counts its own if left out.
        epoch: Groups steps.
        context: Tells sequences of one name apart.

    Raises:
        RuntimeError: No run is open.
        ValueError: A name is empty, or an argument is out of bounds.
        TypeError: A value is no number and has no ``json()``, or an argument has another type.
    """
    run = _session.run
    if run is None:
        raise RuntimeError("no run is open; call runatlas.init() first")
    run.log(data, step, epoch, context=context)


def finish(timeout: float = CLOSE_S) -> None:
    """End the program's run; without one this does nothing.

    Args:
        timeout: Seconds that bringing away what is left may take.
    """
    with _session.lock:
        run, _session.run = _session.run, None
    if run is not None:
        run.close(timeout)


def current_run() -> Run | None:
    """Return the program's run, ``None`` if none is open."""
    return _session.run
