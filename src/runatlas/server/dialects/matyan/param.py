"""Params: how what is said changes a config."""

from __future__ import annotations

from typing import Any

from runatlas.model.run import RunPatch

__all__ = ["SYSTEM_PARAMS", "param_patch", "shown_params"]

SYSTEM_PARAMS = "__system_params"
_HIDDEN = "__blobs__"


def param_patch(value: dict[str, Any]) -> RunPatch | None:
    """Make the change of params that were set: where each level has one name, the innermost one is replaced.

    Example:
        >>> param_patch({"hparams": {"lr": 0.1}}).config, param_patch({"hparams": {"a": 1, "b": 2}}).config
        ({'hparams.lr': 0.1}, {'hparams': {'a': 1, 'b': 2}})
    """
    if not value:
        return None
    path: list[str] = []
    held: Any = value
    while isinstance(held, dict) and len(held) == 1:
        ((name, inner),) = held.items()
        # A name with dots of its own cannot be part of a path, nor can an empty one.
        if "." in name or not name:
            break
        path.append(name)
        held = inner
    if not path:
        return RunPatch(config=held, config_removed=tuple(name for name in held if name and "." not in name))
    key = ".".join(path)
    is_exact = not (isinstance(held, dict) and len(held) == 1)
    return RunPatch(config={key: held}, config_removed=(key,) if is_exact else ())


def shown_params(config: dict[str, Any] | None, *, skip_system: bool) -> dict[str, Any]:
    """Return what is shown of a config."""
    hidden = {_HIDDEN, SYSTEM_PARAMS} if skip_system else {_HIDDEN}
    return {name: value for name, value in (config or {}).items() if name not in hidden}
