"""``runatlas ui``, and how whoever reads a directory finds the server that runs for it."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result
from support.forked import run_command, start
from support.patience import eventually
from support.server import make_key, running_server

import runatlas
from runatlas.cli.main import main
from runatlas.process.file_lock import FileLock


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A directory with a run, of its own: a note in it is another one's answer."""
    with runatlas.Run("r1", repo=tmp_path / "store", experiment="images", capture_terminal_logs=False):
        pass
    return tmp_path / "store"


def _urls(store: Path) -> tuple[str, str, str]:
    with runatlas.Api(store) as api:
        (project,) = api.projects()
        return api.workspace().url, project.url, project.run("r1").url


def _ui(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["ui", "--no-browser", *map(str, arguments)])


def _note(store: Path) -> Path:
    (found,) = store.glob(".server-*")
    return found


@contextmanager
def _planted(store: Path) -> Iterator[Path]:
    """A note that somebody holds the lock of."""
    with running_server(store):
        path = _note(store)
    path.write_text("http://127.0.0.1:1")
    lock = FileLock(path)
    assert lock.acquire()
    yield path
    lock.release()


def test_ui_serves_a_directory_and_opens_the_browser(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    process = start(run_command, ["ui", str(store)], streams=(1,))
    try:
        with process.stream as told:
            origin = told.readline().strip()
            assert eventually(opened.exists)
            assert opened.read_text().strip() == origin
            page = requests.get(_urls(store)[2], timeout=60)
            assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            me = runatlas.Api(store).workspace().username
            assert _urls(store) == tuple(f"{origin}/@{me}{path}" for path in ("", "/images", "/images/runs/r1/chart"))
            assert stat.S_IMODE(_note(store).stat().st_mode) == 0o600
            again = _ui(store)
            assert (again.exit_code, again.stdout) == (0, f"{origin}\n")
            assert "served already" in again.stderr
            assert _ui(f"{store.as_uri()}#@{me}/images/runs/r1").stdout == f"{origin}/@{me}/images/runs/r1\n"
            process.send_signal(signal.SIGINT)
            assert told.read() == ""
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert list(store.glob(".server-*")) == []
    assert _urls(store) == tuple(f"{store.as_uri()}#@{me}{path}" for path in ("", "/images", "/images/runs/r1"))


def test_the_server_that_is_noted_is_one_that_lives(store: Path) -> None:
    key = make_key(store, "ann")
    with running_server(store, "--host", "0.0.0.0") as first:
        assert _urls(store)[0].startswith(f"{first.origin.replace('0.0.0.0', '127.0.0.1')}/@")
        with running_server(store) as second:
            assert second.origin not in _urls(store)[0], "the first one stays, as what was shown of it does"
            second.stop()
        assert _note(store).exists()
    assert _note(store).exists(), "it was killed"
    assert _urls(store)[0].startswith("file:")
    with running_server(store, "--public-url", "https://runs.example.org/") as third:
        assert _urls(store)[2].startswith("https://runs.example.org/@")
        assert _ui(store).stdout == "https://runs.example.org\n"
        with runatlas.Api(host=third.origin, api_key=key) as api:
            assert api.workspace().url == "https://runs.example.org/@ann", "whatever its clients call it"
        third.stop()
    assert list(store.glob(".server-*")) == []


def test_a_note_that_others_may_have_written_is_not_believed(store: Path) -> None:
    with _planted(store) as path:
        assert _urls(store)[0].startswith("http://127.0.0.1:1/"), "so that what follows is for the reason named"
        path.chmod(0o620)
        assert _urls(store)[0].startswith("file:")
        path.chmod(0o600)
        path.rename(store / "elsewhere")
        path.symlink_to(store / "elsewhere")
        assert _urls(store)[0].startswith("file:")
        path.unlink()
        os.mkfifo(path, 0o600)
        assert _urls(store)[0].startswith("file:"), "and it is not waited for"


def test_a_path_that_was_mistyped_makes_nothing(tmp_path: Path) -> None:
    done = _ui(tmp_path / "stor")
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"Error: there is no RunAtlas store in {tmp_path / 'stor'}; check the path, or record a run there first\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"), [(["127.0.0.1:5170"], "may be a server or a directory"), ([__file__], "is a file")]
)
def test_wrong_usage_is_told_as_such(arguments: list[str], told: str) -> None:
    done = _ui(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_runs_on_a_server_are_looked_at_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNATLAS_API_HOST", "https://runs.example.org")
    done = _ui()
    assert (done.exit_code, done.stdout) == (0, "https://runs.example.org\n")
    assert "RUNATLAS_API_HOST" in done.stderr
