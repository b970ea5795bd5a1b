"""What every entity does: one request, once, and never an answer that is not one."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, get_origin, get_type_hints

import pytest
from support.place import Place

from runatlas import Api
from runatlas.entities.base import Entity
from runatlas.entities.column import Column
from runatlas.entities.model import ModelVersion
from runatlas.entities.project import Project
from runatlas.entities.run import Run
from runatlas.entities.self_hosted import SelfHosted
from runatlas.entities.trash import TrashEntry
from runatlas.entities.workspace import Workspace
from runatlas.errors import AuthenticationError, NotFoundError, RunAtlasError, ServerError

Make = Callable[[Api], "Entity[Any]"]

ENTITIES: dict[str, tuple[Make, str, str]] = {
    "run": (lambda api: api.run("my-team/my-project/abc123"), "name", "get_run"),
    "project": (lambda api: api.project("my-team/my-project"), "description", "get_project"),
    "workspace": (lambda api: api.workspace("my-team"), "name", "get_workspace"),
    "own workspace": (lambda api: api.workspace(), "username", "get_workspace"),
    "user": (lambda api: api.user(), "username", "get_user"),
    "column": (lambda api: api.column("my-team/my-project/abc123", "loss"), "name", "list_columns"),
    "installation": (lambda api: api.self_hosted(), "version", "get_server"),
}
every_entity = pytest.mark.parametrize(("make", "attribute", "request_name"), ENTITIES.values(), ids=ENTITIES)


@every_entity
def test_nothing_is_asked_before_it_is_needed(place: Place, make: Make, attribute: str, request_name: str) -> None:
    entity, twin = make(place.api), make(place.api)
    with place.account.asking():
        repr(entity), hash(entity), copy.copy(entity), copy.deepcopy(entity), pickle.dumps(entity)
        assert entity == twin
        assert hash(entity) == hash(twin)
        assert entity != place.api.run("my-team/my-project/other")
        assert entity != 3
        assert len({entity, twin}) == 1
        _ = entity.identity


@every_entity
def test_the_first_attribute_asks_once(place: Place, make: Make, attribute: str, request_name: str) -> None:
    entity = make(place.api)
    with place.account.asking(request_name):
        first = getattr(entity, attribute)
        assert getattr(entity, attribute) == first
        assert entity.json()
        assert (entity.ok, entity.code, entity.errmsg, entity.error) == (True, 200, "", None)
        assert entity.data is entity
        assert entity.unwrap() is entity


@every_entity
def test_many_threads_ask_once(place: Place, make: Make, attribute: str, request_name: str) -> None:
    entity = make(place.api)
    together = threading.Barrier(8)
    found: list[object] = []

    def ask() -> None:
        together.wait()
        found.append(getattr(entity, attribute))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    with place.account.asking(request_name):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [getattr(entity, attribute)] * 8


@every_entity
def test_a_failure_is_raised_and_not_kept(place: Place, make: Make, attribute: str, request_name: str) -> None:
    entity = make(place.api)
    place.account.fail(request_name, ServerError("down"), ServerError("still down"))
    with pytest.raises(ServerError, match=r"^down"):
        getattr(entity, attribute)
    with pytest.raises(ServerError, match="still down"):
        entity.json()
    assert getattr(entity, attribute) is not None
    assert entity.error is None


@every_entity
def test_ok_tells_and_keeps_no_failure(place: Place, make: Make, attribute: str, request_name: str) -> None:
    entity = make(place.api)
    place.account.fail(request_name, AuthenticationError("who are you"))
    with place.account.asking(request_name):
        assert not entity.ok
        assert (entity.code, entity.errmsg) == (401, "who are you")
        assert isinstance(entity.error, AuthenticationError)
    with place.account.asking(request_name):
        assert entity.data is entity
    place.account.fail(request_name, ServerError("down"))
    again = make(place.api)
    assert again.data is None
    place.account.fail(request_name, ServerError("down"))
    with pytest.raises(ServerError):
        again.unwrap()
    assert again.errmsg == "down"
    assert again.ok


@every_entity
def test_the_error_of_an_entity_nobody_asked_for_is_found_out(
    place: Place, make: Make, attribute: str, request_name: str
) -> None:
    entity = make(place.api)
    place.account.fail(request_name, ServerError("down"))
    with place.account.asking(request_name):
        assert entity.errmsg == "down"
        assert entity.code == 500


@every_entity
def test_refresh_asks_again(place: Place, make: Make, attribute: str, request_name: str) -> None:
    entity = make(place.api)
    with place.account.asking(request_name, request_name):
        getattr(entity, attribute)
        assert entity.refresh() is entity
        getattr(entity, attribute)
    place.account.fail(request_name, ServerError("down"))
    assert entity.refresh().errmsg == "down"


@every_entity
def test_copies_and_pickles_know_what_the_original_knew(
    place: Place, make: Make, attribute: str, request_name: str
) -> None:
    entity = make(place.api)
    value = getattr(entity, attribute)
    with place.account.asking():
        for twin in (copy.copy(entity), copy.deepcopy(entity), pickle.loads(pickle.dumps(entity))):
            assert twin == entity
            assert getattr(twin, attribute) == value
    with place.account.asking(request_name):
        pickle.loads(pickle.dumps(make(place.api))).refresh()


def test_what_is_not_there_is_not_found(place: Place) -> None:
    for entity in (
        place.api.run("my-team/my-project/nope"),
        place.api.run("nobody/nothing/nope"),
        place.api.project("my-team/nope"),
        place.api.workspace("nobody"),
        place.api.column("my-team/my-project/abc123", "nope"),
    ):
        assert not entity.ok
        assert entity.code == 404
        assert entity.errmsg
        with pytest.raises(NotFoundError):
            _ = entity.created_at
        with pytest.raises(LookupError):
            entity.json()


def test_entities_of_different_places_differ(place: Place, own_place: Place) -> None:
    assert place.api.run("a/b/c") != own_place.api.run("a/b/c")
    assert place.api.project("a/b") != place.api.run("a/b/c")


def test_every_error_is_one_of_ours(place: Place) -> None:
    place.account.fail("get_run", ServerError("down"))
    with pytest.raises(RunAtlasError):
        _ = place.api.run("my-team/my-project/abc123").state


@pytest.mark.parametrize("kind", [Column, ModelVersion, Project, Run, SelfHosted, TrashEntry, Workspace])
def test_a_notebook_can_complete_attributes(kind: type[object]) -> None:
    """Jedi, which notebooks ask, gives up on an object with a property whose type is a Literal at run time."""
    for parent in kind.__mro__:
        for name, found in vars(parent).items():
            if isinstance(found, property):
                assert get_origin(_returned(found)) is not Literal, name


def _returned(found: property) -> object:
    with suppress(NameError):  # what is for type checkers only
        return get_type_hints(found.fget).get("return")
    return None
