"""The answer of every call: data or a typed error, never both, never neither."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from runatlas.display.markup import Html, anything, failure, note
from runatlas.display.shown import Shown
from runatlas.errors import RunAtlasError

__all__ = ["ApiResponse"]

T = TypeVar("T")
U = TypeVar("U")


@attrs.frozen(repr=False, eq=False)
class ApiResponse(Shown, Generic[T]):
    """What a call answered.

    Indexing, ``in``, ``len`` and iteration are forwarded to ``data``, and so are attributes it does not have itself
    (``answer.to_pandas()``); on a failure they raise the stored error, so that a failed read can never be taken for an
    empty one.

    Attributes:
        ok: Whether the call succeeded.
        code: HTTP status; 200 for a success in process, 0 if no answer came.
        errmsg: What went wrong, ``""`` when ``ok``.
        data: The result, ``None`` when not ``ok``.
        error: The typed error, ``None`` when ``ok``.
        change: What the call changed, as the journal has it: ``answer.change.undo()`` takes it back. ``None`` for other
            calls, and where nothing was changed.

    Example:
        >>> ApiResponse.success({"loss": 0.5})["loss"]
        0.5
        >>> from runatlas.errors import NotFoundError
        >>> ApiResponse.failure(NotFoundError("no such run")).errmsg
        'no such run'
    """

    ok: bool
    code: int
    errmsg: str
    data: T | None
    error: RunAtlasError | None
    change: Any = None

    @classmethod
    def success(cls, data: T, *, code: int = 200) -> ApiResponse[T]:
        """Wrap a result."""
        return cls(ok=True, code=code, errmsg="", data=data, error=None)

    @classmethod
    def failure(cls, error: RunAtlasError) -> ApiResponse[T]:
        """Wrap an error."""
        return cls(ok=False, code=error.code, errmsg=error.message, data=None, error=error)

    @classmethod
    def of(cls, call: Callable[[], T]) -> ApiResponse[T]:
        """Run ``call`` and wrap what it returns or what a server, network or store made it raise.

        Args:
            call: Called once. A ``TypeError`` or a plain ``ValueError`` passes through: those are the caller's.

        Returns:
            The answer.
        """
        try:
            return cls.success(call())
        except RunAtlasError as error:
            return cls.failure(error)

    def unwrap(self) -> T:
        """Return the data, or raise the stored error.

        Returns:
            ``data``.

        Raises:
            RunAtlasError: The stored error.
        """
        if self.error is not None:
            # Where it came up inside of us is no news to the caller; what it came from stays its cause.
            raise self.error.with_traceback(None)
        return self.data  # type: ignore[return-value]

    def json(self) -> dict[str, Any]:
        """Return ``{"ok", "code", "errmsg", "data"}``, with entities inside ``data`` unstructured too."""
        return {"ok": self.ok, "code": self.code, "errmsg": self.errmsg, "data": _plain(self.data)}

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, key: Any) -> Any:
        __tracebackhide__ = True
        return self.unwrap()[key]  # type: ignore[index]

    def __contains__(self, key: object) -> bool:
        __tracebackhide__ = True
        return key in self.unwrap()  # type: ignore[operator]

    def __len__(self) -> int:
        __tracebackhide__ = True
        return len(self.unwrap())  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        __tracebackhide__ = True
        return iter(self.unwrap())  # type: ignore[call-overload, no-any-return]

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        __tracebackhide__ = True
        data = self.unwrap()
        stream = getattr(data, "__arrow_c_stream__", None)
        if stream is None:
            raise TypeError(f"the answer holds {type(data).__name__}, which is no table")
        return stream(requested_schema)

    if not TYPE_CHECKING:  # to a type checker, ``data`` and ``unwrap()`` tell more

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            __tracebackhide__ = True  # IPython leaves such frames out, but for the one that raises
            return getattr(self.unwrap(), name)

    def _show(self) -> Html:
        if self.error is not None:
            return failure(self.error.message, type(self.error).__name__)
        if self.data is None:
            return note("done")
        make = getattr(self.data, "_repr_html_", None)
        return anything(self.data) if make is None else Html(str(make()))

    def _repr_mimebundle_(self, include: Collection[str] | None = None, exclude: Collection[str] | None = None) -> Any:
        make = None if isinstance(self.data, Shown) else getattr(self.data, "_repr_mimebundle_", None)
        return super()._repr_mimebundle_(include, exclude) if make is None else make(include=include, exclude=exclude)

    def _display_(self) -> Any:
        is_other = not isinstance(self.data, Shown) and hasattr(self.data, "_repr_mimebundle_")
        return self.data if is_other else super()._display_()

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(dir(self.data) if self.ok else ())})

    def _ipython_key_completions_(self) -> list[Any]:
        own = getattr(self.data, "_ipython_key_completions_", None)
        if own is not None:
            return list(own())
        return [key for key in self.data if isinstance(key, str)] if isinstance(self.data, Mapping) else []

    def __repr__(self) -> str:
        if self.ok:
            return f"ApiResponse(ok=True, data={self.data!r})"
        return f"ApiResponse(ok=False, code={self.code}, errmsg={self.errmsg!r})"


def _plain(data: Any) -> Any:
    """Unstructure entities, tables and records inside plain containers."""
    if hasattr(data, "json") and callable(data.json):
        return data.json()
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(item) for item in data]
    if attrs.has(type(data)):
        return {name: _plain(value) for name, value in attrs.asdict(data, recurse=False).items()}
    return data
