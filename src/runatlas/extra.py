"""Packages that are optional: loaded when they are needed, with a sentence that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["load_extra"]

_EXTRAS = {
    "pandas": "notebook",
    "matplotlib": "notebook",
    "polars": "polars",
    "scipy": "report",
    "numpy": "report",
    "xlsxwriter": "report",
    "duckdb": "sql",
}


def load_extra(package: str, purpose: str) -> Any:
    """Import an optional package.

    Args:
        package: What to import.
        purpose: What needs it: the beginning of the error's sentence.

    Returns:
        The module.

    Raises:
        ImportError: It is not installed; the sentence says what to type.
    """
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        extra = _EXTRAS.get(name)
        wanted = name if extra is None else f"'runatlas[{extra}]'"
        raise ImportError(f"{purpose} needs {name}; install it with: pip install {wanted}", name=name) from error
