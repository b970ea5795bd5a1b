"""Imports point down, form no cycle, and third parties come in by one door each."""

from __future__ import annotations

import re

import pytest
from support.source import ROOT, Module, modules, resolve

pytestmark = pytest.mark.xdist_group("source")

_CLIENT = {
    "terminal",
    "extra",
    "errors",
    "display",
    "charts",
    "progress",
    "process",
    "file_access",
    "model",
    "response",
    "settings",
    "credential",
    "tables",
    "statistics",
    "reports",
}
_BACKENDS = {
    "backends",
    "backends.contract",
    "backends.annotations",
    "backends.changes",
    "backends.folders",
    "backends.many_runs",
    "backends.policies",
    "backends.registry",
    "backends.transfer",
    "backends.http",
    "backends.native",
    "backends.remote",
    "backends.swanlab",
    "backends.local",
    "backends.store_process",
}
_COMPAT = {"compat.deletion", "compat.matyanql", "compat.sequence"}

ALLOWED: dict[str, set[str]] = {
    "terminal": set(),
    "extra": set(),
    "progress": {"terminal"},
    "errors": {"terminal"},
    "process": {"file_access"},
    "model": {"errors", "terminal"},
    "file_access": set(),
    "display": {"terminal", "errors"},
    "response": {"errors", "model", "display"},
    "settings": {"errors", "model", "credential"},
    "credential": {"errors", "model"},
    "charts": {"terminal", "extra", "model"},
    "tables": {"terminal", "extra", "errors", "process", "display", "charts", "model", "response"},
    "statistics": {"terminal", "extra", "display", "model", "tables"},
    "reports": {"terminal", "extra", "errors", "file_access", "process", "display", "model", "statistics", "tables"},
    "objects": {"errors", "model"},
    "backends": set(),
    "backends.operation": {"model"},
    "backends.contract": {
        "errors",
        "model",
        "backends.annotations",
        "backends.changes",
        "backends.folders",
        "backends.many_runs",
        "backends.policies",
        "backends.registry",
        "backends.transfer",
        "backends.operation",
    },
    "backends.annotations": {"model", "backends.operation"},
    "backends.changes": {"model", "backends.operation"},
    "backends.folders": {"model", "backends.operation"},
    "backends.many_runs": {"model", "backends.operation"},
    "backends.policies": {"model", "backends.operation"},
    "backends.registry": {"model", "backends.operation"},
    "backends.transfer": {"model", "backends.operation"},
    "backends.http": {"errors", "process", "model", "settings"},
    "backends.native": {"errors", "model", "settings", "backends.contract", "backends.http", "backends.operation"},
    "backends.remote": {"errors", "process", "settings", "backends.contract", "backends.native", "backends.swanlab"},
    "backends.swanlab": {
        "errors",
        "process",
        "model",
        "settings",
        "backends.contract",
        "backends.operation",
        "backends.http",
    },
    "backends.local": {
        "errors",
        "process",
        "model",
        "settings",
        "backends.contract",
        "backends.operation",
        "backends.store_process",
        "server.services",
    },
    "backends.store_process": {"errors", "settings", "process", "backends.contract", "backends.native"},
    "entities": {
        "terminal",
        "errors",
        "process",
        "file_access",
        "display",
        "charts",
        "model",
        "response",
        "tables",
        "progress",
        "statistics",
        "reports",
        "backends.contract",
    },
    "api": _CLIENT | _BACKENDS | {"entities"},
    "notebook": {"errors", "model", "response", "tables", "entities"},
    "compat": set(),
    "compat.matyanql": {"errors", "model"},
    "compat.sequence": {"model", "backends.contract", "compat.matyanql", "tracking"},
    "compat.deletion": {"errors", "model", "backends.contract", "tracking"},
    "compat.openapi": _CLIENT | {"api", "entities"},
    "compat.repo": _CLIENT | _BACKENDS | _COMPAT | {"entities", "api", "objects", "tracking"},
    "tracking": _CLIENT | _BACKENDS | {"backends.operation", "api", "entities", "objects"},
    "importers": {"errors", "process", "model", "backends.contract"},
    "demo": _CLIENT | _BACKENDS | {"api", "entities", "tracking", "__init__"},
    "server.work": {"errors"},
    "server.store": {"errors", "process", "file_access", "model", "server.work"},
    "server.services": {"errors", "process", "file_access", "model", "server.store", "server.work"},
    "server.wire": {"errors", "model", "process", "server.services", "server.work"},
    "server.dialects": {
        "errors",
        "model",
        "backends.contract",
        "backends.operation",
        "compat.matyanql",
        "server.services",
        "server.wire",
    },
    "server.pages": {
        "terminal",
        "errors",
        "model",
        "display",
        "tables",
        "statistics",
        "reports",
        "server.services",
        "server.wire",
    },
    "server": {
        "errors",
        "model",
        "settings",
        "server.services",
        "server.wire",
        "server.dialects",
        "server.pages",
        "server.store",
    },
}
"""What each layer may import beside itself; ``cli``, ``__main__`` and ``__init__`` stand above all of them."""

TOP = {"cli", "__main__", "__init__"}

DOORS: dict[str, tuple[str, ...]] = {
    "requests": ("backends.http",),
    "sqlalchemy": ("server.store",),
    "psycopg": ("server.store",),
    "jinja2": ("server.pages",),
    "litestar": ("server", "server.wire", "server.dialects", "server.pages"),
    "msgspec": ("model", "server.wire"),
    "uvicorn": ("server", "cli"),
    "argon2": ("server.services",),
    "click": ("cli",),
    "cachetools": (
        *("backends.http", "backends.native", "backends.swanlab"),
        *("server.services", "server.store", "server.pages"),
    ),
    "matplotlib": ("charts", "tables", "entities"),  # these two name its axes in types
    "tsdownsample": ("server.store", "server.services"),
}
"""Third parties that only these layers may import."""

NO_NUMPY = (
    "model",
    "display",
    "response",
    "settings",
    "backends",
    "backends.contract",
    "backends.http",
    "backends.native",
    "backends.swanlab",
    "entities",
)


def _layer(module: Module) -> str:
    """The layer's name; the server's own modules (``server.app``, ``server.auth``, …) are one layer."""
    if module.layer in ALLOWED or module.layer in TOP:
        return module.layer
    if module.layer.startswith("server."):
        return "server"
    return module.layer


def _edges(module: Module) -> list[tuple[str, int]]:
    return [(found, item.line) for item in module.imports if (found := resolve(item.target))]


def _layers_by_name() -> dict[str, str]:
    return {module.name: _layer(module) for module in modules()}


def test_a_module_imports_only_what_lies_below_it() -> None:
    layers = _layers_by_name()
    below = [module for module in modules() if _layer(module) not in TOP]
    unknown = [
        f"{module.where}: the design has no layer {_layer(module)!r}"
        for module in below
        if _layer(module) not in ALLOWED
    ]
    wrong = [
        f"{module.where}:{line} imports {target} ({layers[target]})"
        for module in below
        for target, line in _edges(module)
        if layers[target] not in {_layer(module), *ALLOWED.get(_layer(module), ())}
    ]
    assert not unknown + wrong, unknown + wrong


_LEFT_OUT = {"model", "errors", "process", "file_access", "terminal", "progress", "extra", *TOP}
"""What the table of the docs leaves out, as nearly all may import it."""


def _below(names: set[str]) -> set[str]:
    found = {layer for layer in ALLOWED for name in names if f"{layer}.".startswith(f"{name}.")}
    while more := set().union(*(ALLOWED[name] for name in found if name in ALLOWED)) - found:
        found |= more
    return found


def test_the_table_of_the_docs_says_what_a_layer_may_import() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`.*?) \| .*? \| (.*?) ?\|$", text.partition("| layer | is |")[2].partition("\n\n")[0], re.M
    )
    wrong, told = [], set[str]()
    for own, others in rows:
        row = set(re.findall(r"`([\w.]+)`", own.partition(" (")[0]))
        layers = {layer for layer in ALLOWED if any(layer == name or layer.startswith(f"{name}.") for name in row)}
        layers -= {layer for layer in layers if "server" in row and layer != "server"}
        told |= row | layers
        named = set(re.findall(r"`([\w.]+)`", others))
        real = set().union(*(ALLOWED.get(layer, set()) for layer in layers)) - layers - _LEFT_OUT
        most = _below(named) if "what is below" in others else named
        if row & TOP or row <= _LEFT_OUT or (named <= real <= most):
            continue
        wrong.append(f"{own}: {sorted(named)} is not {sorted(real)}")
    assert not wrong, wrong
    assert set(ALLOWED) <= told, set(ALLOWED) - told


def test_no_two_modules_import_each_other_even_within_functions() -> None:
    graph = {
        module.name: {
            found
            for item in module.imports
            if not item.typing_only and (found := resolve(item.target)) != module.name and found
        }
        for module in modules()
    }
    graph["runatlas"] = set()
    state: dict[str, int] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        state[name] = 1
        path.append(name)
        for target in sorted(graph[name]):
            assert state.get(target) != 1, " -> ".join([*path[path.index(target) :], target])
            if target not in state:
                visit(target)
        path.pop()
        state[name] = 2

    for name in graph:
        if name not in state:
            visit(name)


def test_a_third_party_comes_in_by_one_door() -> None:
    wrong = [
        f"{module.where}:{item.line} imports {package}, which only {DOORS[package]} may"
        for module in modules()
        for item in module.imports
        if (package := item.target.split(".")[0]) in DOORS and _layer(module) not in DOORS[package]
    ]
    assert not wrong, wrong


def test_the_client_needs_no_numpy() -> None:
    wrong = [
        f"{module.where}:{item.line}"
        for module in modules()
        for item in module.imports
        if item.target.split(".")[0] in {"numpy", "pandas"}
        and _layer(module) in NO_NUMPY
        and not (item.in_function or item.typing_only)
    ]
    assert not wrong, wrong


def test_no_dialect_knows_another() -> None:
    def dialect(name: str) -> str | None:
        parts = name.split(".")
        return parts[3] if parts[:3] == ["runatlas", "server", "dialects"] and len(parts) > 3 else None

    wrong = [
        f"{module.where}:{line} imports {target}"
        for module in modules()
        for target, line in _edges(module)
        if dialect(module.name) and dialect(target) and dialect(module.name) != dialect(target)
    ]
    assert not wrong, wrong
