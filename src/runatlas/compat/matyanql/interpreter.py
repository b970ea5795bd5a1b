"""Python expressions over given values, walked node by node: nothing is compiled or executed, and all work is bounded.

An expression reaches the values that it is given, what it makes of them, and the functions and methods of
``evaluation_function``; attributes lead to the keys of objects and to what a ``Record`` chooses to show. What an
evaluation may cost is counted in steps: each node is one, and operations over long values cost more.
"""

from __future__ import annotations

import ast
import operator
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import attrs

from runatlas.compat.matyanql.function import FUNCTIONS, NAMESPACES, call_method
from runatlas.compat.matyanql.value import EvaluationRefusedError, Meter, Record, is_plain

__all__ = ["RAISED", "Evaluation"]

RAISED = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)
"""What an expression raises where Python would, too."""

_CALLS_MAX = 8
_FORMAT = re.compile(r"(?:.?[<>=^])?[-+ ]?#?0?[0-9]{0,3}[,_]?(?:\.[0-9]{1,3})?[a-zA-Z%]?")

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@attrs.define(eq=False)
class _Scope:
    """Names bound inside an expression."""

    names: dict[str, Any]
    outer: _Scope | None = None
    is_comprehension: bool = False

    def find(self, name: str) -> _Scope | None:
        scope: _Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        return scope


class Evaluation:
    """The evaluations of one expression, with one allowance of time for all of them.

    Args:
        tree: What ``evaluation_check.check_expression`` accepted.
        steps: How many steps one evaluation may take.
        seconds: How long all of them may take together.
        now_s: What ``datetime.now()`` is, as Unix seconds.
        utc_offset_s: How far east of UTC times without a zone are read.

    Example:
        >>> tree = ast.parse("[n * 2 for n in given if n > 1]", mode="eval").body
        >>> Evaluation(tree).value({"given": [1, 2, 3]})
        [4, 6]
    """

    def __init__(
        self,
        tree: ast.expr,
        *,
        steps: int = 1_000_000,
        seconds: float = 10.0,
        now_s: float | None = None,
        utc_offset_s: float = 0.0,
    ) -> None:
        self._tree = tree
        self._steps = steps
        self.meter = Meter(seconds=seconds)
        self.now_s = time.time() if now_s is None else now_s
        self.utc_offset_s = utc_offset_s
        self._calls = 0

    def value(self, names: Mapping[str, Any], tree: ast.expr | None = None, *, steps: int | None = None) -> Any:
        """Return what the expression amounts to.

        Args:
            names: The values that it is given.
            tree: A part of it, instead of all.
            steps: How many steps this may take, instead of what one may.

        Raises:
            EvaluationRefusedError: It takes too many steps, too long, or makes something too large.
            ArithmeticError: As Python would; likewise ``AttributeError``, ``LookupError``, ``NameError``, ``TypeError``
                and ``ValueError``.
        """
        self.meter.start(self._steps if steps is None else steps)
        self._calls = 0
        try:
            return self._read(self._tree if tree is None else tree, _Scope(dict(names)))
        except RecursionError:
            raise EvaluationRefusedError("this nests too deeply") from None
        finally:
            self.meter.stop()

    def _read(self, node: ast.expr, scope: _Scope) -> Any:
        self.meter.charge(1)
        return self._READERS[type(node)](self, node, scope)

    def _constant(self, node: ast.Constant, _: _Scope) -> Any:
        return node.value

    def _name(self, node: ast.Name, scope: _Scope) -> Any:
        found = scope.find(node.id)
        if found is not None:
            return found.names[node.id]
        if node.id in FUNCTIONS:
            return FUNCTIONS[node.id]
        raise NameError(node.id)

    def _bool_op(self, node: ast.BoolOp, scope: _Scope) -> Any:
        ends_on = isinstance(node.op, ast.Or)
        value: Any = None
        for item in node.values:
            value = self._read(item, scope)
            if bool(value) is ends_on:
                break
        return value

    def _unary_op(self, node: ast.UnaryOp, scope: _Scope) -> Any:
        value = self._read(node.operand, scope)
        if isinstance(node.op, ast.Not):
            return not value
        if not isinstance(value, (int, float)):
            raise TypeError("bad operand")
        return _UNARY[type(node.op)](value)

    def _bin_op(self, node: ast.BinOp, scope: _Scope) -> Any:
        return self.combine(node.op, self._read(node.left, scope), self._read(node.right, scope))

    def combine(self, op: ast.operator, left: Any, right: Any) -> Any:
        """Return ``left op right``.

        Raises:
            EvaluationRefusedError: The result would be too large.
            TypeError: They cannot be combined.
        """
        if not (is_plain(left) and is_plain(right)):
            raise TypeError("these cannot be combined")
        if isinstance(op, ast.Mod) and isinstance(left, str) and "%" in left:
            raise EvaluationRefusedError("text % values is not known here; write f'...{value}'")
        self.meter.check_combination(op, left, right)
        made = _BINARY[type(op)](left, right)
        if isinstance(made, complex):
            raise TypeError("complex numbers are not known")
        return made

    def _compare(self, node: ast.Compare, scope: _Scope) -> Any:
        left = self._read(node.left, scope)
        held: Any = True
        for op, item in zip(node.ops, node.comparators, strict=True):
            right = self._read(item, scope)
            held = self._compare_pair(op, left, right)
            if not held:
                return held
            left = right
        return held

    def _compare_pair(self, op: ast.cmpop, left: Any, right: Any) -> bool:
        if isinstance(op, (ast.Is, ast.IsNot)):
            return (left is right) is isinstance(op, ast.Is)
        if isinstance(op, (ast.In, ast.NotIn)):
            return self.contains(right, left) is isinstance(op, ast.In)
        self.meter.charge_values(left, right)
        return bool(_COMPARE[type(op)](left, right))

    def contains(self, container: Any, item: Any) -> bool:
        """Return whether ``item`` is in ``container``.

        Raises:
            TypeError: That cannot be asked.
        """
        if isinstance(container, Record):
            return container.contains(item)
        if isinstance(container, range) and not isinstance(item, int):
            return any(each == item for each in self.iterate(container))
        if isinstance(container, Iterator):
            return any(each is item or each == item for each in self.iterate(container))
        if not isinstance(container, range):
            self.meter.charge_values(container, item)
        return item in container

    def _if_exp(self, node: ast.IfExp, scope: _Scope) -> Any:
        return self._read(node.body if self._read(node.test, scope) else node.orelse, scope)

    def _attribute(self, node: ast.Attribute, scope: _Scope) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id in NAMESPACES and scope.find(node.value.id) is None:
            return NAMESPACES[node.value.id][node.attr]
        value = self._read(node.value, scope)
        if isinstance(value, Record):
            return value.attribute(node.attr)
        # What is missing is None at every level.
        if value is None:
            return None
        if isinstance(value, dict):
            return value.get(node.attr)
        raise AttributeError(node.attr)

    def _subscript(self, node: ast.Subscript, scope: _Scope) -> Any:
        value, key = self._read(node.value, scope), self._read(node.slice, scope)
        if isinstance(value, Record):
            return value.item(key)
        if isinstance(key, slice):
            if not isinstance(value, (str, list, tuple, range)):
                raise TypeError("this has no slices")
            self.meter.charge(1 + len(value) // 64)
        elif isinstance(value, dict):
            self.meter.charge_values(key)
        elif not isinstance(value, (str, list, tuple, range)):
            raise TypeError("this has no items")
        return value[key]

    def _slice(self, node: ast.Slice, scope: _Scope) -> slice:
        parts = [None if part is None else self._read(part, scope) for part in (node.lower, node.upper, node.step)]
        return slice(*parts)

    def _list(self, node: ast.List | ast.Tuple | ast.Set, scope: _Scope) -> Any:
        made = self._items(node.elts, scope)
        if isinstance(node, ast.List):
            return made
        if isinstance(node, ast.Tuple):
            return tuple(made)
        self.meter.charge_values(*made)
        return set(made)

    def _items(self, nodes: list[ast.expr], scope: _Scope) -> list[Any]:
        made: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                made.extend(self.iterate(self._read(node.value, scope)))
            else:
                made.append(self._read(node, scope))
        return made

    def _dict(self, node: ast.Dict, scope: _Scope) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                inner = self._read(value, scope)
                if not isinstance(inner, dict):
                    raise TypeError("not an object")
                self.meter.charge(len(inner))
                made.update(inner)
                continue
            name = self._read(key, scope)
            self.meter.charge_values(name)
            made[name] = self._read(value, scope)
        return made

    def _starred(self, _: ast.Starred, __: _Scope) -> Any:
        raise TypeError("'*' stands in a list or a call")

    # -- comprehensions, functions ---------------------------------------------------------------------------------

    def _comprehension(self, node: Any, scope: _Scope) -> Any:
        first = self._read(node.generators[0].iter, scope)
        rows = self._rows(node.generators, 0, self.iterate(first), _Scope({}, scope, is_comprehension=True))
        if isinstance(node, ast.DictComp):
            made = {}
            for inner in rows:
                key = self._read(node.key, inner)
                self.meter.charge_values(key)
                made[key] = self._read(node.value, inner)
            return made
        items = (self._read(node.elt, inner) for inner in rows)
        if isinstance(node, ast.ListComp):
            return list(items)
        if isinstance(node, ast.SetComp):
            return {self._hashed(item) for item in items}
        return items

    def _hashed(self, item: Any) -> Any:
        self.meter.charge_values(item)
        return item

    def _rows(
        self, parts: list[ast.comprehension], place: int, items: Iterator[Any], scope: _Scope
    ) -> Iterator[_Scope]:
        part = parts[place]
        for item in items:
            self._bind(part.target, item, scope)
            if not all(self._read(test, scope) for test in part.ifs):
                continue
            if place + 1 == len(parts):
                yield scope
            else:
                inner = self.iterate(self._read(parts[place + 1].iter, scope))
                yield from self._rows(parts, place + 1, inner, scope)

    def _bind(self, target: ast.expr, value: Any, scope: _Scope) -> None:
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
            return
        if not isinstance(target, (ast.Tuple, ast.List)) or any(isinstance(part, ast.Starred) for part in target.elts):
            raise TypeError("only names are bound")
        values = list(self.iterate(value))
        if len(values) != len(target.elts):
            raise ValueError("the wrong number of values")
        for part, inner in zip(target.elts, values, strict=True):
            self._bind(part, inner, scope)

    def iterate(self, value: Any) -> Iterator[Any]:
        """Go through the items of a value, a step each.

        Raises:
            TypeError: It has none.
        """
        if isinstance(value, Record):
            value = value.items()
        elif not isinstance(value, (str, list, tuple, set, frozenset, dict, range, Iterator)):
            raise TypeError("this has no items")
        return self._charged(value)

    def _charged(self, value: Any) -> Iterator[Any]:
        for item in value:
            self.meter.charge(1)
            yield item

    def _lambda(self, node: ast.Lambda, scope: _Scope) -> Any:
        names = [each.arg for each in node.args.args]

        def call(_: Evaluation, values: list[Any], words: dict[str, Any]) -> Any:
            if words or len(values) != len(names):
                raise TypeError("the wrong number of arguments")
            if self._calls >= _CALLS_MAX:
                raise EvaluationRefusedError("lambdas call each other too deeply")
            self._calls += 1
            try:
                return self._read(node.body, _Scope(dict(zip(names, values, strict=True)), scope))
            finally:
                self._calls -= 1

        return call

    def _named_expr(self, node: ast.NamedExpr, scope: _Scope) -> Any:
        value = self._read(node.value, scope)
        while scope.is_comprehension and scope.outer is not None:
            scope = scope.outer
        scope.names[node.target.id] = value
        return value

    def _call(self, node: ast.Call, scope: _Scope) -> Any:
        called = node.func
        within = called.value if isinstance(called, ast.Attribute) else None
        is_namespace = isinstance(within, ast.Name) and within.id in NAMESPACES and scope.find(within.id) is None
        if isinstance(called, ast.Attribute) and within is not None and not is_namespace:
            value = self._read(within, scope)
            return call_method(self, value, called.attr, *self._arguments(node, scope))
        function = self._read(called, scope)
        return self.call(function, *self._arguments(node, scope))

    def _arguments(self, node: ast.Call, scope: _Scope) -> tuple[list[Any], dict[str, Any]]:
        words = {word.arg: self._read(word.value, scope) for word in node.keywords if word.arg is not None}
        return self._items(node.args, scope), words

    def call(self, function: Any, values: list[Any], words: dict[str, Any]) -> Any:
        """Call a function of the language, or a lambda.

        Raises:
            TypeError: It is none.
        """
        if is_plain(function) or isinstance(function, Record) or not callable(function):
            raise TypeError("this cannot be called")
        return function(self, values, words)

    def _joined(self, node: ast.JoinedStr, scope: _Scope) -> str:
        return self.meter.checked("".join(str(self._read(part, scope)) for part in node.values))

    def _formatted(self, node: ast.FormattedValue, scope: _Scope) -> str:
        value = self._read(node.value, scope)
        self.meter.charge_values(value)
        if not is_plain(value):
            raise TypeError("this cannot be written as text")
        if node.conversion != -1:
            value = str(value) if node.conversion == ord("s") else repr(value)
        spec = "" if node.format_spec is None else str(self._read(node.format_spec, scope))
        if not _FORMAT.fullmatch(spec):
            raise EvaluationRefusedError(f"the format {spec[:20]!r} is not known here")
        return format(value, spec)

    _READERS: ClassVar[dict[type[ast.expr], Callable[[Evaluation, Any, _Scope], Any]]] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.BoolOp: _bool_op,
        ast.UnaryOp: _unary_op,
        ast.BinOp: _bin_op,
        ast.Compare: _compare,
        ast.IfExp: _if_exp,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.Slice: _slice,
        ast.List: _list,
        ast.Tuple: _list,
        ast.Set: _list,
        ast.Dict: _dict,
        ast.Starred: _starred,
        ast.Lambda: _lambda,
        ast.NamedExpr: _named_expr,
        ast.Call: _call,
        ast.JoinedStr: _joined,
        ast.FormattedValue: _formatted,
        **dict.fromkeys(_COMPREHENSIONS, _comprehension),
    }
