"""What ``%load_ext runatlas`` adds to IPython: names complete within texts, and errors end at the caller's lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from itertools import islice
from types import TracebackType
from typing import Any

from runatlas.entities.project import Project
from runatlas.entities.run import Run
from runatlas.entities.runs import Runs
from runatlas.errors import RunAtlasError
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filters import STATISTICS
from runatlas.response import ApiResponse
from runatlas.tables.frame import Frame

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_OPENING = re.compile(r"\.\w+\(|\[(?=[\"'])")
"""Where the text that is being written may have been given to something: a call of it, or its key."""

_NAME = re.compile(r"[A-Za-z_][\w./-]*$")
_WORD = re.compile(r"\b[A-Za-z_]")
_LAZY = {"filter", "groups", "model", "project", "projects", "rest", "run", "runs", "workspace", "workspaces"}
_READS = _LAZY | {"best", "first", "summary", "unwrap"}
"""Methods that are called to know what is before the text; the others of them read little."""

_SCOPES = {"config", "summary"}
_FILTERED = {"runs", "groups"}
"""Methods whose texts are filters and fields as filters name them; ``plot`` takes these beside metrics."""

_OF_METRICS = {"metrics", "series", "summary", "delete_metrics", "rename_metric", "define_metric"}
"""Methods whose texts are keys of metrics."""

_LONGEST, _DEEPEST = 2000, 20
"""How far before the text an expression may begin, and how many brackets of it are looked at."""

_ASKED = 20
"""Of how many runs the names are offered."""

_OURS = {"runatlas", "contextlib", "concurrent"}
"""Where an error of the caller passes through; the last two call for us."""


def load_ipython_extension(shell: Any) -> None:
    """Let a shell complete names of configs and metrics within texts, and end errors at the caller's lines.

    In ``runs.groups("config.l`` the Tab key offers what the first twenty runs have, with one request; in
    ``table.column("`` the columns, in ``run.config["`` the keys. What is before may be a name or calls that only read,
    as in ``project.runs().best("``; nothing else is called. An error that comes up in this package is shown without its
    frames.

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
        begun, names = _names_at(before, self._shell.user_ns)
        return {
            "completions": [self._completion(name, type="name") for name in names],
            "matched_fragment": begun,
            "suppress": bool(names),
        }


def _names_at(before: str, known: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return what is begun in a text that something of ours is given, and the names that go on with it."""
    before = before[-_LONGEST:]
    for opening in islice(reversed([*_OPENING.finditer(before)]), _DEEPEST):
        quote, text = _text_begun(before[opening.end() :])
        if not quote or (held := _receiver(before[: opening.start()], known)) is None:
            continue
        if opening[0] == "[":
            keys = (key for key in _keys_of(held) if quote not in key and "\\" not in key)
            return text, sorted(key for key in keys if key.startswith(text))
        begun = found[0] if (found := _NAME.search(text)) else ""
        names = set(_names_of(held.data if isinstance(held, ApiResponse) else held))
        names |= set(_statistics(names, begun))
        return begun, _written(opening[0].strip(".("), sorted(name for name in names if name.startswith(begun)), quote)
    return "", []


def _written(method: str, names: Iterable[str], quote: str) -> list[str]:
    """Return names as the texts of a method have them: a key with other letters is quoted in a filter."""
    if method in _OF_METRICS:
        return [name for name in names if name.partition(".")[0] not in _SCOPES and name not in STABLE_FIELDS]
    if method not in _FILTERED | {"plot"}:
        return list(names)
    inner = "'" if quote == '"' else '"'
    found = []
    for name in names:
        scope, _, key = name.partition(".")
        if scope not in _SCOPES:
            if method == "plot" or name in STABLE_FIELDS:
                found.append(name)
        elif all(map(str.isidentifier, key.split("."))):
            found.append(name)
        elif not {"'", '"', "\\"}.intersection(key) and key.rpartition(".")[2] not in STATISTICS:
            found.append(f"{scope}[{inner}{key}{inner}]")
    return found


def _receiver(code: str, known: Mapping[str, Any]) -> object:
    """Return what the longest expression at the end of some code stands for; ``None`` if that is nothing of ours."""
    for word in _WORD.finditer(code):
        try:
            expression = ast.parse(code[word.start() :], mode="eval").body
        except SyntaxError:
            continue
        if isinstance(expression, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            try:
                return _value_of(expression, known)
            except (RunAtlasError, LookupError, TypeError, ValueError):  # it is not written yet, or not right
                return None
    return None


def _value_of(expression: ast.expr, known: Mapping[str, Any]) -> Any:
    """Return what an expression stands for that only reads things of ours.

    Raises:
        LookupError, RunAtlasError, TypeError, ValueError: It does something else, or cannot be read.
    """
    match expression:
        case ast.Name(id=name):
            return known[name]
        case ast.Call(func=ast.Attribute(value=inner, attr=name), args=args, keywords=keywords) if name in _READS:
            method = getattr(_ours(_value_of(inner, known)), name, None)
            named = {each.arg: ast.literal_eval(each.value) for each in keywords if each.arg}
            return _required(method)(*map(ast.literal_eval, args), **named)
        case ast.Attribute(value=inner, attr=name) if not name.startswith("_"):
            return getattr(_ours(_value_of(inner, known)), name, None)
        case ast.Subscript(value=inner, slice=ast.Slice(lower=lower, upper=upper, step=None)):
            bounds = [None if one is None else ast.literal_eval(one) for one in (lower, upper)]
            return _ours(_value_of(inner, known))[slice(*bounds)]
        case ast.Subscript(value=inner, slice=key):
            held = _value_of(inner, known)
            return (held if type(held) is dict else _ours(held))[ast.literal_eval(key)]
    raise TypeError("not an expression that only reads")


def _ours(held: object) -> Any:
    if type(held).__module__.partition(".")[0] != "runatlas":
        raise TypeError("not ours")
    return held


def _required(method: Any) -> Any:
    if method is None:
        raise TypeError("there is no such method")
    return method


def _keys_of(held: object) -> Iterable[str]:
    """Return the keys of something."""
    own = getattr(held, "_ipython_key_completions_", None)
    keys = own() if own is not None else held if isinstance(held, Mapping) else ()
    return [key for key in keys if isinstance(key, str)]


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


def _text_begun(code: str) -> tuple[str, str]:
    """Return the quote and the letters of the text that is open at the end of what follows a bracket, if one is."""
    quote, start, depth = "", 0, 1
    for place, character in enumerate(code):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote, start = character, place + 1
        else:
            depth += (character in "([{") - (character in ")]}")
            if not depth:
                return "", ""
    return (quote, code[start:]) if quote else ("", "")


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
