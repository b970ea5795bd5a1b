"""Data that is cut out of runs, which stay: planned, undone and purged as a deletion is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, overload

from runatlas.entities.argument import boolean, integer, texts
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.deletion import Deletion, DeletionPlan, apply_plan
from runatlas.model.data_cut import THIN_MAX, DataCut, check_cut, make_steps
from runatlas.model.ids import RunPath
from runatlas.model.run import RunSelection
from runatlas.model.trash import DeletionPlanRecord
from runatlas.response import ApiResponse

__all__ = ["Steps", "cut", "delete_artifacts", "delete_media", "delete_metrics", "rewind", "thin"]

Steps = tuple[int | None, int | None]
"""The first and the last step, both included; ``None`` is open."""

_INT64_MAX = 2**63 - 1

_Answer = ApiResponse[DeletionPlan] | ApiResponse[Deletion]


class CutRuns(Protocol):
    """A run or many, out of which data can be cut.

    What is cut lies in the trash, is restored, and is purged as deleted runs are. The same runs are guarded as from
    deletion. A plan is refused when it is applied if a run got more of what it cuts meanwhile.
    """

    _handle: BackendHandle

    def _cut_of(self) -> RunSelection | RunPath:
        """Tell out of which runs."""

    def _forget(self) -> None:
        """Forget what was read of them."""


@overload
def delete_metrics(
    self: CutRuns,
    keys: Sequence[str],
    *,
    steps: Steps | None = None,
    commit: Literal[False] = False,
    force: bool = False,
) -> ApiResponse[DeletionPlan]: ...
@overload
def delete_metrics(
    self: CutRuns, keys: Sequence[str], *, steps: Steps | None = None, commit: Literal[True], force: bool = False
) -> ApiResponse[Deletion]: ...
@overload
def delete_metrics(
    self: CutRuns, keys: Sequence[str], *, steps: Steps | None = None, commit: bool, force: bool = False
) -> _Answer: ...
def delete_metrics(  # noqa: D417 - nobody gives self
    self: CutRuns, keys: Sequence[str], *, steps: Steps | None = None, commit: bool = False, force: bool = False
) -> _Answer:
    """Delete metrics in all their contexts, or some steps of them, or tell what that would take.

    Args:
        keys: The metrics; one that none of the runs has is a note, and stops it unless ``force``.
        steps: ``(first, last)``, both included; ``None`` at either end is open.
        commit: Whether to delete; else nothing is changed.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, with ``apply()``; or what was deleted, with ``restore()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.

    Example:
        >>> from runatlas import Api, Run
        >>> with Run(repo="./experiments", experiment="demo") as made:
        ...     for step in range(20):
        ...         made.log({"loss": 1 / (step + 1), "los": 0.0})
        >>> run = Api("./experiments").run(made.path)
        >>> deletion = run.delete_metrics(["los"], commit=True).data
        >>> run.delete_metrics(["loss"], steps=(10, None)).data.points
        10
    """
    first, last = make_steps(steps)
    wanted = DataCut(metrics=texts(keys, "keys"), first_step=first, last_step=last)
    return _cut(self, wanted, commit=commit, force=force)


@overload
def delete_media(
    self: CutRuns,
    keys: Sequence[str],
    *,
    steps: Steps | None = None,
    commit: Literal[False] = False,
    force: bool = False,
) -> ApiResponse[DeletionPlan]: ...
@overload
def delete_media(
    self: CutRuns, keys: Sequence[str], *, steps: Steps | None = None, commit: Literal[True], force: bool = False
) -> ApiResponse[Deletion]: ...
@overload
def delete_media(
    self: CutRuns, keys: Sequence[str], *, steps: Steps | None = None, commit: bool, force: bool = False
) -> _Answer: ...
def delete_media(  # noqa: D417 - nobody gives self
    self: CutRuns, keys: Sequence[str], *, steps: Steps | None = None, commit: bool = False, force: bool = False
) -> _Answer:
    """Delete images, sounds and other media, or some steps of them, or tell what that would take.

    Args:
        keys: Their names; one that none of the runs has is a note, and stops it unless ``force``.
        steps: ``(first, last)``, both included; ``None`` at either end is open.
        commit: Whether to delete; else nothing is changed.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, whose ``bytes`` are what purging frees; or what was deleted, with ``restore()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
    """
    first, last = make_steps(steps)
    wanted = DataCut(media=texts(keys, "keys"), first_step=first, last_step=last)
    return _cut(self, wanted, commit=commit, force=force)


@overload
def delete_artifacts(
    self: CutRuns, names: Sequence[str], *, commit: Literal[False] = False, force: bool = False
) -> ApiResponse[DeletionPlan]: ...
@overload
def delete_artifacts(
    self: CutRuns, names: Sequence[str], *, commit: Literal[True], force: bool = False
) -> ApiResponse[Deletion]: ...
@overload
def delete_artifacts(self: CutRuns, names: Sequence[str], *, commit: bool, force: bool = False) -> _Answer: ...
def delete_artifacts(self: CutRuns, names: Sequence[str], *, commit: bool = False, force: bool = False) -> _Answer:  # noqa: D417 - nobody gives self
    """Delete files kept with the runs, or tell what that would take.

    Args:
        names: Their names; one that none of the runs has is a note, and stops it unless ``force``.
        commit: Whether to delete; else nothing is changed.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, whose ``bytes`` are what purging frees; or what was deleted, with ``restore()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
    """
    return _cut(self, DataCut(artifacts=texts(names, "names")), commit=commit, force=force)


@overload
def rewind(
    self: CutRuns, step: int, *, commit: Literal[False] = False, force: bool = False
) -> ApiResponse[DeletionPlan]: ...
@overload
def rewind(self: CutRuns, step: int, *, commit: Literal[True], force: bool = False) -> ApiResponse[Deletion]: ...
@overload
def rewind(self: CutRuns, step: int, *, commit: bool, force: bool = False) -> _Answer: ...
def rewind(self: CutRuns, step: int, *, commit: bool = False, force: bool = False) -> _Answer:  # noqa: D417 - nobody gives self
    """Delete all metrics and media after a step, or tell what that would take.

    Metrics of the system stay, since they count steps of their own, and so do log lines and files.

    Args:
        step: The last one that stays.
        commit: Whether to delete; else nothing is changed.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, with ``apply()``; or what was deleted, with ``restore()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
    """
    last = integer(step, "step", least=-_INT64_MAX - 1, most=_INT64_MAX - 1)
    return _cut(self, DataCut(None, None, first_step=last + 1), commit=commit, force=force)


@overload
def thin(
    self: CutRuns,
    points: int,
    *,
    keys: Sequence[str] | None = None,
    commit: Literal[False] = False,
    force: bool = False,
) -> ApiResponse[DeletionPlan]: ...
@overload
def thin(
    self: CutRuns, points: int, *, keys: Sequence[str] | None = None, commit: Literal[True], force: bool = False
) -> ApiResponse[Deletion]: ...
@overload
def thin(
    self: CutRuns, points: int, *, keys: Sequence[str] | None = None, commit: bool, force: bool = False
) -> _Answer: ...
def thin(  # noqa: D417 - nobody gives self
    self: CutRuns, points: int, *, keys: Sequence[str] | None = None, commit: bool = False, force: bool = False
) -> _Answer:
    """Keep of each numeric metric a few points, and delete the others, or tell what that would take.

    The first, the last, the smallest and the largest stay, and as many more as are asked for, spread evenly over
    the steps that there are. Points of one step go or stay together. Averages and medians are those of what stays.

    Args:
        points: How many stay of each series beside these four; series of up to four more stay as they are.
        keys: Only these metrics; ``None`` for all.
        commit: Whether to delete; else nothing is changed.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, with ``apply()``; or what was deleted, with ``restore()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
    """
    named = None if keys is None else texts(keys, "keys")
    return _cut(
        self, DataCut(named, thin=integer(points, "points", least=0, most=THIN_MAX)), commit=commit, force=force
    )


def _cut(self: CutRuns, wanted: DataCut, *, commit: bool, force: bool) -> _Answer:
    checked = check_cut(wanted)
    answer = cut(self._handle, self._cut_of, lambda: checked, commit=commit, force=force)
    if commit:
        self._forget()
    return answer


def cut(
    handle: BackendHandle,
    what: Callable[[], RunSelection | RunPath],
    wanted: Callable[[], DataCut],
    *,
    commit: bool,
    force: bool,
) -> _Answer:
    """Cut data out of runs, or tell what that would take.

    Args:
        handle: The way to the backend.
        what: Tells of which.
        wanted: Tells which data.
        commit: Whether to cut.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, or what was deleted.

    Raises:
        TypeError: ``commit`` or ``force`` is no boolean.
    """
    forced = boolean(force, "force")

    def plan() -> DeletionPlanRecord:
        data = wanted()
        if data == DataCut():
            return DeletionPlanRecord("data", (), cut=data)
        return handle.backend.plan_data_deletion(data, what(), force=forced)

    if boolean(commit, "commit"):
        return ApiResponse.of(lambda: apply_plan(handle, plan()))
    return ApiResponse.of(lambda: DeletionPlan(handle, plan()))
