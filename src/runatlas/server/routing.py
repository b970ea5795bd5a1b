"""How the routes of all protocols become one application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from litestar import Litestar, Router
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import ControllerRouterHandler, RouteHandlerMapItem

from runatlas.server.wire.endpoint import make_options_handler

__all__ = ["Application"]


class Application(Litestar):
    """Litestar, whose routes are registered all at once: at each registration it goes through all that it has."""

    _registered: dict[str, RouteHandlerMapItem] | None = None

    def __init__(self, handlers: Iterable[BaseRouteHandler], **options: Any) -> None:
        """Register the handlers.

        Args:
            handlers: Of HTTP requests and of WebSockets. Where none of them tells the methods of a path, one is added.
            options: As Litestar takes them.

        Raises:
            ImproperlyConfiguredException: A method of a path has two handlers.
        """
        super().__init__([_Handlers(self, handlers)], **options)

    def register(self, value: ControllerRouterHandler) -> None:  # type: ignore[override]
        """Register what names each of its paths once: what it meets there is what was registered before it."""
        self._registered = self.route_handler_method_map
        try:
            super().register(value)
        finally:
            self._registered = None

    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        """The handlers by path and method."""
        return super().route_handler_method_map if self._registered is None else self._registered


class _Handlers(Router):
    """Handlers by path and method, as Litestar asks a router for them."""

    def __init__(self, owner: Litestar, handlers: Iterable[BaseRouteHandler]) -> None:
        super().__init__("/", route_handlers=())
        self._map: dict[str, dict[Any, Any]] = {}
        self._owner = owner
        for handler in handlers:
            self._add(handler)
        silent = {path: found for path, found in self._map.items() if not {"OPTIONS", "websocket"} & found.keys()}
        if silent:
            self._add(make_options_handler(silent))

    def _add(self, handler: BaseRouteHandler) -> None:
        methods = handler.http_methods if isinstance(handler, HTTPRouteHandler) else ("websocket",)
        handler.owner = self._owner
        for path in handler.paths:
            for method in methods:
                if self._map.setdefault(path, {}).setdefault(method, handler) is not handler:
                    raise ImproperlyConfiguredException(f"{method} of {path} has two handlers")

    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        return self._map

    def __deepcopy__(self, _: object) -> _Handlers:
        return self  # they were made for this application
