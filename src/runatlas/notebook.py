"""What ``%load_ext runatlas`` adds to IPython: names complete within texts, and errors end at the caller's lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from types import TracebackType
from typing import Any

from runatlas.entities.project import Project
from runatlas.entities.run import Run
from runatlas.entities.runs import Runs
from runatlas.model.filters import STATISTICS
from runatlas.response import ApiResponse
from runatlas.tables.frame import Frame

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_CALL = re.compile(r"\b([A-Za-z_]\w*)\.\w+\(")
_NAME = re.compile(r"[A-Za-z_][\w./-]*$")
_ASKED = 20
"""Of how many runs the names are offered."""

_OURS = {"runatlas", "contextlib", "concurrent"}
"""Where an error of the caller passes through; the last two call for us."""


def load_ipython_extension(shell: Any) -> None:
    """Let a shell complete names of configs and metrics within texts, and end errors at the caller's lines.

    In ``runs.groups("config.l`` the Tab key offers what the first twenty runs have, with one request; in
    ``table.column("`` the columns. The receiver is a name; nothing is called but what reads it. An error that comes up
    in this package is shown without its frames.

    Args:
        shell: IPython's, which ``%load_ext runatlas`` passes.
    """
    shell.Completer.custom_matchers.append(_Matcher(shell))
    if not shell.custom_exceptions:  # another extension may show errors in its own way
        shell.set_custom_exc((Exception,), _show)


def unload_ipython_extension(shell: Any) -> None:
    """Take back what ``load_ipython_extension`` did.

    Args:
        shell: IPython's.
    """
    others = [one for one in shell.Completer.custom_matchers if not isinstance(one, _Matcher)]
    shell.Completer.custom_matchers[:] = others
    if shell.custom_exceptions == (Exception,):
        shell.set_custom_exc((), None)


class _Matcher:
    """What IPython asks for completions; see its ``MatcherAPIv2``."""

    matcher_api_version = 2

    def __init__(self, shell: Any) -> None:
        self.__qualname__ = "runatlas"  # which functions have
        self._shell = shell
        self._completion = import_module("IPython.core.completer").SimpleCompletion

    def __call__(self, context: Any) -> dict[str, Any]:
        lines = context.full_text.split("\n")[: context.cursor_line]
        before = "\n".join([*lines, context.text_until_cursor])
        begun = found[0] if (found := _NAME.search(before)) else ""
        names = _names_at(before.removesuffix(begun), begun, self._shell.user_ns)
        return {
            "completions": [self._completion(name, type="name") for name in names],
            "matched_fragment": begun,
            "suppress": bool(names),
        }


def _names_at(before: str, begun: str, known: dict[str, Any]) -> list[str]:
    """Return the names that go on with what is begun, if it stands in a text that is given to something of ours."""
    for call in reversed([*_CALL.finditer(before)]):
        if _is_in_text(before[call.end() :]) and (held := known.get(call[1])) is not None:
            names = set(_names_of(held.data if isinstance(held, ApiResponse) else held))
            return sorted(name for name in (*names, *_statistics(names, begun)) if name.startswith(begun))
    return []


def _names_of(held: object) -> Iterable[str]:
    """Return what can be named of something of ours, of other things nothing."""
    if isinstance(held, Frame):
        return held.columns
    if isinstance(held, Run):
        return held.summary().data or ()
    if isinstance(held, Project | Runs):
        runs = held.runs() if isinstance(held, Project) else held
        found = runs[:_ASKED].table()
        columns = found.data.columns if found.data is not None else ()
        return (*columns, *(name.removeprefix("summary.") for name in columns))
    return ()


def _statistics(names: Iterable[str], begun: str) -> Iterable[str]:
    """Return the statistics of the metric that is written already, with a dot behind it."""
    metric = begun.rpartition(".")[0]
    return (f"{metric}.{name}" for name in STATISTICS) if metric in names else ()


def _is_in_text(code: str) -> bool:
    quote = ""
    for character in code:
        if character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
    return bool(quote)


def _show(
    shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: int | None = None
) -> None:
    shell.showtraceback((kind, error, _callers_part(trace)), tb_offset=tb_offset)


def _callers_part(trace: TracebackType) -> TracebackType:
    """Return a traceback without our frames at its end; all of it if the error came up elsewhere."""
    entries: list[TracebackType] = []
    entry: TracebackType | None = trace
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    if _package(entries[-1]) != "runatlas":
        return trace
    while len(entries) > 1 and _package(entries[-1]) in _OURS:
        entries.pop()
    made = None
    for one in reversed(entries):
        made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made or trace


def _package(entry: TracebackType) -> str:
    return str(entry.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
