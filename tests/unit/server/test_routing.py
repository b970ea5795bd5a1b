"""All routes are registered at once; Litestar, which takes one after the other, says what must come of it."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from support.asgi import call_app

from runatlas.server.app import make_dialects
from runatlas.server.routing import Application
from runatlas.server.settings import ServerSettings
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import make_endpoint, make_options_handler
from runatlas.server.wire.memory_budget import Held, HeldAnswers
from runatlas.server.wire.worker import Workers

METHODS = ("GET", "PUT", "DELETE")
OPTIONS: dict[str, Any] = {"logging_config": None, "openapi_config": None}


def _handlers() -> list[BaseRouteHandler]:
    return [handler for dialect in make_dialects(ServerSettings("unused")) for handler in dialect.handlers()]


def _methods(handler: object) -> set[str]:
    return {str(method) for method in getattr(handler, "http_methods", ())}


def _routes(app: Litestar) -> dict[str, tuple[set[str], set[str], str]]:
    return {route.path: (set(route.methods), set(route.path_parameters), route.path_format) for route in app.routes}


def _told(node: Any) -> dict[str, Any]:
    """What is routed at a node and below it; of what tells the methods of a path, whether it does so to anybody."""
    options = node.asgi_handlers.get("OPTIONS")
    return {
        "open": options is not None and options.handler.opt.get("public", False),
        "answers": {method: found.handler.name for method, found in node.asgi_handlers.items() if method != "OPTIONS"},
        "methods": set(node.asgi_handlers),
        "parameters": node.path_parameters,
        "flags": (node.is_asgi, node.is_mount, node.is_static, node.is_path_type, node.is_path_param_node),
        "template": node.path_template,
        "keys": node.child_keys,
        "children": {key: _told(child) for key, child in node.children.items()},
    }


def _made(*methods: Any) -> list[BaseRouteHandler]:
    def tell(method: str) -> Any:
        return lambda _: Answer(method.encode())

    return [make_endpoint(method, "/a/{b:str}", tell(method), limit=0, has_body=False) for method in methods]


def test_the_routes_of_all_protocols_are_those_that_litestar_makes_one_by_one() -> None:
    at_once = Application(_handlers(), **OPTIONS)
    # First what tells the methods of a path: Litestar adds its own to the first handler at it.
    one_by_one = Litestar(sorted(_handlers(), key=lambda handler: "OPTIONS" not in _methods(handler)), **OPTIONS)
    assert _routes(at_once) == _routes(one_by_one)
    ours, theirs = at_once.asgi_router, one_by_one.asgi_router
    assert _told(ours.root_route_map_node) == _told(theirs.root_route_map_node)
    assert ours._plain_routes == theirs._plain_routes
    assert ours._mount_routes == theirs._mount_routes == {}
    named = {name for name in theirs.route_handler_index if not name.startswith("litestar.")}
    assert named <= set(ours.route_handler_index)
    assert at_once.route_handler_method_map.keys() == one_by_one.route_handler_method_map.keys()


@pytest.mark.parametrize("late", [0, 1, 2])
def test_each_method_of_a_path_has_its_handler_also_when_some_come_later(late: int) -> None:
    handlers = _made(*METHODS)
    app = Application(handlers[: len(handlers) - late], **OPTIONS)
    for handler in handlers[len(handlers) - late :]:
        app.register(handler)
    app.state = State({"services": None})
    app.state.workers = Workers(1, 1, 1, (Held(100), HeldAnswers(100)), 60)
    answered = {method: call_app(app, method, "/a/b") for method in (*METHODS, "POST")}
    assert {method: answer.body for method, answer in answered.items() if answer.status == 200} == {
        method: method.encode() for method in METHODS
    }
    assert answered["POST"].status == 405
    [route] = app.routes
    assert route.methods == {*METHODS, "HEAD", "OPTIONS"}


def test_a_path_tells_all_of_its_methods_whoever_takes_them() -> None:
    own = make_options_handler({"/c/{d:int}": ["POST"]}, public=True)
    last: HTTPRouteHandler = make_endpoint("POST", "/c/{d:int}", lambda _: Answer(), limit=0)
    app = Application([*_made(*METHODS), own, last], **OPTIONS)
    told = {path: call_app(app, "OPTIONS", path) for path in ("/a/b", "/a/c", "/c/1")}
    assert {path: (answer.status, answer.headers["allow"]) for path, answer in told.items()} == {
        "/a/b": (204, "DELETE, GET, HEAD, OPTIONS, PUT"),
        "/a/c": (204, "DELETE, GET, HEAD, OPTIONS, PUT"),
        "/c/1": (204, "OPTIONS, POST"),
    }
    assert {answer.headers["cache-control"] for answer in told.values()} == {"no-store"}


def test_no_method_of_a_path_has_two_handlers() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"PUT of /a/\{b:str\} has two handlers"):
        Application([*_made(*METHODS), *_made("PUT")], **OPTIONS)
