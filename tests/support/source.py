"""The project's own source, read as syntax trees: what the tests in ``tests/meta`` look at."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "runatlas"


@attrs.frozen
class Import:
    """One import statement's target, and where it stands."""

    target: str
    line: int
    in_function: bool
    typing_only: bool


@attrs.frozen
class Module:
    """A module of the package."""

    name: str
    path: Path
    tree: ast.Module = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    imports: tuple[Import, ...] = attrs.field(repr=False)

    @property
    def layer(self) -> str:
        """The part of the design it belongs to: ``model``, ``server.store``, ``backends.http``, …."""
        parts = self.name.split(".")[1:]
        if not parts:
            return "__init__"
        if parts[0] in {"compat", "server", "backends"} and len(parts) > 1:
            return ".".join(parts[:2])
        return parts[0]

    @property
    def where(self) -> str:
        """Its path inside the project."""
        return str(self.path.relative_to(ROOT))


def _module_name(path: Path) -> str:
    parts = list(path.relative_to(SOURCE.parent).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[Import] = []
        self._functions = 0
        self._typing = 0

    def _add(self, target: str, line: int) -> None:
        self.found.append(Import(target, line, self._functions > 0, self._typing > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "relative imports are not used in this project"
        for alias in node.names:
            self._add(f"{node.module}.{alias.name}", node.lineno)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    def visit_If(self, node: ast.If) -> None:
        guarded = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        self._typing += guarded
        for child in node.body:
            self.visit(child)
        self._typing -= guarded
        for child in node.orelse:
            self.visit(child)


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """Every module of the package, by name."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, filename=str(path))
        finder = _Finder()
        finder.visit(tree)
        found.append(Module(_module_name(path), path, tree, text, tuple(finder.found)))
    return tuple(found)


@lru_cache(maxsize=1)
def module_names() -> frozenset[str]:
    """The dotted names of all modules."""
    return frozenset(module.name for module in modules())


def resolve(target: str) -> str | None:
    """The module of this package that an import's target lies in, ``None`` for another package's."""
    while target:
        if target in module_names():
            return target
        target = target.rpartition(".")[0]
    return None
