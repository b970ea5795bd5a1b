"""What a client of our own protocol sees, over a socket."""

from __future__ import annotations

from typing import Any

import pytest
from support.server import ServerProcess

from runatlas.model import codec
from runatlas.model.account import ServerRecord, UserRecord, WorkspaceRecord
from runatlas.model.page import Page
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunRecord
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, TrashRecord


@pytest.fixture(scope="module")
def owner(server: ServerProcess) -> str:
    return str(server.call("GET", "user").json()["username"])


@pytest.fixture(scope="module", autouse=True)
def demo(server: ServerProcess, owner: str) -> None:
    assert server.call("POST", "projects", json={"name": "demo", "title": "A demo"}).status_code == 201


def _error(response: Any) -> tuple[int, str, str]:
    found = response.json()["error"]
    assert found["status"] == response.status_code
    assert set(found) == {"status", "type", "message", "code"}
    return found["status"], found["type"], found["message"]


def test_the_server_tells_what_it_is_and_that_it_needs_no_key_yet(server: ServerProcess) -> None:
    found = codec.decode(server.call("GET", "server").json(), ServerRecord)
    assert (found.product, found.accounts, found.root) == ("runatlas", False, True)


def test_the_health_is_the_stores(server: ServerProcess) -> None:
    response = server.call("GET", "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_whoever_asks_a_server_without_accounts_is_its_owner(server: ServerProcess, owner: str) -> None:
    found = codec.decode(server.call("GET", "user").json(), UserRecord)
    assert found.is_root
    mine = codec.decode(server.call("GET", "workspaces/~").json(), WorkspaceRecord)
    assert (mine.username, mine.role, mine.workspace_type) == (owner, "OWNER", "PERSON")
    assert server.call("GET", "user", key="whatever-key-of-elsewhere").json()["username"] == owner


def test_the_account_is_changed_and_what_is_not_named_is_kept(server: ServerProcess) -> None:
    before = server.call("GET", "user").json()
    after = server.call("PATCH", "user", json={"bio": "Sweeps at night."}).json()
    assert after == {**before, "bio": "Sweeps at night."}


def test_a_project_is_made_once_found_and_changed(server: ServerProcess, owner: str) -> None:
    made = codec.decode(server.call("GET", f"projects/{owner}/demo").json(), ProjectRecord)
    assert made.title == "A demo"
    assert _error(server.call("POST", "projects", json={"name": "demo"}))[:2] == (409, "ConflictError")
    changed = server.call("PATCH", f"projects/{owner}/demo", json={"labels": ["vision"]}).json()
    assert changed["labels"] == ["vision"]
    listed = server.call("POST", "projects/query", json={"workspace": owner, "page": {"with_total": True}})
    page = codec.decode(listed.json(), Page[ProjectRecord])
    assert ([item.name for item in page.items], page.total) == (["demo"], 1)


def test_a_run_is_made_kept_listed_counted_and_changed(server: ServerProcess, owner: str) -> None:
    draft = {"project": {"workspace": owner, "project": "demo"}, "id": "first", "config": {"lr": 0.1, "deep": {"n": 1}}}
    made = server.call("POST", "runs", json=draft)
    assert (made.status_code, made.json()["created"]) == (201, True)
    again = server.call("POST", "runs", json={**draft, "if_exists": "keep"})
    assert (again.status_code, again.json()["created"]) == (200, False)
    assert server.call("POST", "runs", json=draft).status_code == 409
    selection = {"workspace": owner, "project": "demo", "ids": ["first"]}
    listed = codec.decode(server.call("POST", "runs/query", json={"selection": selection}).json(), Page[RunRecord])
    assert listed.items[0].config == {"lr": 0.1, "deep": {"n": 1}}
    assert server.call("POST", "runs/count", json=selection).json() == {"count": 1}
    update = {"selection": selection, "patch": {"name": "The first"}}
    changed = server.call("POST", "runs/update", json=update).json()
    assert changed == {"updated": 1, "change_id": changed["change_id"]}
    assert server.call("GET", f"changes/{changed['change_id']}").json()["runs"] == 1
    found = codec.decode(server.call("GET", f"runs/{owner}/demo/first").json(), RunRecord)
    assert (found.name, found.cuid) == ("The first", listed.items[0].cuid)
    assert server.call("GET", f"runs/{owner}/demo/{found.cuid}").json()["id"] == "first"


def test_special_floats_of_a_config_go_in_and_come_out(server: ServerProcess, owner: str) -> None:
    text = codec.dumps(
        {
            "project": {"workspace": owner, "project": "demo"},
            "id": "special",
            "config": {"nan": float("nan"), "inf": float("inf")},
        }
    )
    made = server.call("POST", "runs", data=text, headers={"Content-Type": "application/json"})
    assert made.status_code == 201
    found = codec.loads(server.call("GET", f"runs/{owner}/demo/special").text)
    assert repr(found["config"]) == "{'nan': nan, 'inf': inf}"


def test_runs_are_deleted_as_planned_and_restored(server: ServerProcess, owner: str) -> None:
    draft = {"project": {"workspace": owner, "project": "demo"}, "id": "short-lived", "state": "FINISHED"}
    assert server.call("POST", "runs", json=draft).status_code == 201
    wanted = {"runs": {"workspace": owner, "project": "demo", "ids": ["short-lived"]}}
    plan = codec.decode(server.call("POST", "deletions/plan", json=wanted).json(), DeletionPlanRecord)
    assert [item.path for item in plan.items] == [f"{owner}/demo/short-lived"]
    done = server.call("POST", "deletions", json=codec.encode(plan))
    assert done.status_code == 201
    deleted = codec.decode(done.json(), DeletionRecord)
    assert server.call("GET", f"runs/{owner}/demo/short-lived").status_code == 404
    trash = codec.decode(server.call("GET", "trash", params={"workspace": owner}).json(), Page[TrashRecord])
    assert [entry.id for entry in trash.items] == [deleted.trash_id]
    assert server.call("POST", "deletions", json=codec.encode(plan)).status_code == 409
    assert server.call("POST", f"trash/{deleted.trash_id}/restore").status_code == 200
    assert server.call("GET", f"runs/{owner}/demo/short-lived").status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"runs": {"workspace": "a"}, "project": "a/b"}, {"project": "a"}, {"project": "a/b/c"}]
)
def test_a_deletion_is_of_runs_or_of_a_project(server: ServerProcess, body: dict[str, Any]) -> None:
    assert _error(server.call("POST", "deletions/plan", json=body))[:2] == (422, "ValidationError")


def test_names_of_actions_are_no_reserved_names(server: ServerProcess) -> None:
    for name in ("query", "count", "update", "plan"):
        assert server.call("POST", "workspaces", json={"username": name}).status_code == 201
        assert server.call("POST", "projects", json={"workspace": name, "name": name}).status_code == 201
        run = {"project": {"workspace": name, "project": name}, "id": name}
        assert server.call("POST", "runs", json=run).status_code == 201
        assert server.call("GET", f"runs/{name}/{name}/{name}").json()["id"] == name
        assert server.call("GET", f"projects/{name}/{name}").json()["workspace"] == name


def test_any_run_id_is_found_by_its_quoted_path(server: ServerProcess, owner: str) -> None:
    draft = {"project": {"workspace": owner, "project": "demo"}, "id": "lauf ü+&=;,日本 (1)"}
    assert server.call("POST", "runs", json=draft).status_code == 201
    path = f"runs/{owner}/demo/lauf%20%C3%BC%2B%26%3D%3B%2C%E6%97%A5%E6%9C%AC%20%281%29"
    assert server.call("GET", path).json()["id"] == draft["id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "nothing/here", 404),
        ("GET", "runs/a/b", 404),
        ("GET", "projects/a%2Fb", 404),
        ("GET", "runs/%00/b/c", 404),
        ("GET", "runs/a/b/..", 404),
        ("GET", "projects/%FF/b", 404),
        ("DELETE", "user", 405),
        ("POST", "user", 405),
        ("GET", "projects/query", 405),
    ],
)
def test_addresses_and_methods_that_are_not_there(server: ServerProcess, method: str, path: str, status: int) -> None:
    response = server.call(method, path)
    assert _error(response)[0] == status
    if status == 405:
        assert {"OPTIONS"} < set(response.headers["Allow"].split(", "))


def test_options_tells_the_methods_of_a_path(server: ServerProcess) -> None:
    response = server.call("OPTIONS", "user")
    assert (response.status_code, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, PATCH")
    assert "Access-Control-Allow-Origin" not in response.headers


def test_head_is_get_without_the_body(server: ServerProcess) -> None:
    head, get = server.call("HEAD", "user"), server.call("GET", "user")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limt=5", "limt"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=five", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=5&limit=6", "limit"),
        ("with_total=yes", "with_total"),
        ("offset=-1", "offset"),
        ("cursor=abc", "cursor"),
        ("&".join(f"a{number}=1" for number in range(101)), "more than 100"),
    ],
)
def test_a_wrong_query_is_refused_by_name(server: ServerProcess, query: str, told: str) -> None:
    status, kind, message = _error(server.call("GET", f"workspaces?{query}"))
    assert (status, kind) == (422, "ValidationError")
    assert told in message


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"", 400),
        ("application/json", b"{", 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b'{"name": "\xff"}', 400),
        ("application/json", b'{"nme": "Ann"}', 422),
        ("application/json", b'{"name": 1}', 422),
        ("application/json", b"[]", 422),
        ("text/plain", b'{"name": "Ann"}', 415),
        ("application/x-www-form-urlencoded", b"name=Ann", 415),
        (None, b'{"name": "Ann"}', 415),
    ],
)
def test_a_wrong_body_is_refused(server: ServerProcess, content_type: str | None, body: bytes, status: int) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert _error(server.call("PATCH", "user", data=body, headers=headers))[0] == status


def test_a_page_ends_where_the_next_begins(server: ServerProcess, owner: str) -> None:
    for number in range(7):
        draft = {"project": {"workspace": owner, "project": "paged"}, "id": f"r{number}", "create_project": True}
        assert server.call("POST", "runs", json=draft).status_code == 201
    query: dict[str, Any] = {"selection": {"workspace": owner, "project": "paged"}, "page": {"limit": 3}}
    seen: list[str] = []
    while True:
        page = server.call("POST", "runs/query", json=query).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["page"]["cursor"] = page["next_cursor"]
    assert sorted(seen) == [f"r{number}" for number in range(7)]
