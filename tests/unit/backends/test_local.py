"""A directory as a backend: opened when needed, shared within the process."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from runatlas.backends.local import LocalBackend
from runatlas.errors import StoreError
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectQuery
from runatlas.model.run import RunDraft, RunSelection
from runatlas.server.services.services import Services


def test_making_one_touches_no_file(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "here")
    assert backend.location == str(tmp_path.resolve() / "here")
    assert backend.web_url == (tmp_path.resolve() / "here").as_uri()
    backend.close()
    assert list(tmp_path.iterdir()) == []


def test_it_is_the_directorys_owner(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path, create=True)
    server, user = backend.get_server(), backend.get_user()
    assert (server.root, server.accounts, user.is_root) == (True, False, True)
    assert [item.username for item in backend.list_workspaces(None, PageRequest()).items] == [user.username]
    backend.close()


def test_backends_of_one_directory_share_what_is_open(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    first, second = LocalBackend(tmp_path), LocalBackend(str(tmp_path / "link"))
    path = ProjectPath(first.get_user().username, "demo")
    first.create_run(RunDraft(path, create_project=True))
    assert second.count_runs(RunSelection(path.workspace, "demo")) == 1
    first.close()
    first.close()
    assert second.count_runs(RunSelection(path.workspace, "demo")) == 1
    second.close()


def test_it_may_be_used_after_closing(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    before = backend.get_user()
    backend.close()
    assert backend.get_user() == before
    backend.close()


def test_the_last_one_closes_the_files(tmp_path: Path) -> None:
    journal = tmp_path / "runatlas.db-wal"  # SQLite removes it when the last connection is closed.
    first, second = LocalBackend(tmp_path, create=True), LocalBackend(tmp_path, create=True)
    first.get_server()
    second.get_server()
    first.close()
    assert journal.exists()
    del second
    gc.collect()
    other = LocalBackend(tmp_path / "other", create=True)
    other.get_server()
    other.close()
    assert not journal.exists()


def test_services_that_were_given_stay_open(tmp_path: Path) -> None:
    services = Services.open(tmp_path)
    backend = LocalBackend(services)
    backend.get_user()
    backend.close()
    assert services.owner().username == backend.get_user().username
    services.close()


def test_a_store_is_made_only_where_that_is_allowed(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "none")
    with pytest.raises(StoreError, match="no RunAtlas store"):
        backend.list_projects(ProjectQuery())
    user = backend.get_user()
    assert not (tmp_path / "none").exists()
    backend.create_project(ProjectDraft("p", user.username))
    assert backend.get_user().username == user.username
    assert len(backend.list_projects(ProjectQuery()).items) == 1
    backend.close()
