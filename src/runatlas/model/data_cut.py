"""What is cut out of runs: some of their points, media and files, while the runs themselves stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from runatlas.model.text import find_unstorable

__all__ = ["NAMES_MAX", "THIN_MAX", "DataCut", "check_cut", "make_steps"]

NAMES_MAX = 10_000
"""How many keys or names of a kind one cut may have."""

THIN_MAX = 1_000_000

_INT64 = range(-(2**63), 2**63)
_SHOWN = 5


@attrs.frozen
class DataCut:
    """Which data of runs is meant.

    Attributes:
        metrics: Keys of scalar metrics, in all their contexts; ``None`` for every one. Where steps are given, those of
            the system are left out then: they count steps of their own.
        media: Keys of media, in all their contexts; ``None`` for every one.
        artifacts: Names of files.
        first_step, last_step: Of metrics and media only what lies at these steps and between; ``None`` is open.
        thin: Of each numeric metric, the first, the last, the smallest and the largest point stay, and so many more,
            spread evenly over its steps; what shares a step with one of these stays too.
    """

    metrics: tuple[str, ...] | None = ()
    media: tuple[str, ...] | None = ()
    artifacts: tuple[str, ...] = ()
    first_step: int | None = None
    last_step: int | None = None
    thin: int | None = None

    @property
    def has_bounds(self) -> bool:
        """Whether only some steps are meant."""
        return self.first_step is not None or self.last_step is not None

    @property
    def low(self) -> int:
        """The first step."""
        return _INT64.start if self.first_step is None else self.first_step

    @property
    def high(self) -> int:
        """The last step."""
        return _INT64.stop - 1 if self.last_step is None else self.last_step

    def __str__(self) -> str:
        parts = []
        if self.metrics is None and self.media is None:
            parts.append("all metrics and media")
        else:
            parts += [_named("metric", self.metrics)] if self.metrics != () else []
            parts += [_named("media", self.media)] if self.media != () else []
        where = "" if not self.has_bounds or not parts else self._where()
        if self.thin is not None:
            where += f" but for the first, last, smallest and largest point and {self.thin} more of each"
        files = [_named("file", self.artifacts)] if self.artifacts else []
        return " and ".join([*([" and ".join(parts) + where] if parts else []), *files]) or "nothing"

    def _where(self) -> str:
        if self.first_step == self.last_step:
            return f" at step {self.first_step}"
        if self.last_step is None:
            return f" from step {self.first_step} on"
        return (
            f" up to step {self.last_step}"
            if self.first_step is None
            else f" at steps {self.first_step} to {self.last_step}"
        )


def _named(what: str, names: Sequence[str] | None) -> str:
    plural = what if what == "media" else f"{what}s"
    if names is None:
        return f"all {plural}"
    shown = ", ".join(map(repr, names[:_SHOWN]))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{what if len(names) == 1 else plural} {shown}{more}"


def make_steps(steps: Any) -> tuple[int | None, int | None]:
    """Read which steps a caller means.

    Args:
        steps: ``(first, last)``, both included, ``None`` for an open end; ``None`` for all steps.

    Returns:
        The first and the last step.

    Raises:
        TypeError: They are no such pair.
        ValueError: The last one comes before the first.

    Example:
        >>> make_steps((10, None))
        (10, None)
    """
    if steps is None:
        return None, None
    if not isinstance(steps, Sequence) or isinstance(steps, str) or len(steps) != 2:
        raise TypeError(f"steps: expected (first, last), either of which may be None, got {steps!r:.100}")
    first, last = steps
    for step in steps:
        if step is not None and (isinstance(step, bool) or not isinstance(step, int)):
            raise TypeError(f"steps: expected whole numbers or None, got {type(step).__name__}")
        if step is not None and step not in _INT64:
            raise ValueError("steps: a step has at most 64 bits")
    if first is not None and last is not None and last < first:
        raise ValueError(f"steps: the last step {last} comes before the first, {first}")
    return first, last


def check_cut(cut: DataCut) -> DataCut:
    """Return a cut that can be understood.

    Raises:
        ValueError: It says nothing, or is out of bounds; the sentence says how.
    """
    for what, names in (("metrics", cut.metrics), ("media", cut.media), ("artifacts", cut.artifacts)):
        if len(names or ()) > NAMES_MAX:
            raise ValueError(f"{what}: expected at most {NAMES_MAX} names, got {len(names or ())}")
        for name in names or ():
            if not name or find_unstorable(name) is not None:
                raise ValueError(f"{what}: {name!r:.100} can be no name")
    make_steps((cut.first_step, cut.last_step))
    if cut.metrics == () and cut.media == () and not cut.artifacts:
        raise ValueError("cut: name metrics, media or artifacts; nothing says what is to be cut")
    if cut.thin is not None:
        if not 0 <= cut.thin <= THIN_MAX:
            raise ValueError(f"thin: expected 0 to {THIN_MAX} points, got {cut.thin}")
        if cut.metrics == () or cut.media != () or cut.artifacts or cut.has_bounds:
            raise ValueError("thin: only metrics are thinned, and at all their steps")
    return cut
