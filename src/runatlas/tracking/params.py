"""The params of a run that is written: read and set by name or dotted path, as in a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runatlas.model.config_value import plain_value
from runatlas.model.run import RunPatch
from runatlas.model.run_config import find_value
from runatlas.model.run_value import flatten
from runatlas.tracking.checks import as_key

if TYPE_CHECKING:
    from runatlas.tracking.run import Run

__all__ = ["forget_item", "get", "get_item", "has_item", "list_names", "set", "set_item"]


def get_item(self: Run, key: str) -> Any:
    """Return a param by name or dotted path."""
    name = as_key(key)
    if self._unset and any(name == item or name.startswith(item + ".") for item in self._unset):
        return find_value(_stored_params(self), name)
    return find_value(self.config, name)


def list_names(self: Run) -> list[str]:
    """Return the names and dotted paths of all params, which notebooks complete."""
    return [key for key, _ in flatten(self.config)]


def set_item(self: Run, key: str, value: Any) -> None:
    """Set a param by name or dotted path; an object replaces what was there, with all below it."""
    name = as_key(key)
    plain = plain_value(value, name, name.count(".") + 1)
    self._unset.discard(name)
    # What was there is taken away first: objects would merge.
    self._change(RunPatch(config={name: plain}, config_removed=(name,)))


def forget_item(self: Run, key: str) -> None:
    """Forget what this process knows of a param; what the store has of it stays.

    ``run.update(config_removed=[key])`` takes it away for good.
    """
    name = as_key(key)
    find_value(self.config, name)
    self._unset.add(name)


def has_item(self: Run, key: object) -> bool:
    """Whether there is a param of that name or dotted path."""
    if not isinstance(key, str):
        return False
    try:
        self[key]
    except KeyError:
        return False
    return True


def get(self: Run, key: str, default: Any = None) -> Any:  # noqa: D417 - nobody gives self
    """Return a param by name or dotted path, or ``default``.

    Args:
        key: Such as ``hparams.lr``.
        default: What to return if there is none.
    """
    try:
        return self[key]
    except KeyError:
        return default


def set(self: Run, key: str, val: Any) -> None:  # noqa: A001, D417 - as documented; nobody gives self
    """Set a param; the same as ``run[key] = val``.

    Args:
        key: Such as ``hparams.lr``.
        val: Anything: what has a structure keeps it, the rest is kept as text, with a warning.

    Raises:
        RuntimeError: The run is closed or read-only.
        TypeError: The key is no string.
        ValueError: A part of the key is empty.
    """
    self[key] = val


def _stored_params(self: Run) -> dict[str, Any]:
    if self._mode in {"offline", "disabled"}:
        return {}
    return dict(self._handle.backend.get_run(self._path).config or {})
