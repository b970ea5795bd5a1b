"""login, logout, verify, ping and version, against a server that is stubbed."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
import requests
import responses
from click.testing import CliRunner, Result

from runatlas.cli.main import main
from runatlas.credential import CredentialFile

HOST = "http://tracking.example.org"
KEY = "0123456789abcdefghijk"
USER = {"username": "ann"}
SERVER = {"product": "runatlas", "version": "9.9", "root": True}

Run = Callable[..., Result]


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("XDG_CONFIG_HOME", "NETRC", "RUNATLAS_DIR", "RUNATLAS_API_KEY", "RUNATLAS_API_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SWANLAB_API_KEY", "SWANLAB_API_HOST", "RUNATLAS_HTTP_TIMEOUT", "RUNATLAS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)

    def call(*arguments: str, stdin: str | None = None, **environ: str) -> Result:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, arguments, input=stdin)

    return call


@pytest.fixture
def file(home: Path) -> CredentialFile:
    return CredentialFile.standard({}, home)


@pytest.fixture
def served(web: responses.RequestsMock) -> responses.RequestsMock:
    web.get(f"{HOST}/atlas/v1/user", json=USER)
    web.get(f"{HOST}/atlas/v1/server", json=SERVER)
    web.get(f"{HOST}/healthz", json={"status": "ok"})
    return web


def test_a_login_is_checked_and_kept(served: responses.RequestsMock, run: Run, file: CredentialFile) -> None:
    result = run("login", "--host", f"{HOST}/", "--key", KEY)

    assert (result.exit_code, result.stdout) == (0, "")
    assert f"logged in to {HOST} as ann" in result.stderr
    kept = file.current()
    assert kept is not None
    assert (kept.host, kept.key, kept.username) == (HOST, KEY, "ann")
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert served.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("arguments", "stdin", "environ"),
    [
        (["--host", HOST], f"{KEY}\n", {}),
        (["--host", HOST], f"  {KEY}", {}),
        (["--host", f"http://ann:{KEY}@tracking.example.org"], None, {}),
        ([], f"{KEY}\n", {"RUNATLAS_API_HOST": HOST}),
    ],
    ids=["stdin", "stdin without a line end", "inside the URL", "host of the environment"],
)
def test_where_a_login_has_its_key_from(
    served: responses.RequestsMock,
    run: Run,
    file: CredentialFile,
    arguments: list[str],
    stdin: str | None,
    environ: dict[str, str],
) -> None:
    assert run("login", *arguments, stdin=stdin, **environ).exit_code == 0

    kept = file.current()
    assert kept is not None
    assert (kept.host, kept.key) == (HOST, KEY)


def test_a_login_on_a_terminal_asks_and_does_not_echo(
    served: responses.RequestsMock, run: Run, file: CredentialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runatlas.cli.login.is_terminal", lambda: True)

    result = run("login", "--host", HOST, stdin=f"{KEY}\n")

    assert result.exit_code == 0
    assert f"API key for {HOST}" in result.stderr
    assert KEY not in result.output
    kept = file.current()
    assert kept is not None
    assert kept.key == KEY


def test_a_server_without_accounts_needs_no_key(served: responses.RequestsMock, run: Run, file: CredentialFile) -> None:
    assert run("login", "--host", HOST, stdin="\n").exit_code == 0

    kept = file.current()
    assert kept is not None
    assert kept.key is None


def test_a_key_that_is_not_accepted_is_not_kept(web: responses.RequestsMock, run: Run, file: CredentialFile) -> None:
    web.get(f"{HOST}/atlas/v1/user", json={"error": {"message": f"unknown key {KEY}"}}, status=401)

    result = run("login", "--host", HOST, "--key", KEY)

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{HOST} did not accept the key: unknown key ***" in result.stderr
    assert file.current() is None


def test_a_server_that_is_no_runatlas_server_is_told(
    web: responses.RequestsMock, run: Run, file: CredentialFile
) -> None:
    web.get(f"{HOST}/atlas/v1/user", body="<html><title>Welcome</title>", content_type="text/html")

    result = run("login", "--host", HOST, "--key", KEY)

    assert result.exit_code == 1
    assert "is this the address of a RunAtlas server?" in result.stderr
    assert file.current() is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["login"], "say which server"),
        (["login", "--host", "localhost:5170"], "write 'http://localhost:5170'"),
        (["login", "--host", HOST, "--key", "two words"], "a key has no blanks"),
        (["logout", "--host", "nowhere"], "write 'https://nowhere'"),
        (["verify", "--host", HOST, "--dir", "here"], "give one of them"),
        (["ping", "--host", "ftp://x"], "no URL of a server"),
        (["ping", "--nonsense"], "No such option"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], said: str) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_file_that_cannot_be_written_is_told(served: responses.RequestsMock, run: Run, home: Path) -> None:
    (home / ".config").write_text("a file where a directory is due")

    result = run("login", "--host", HOST, "--key", KEY)

    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_logging_out_forgets_the_key(served: responses.RequestsMock, run: Run, file: CredentialFile) -> None:
    run("login", "--host", HOST, "--key", KEY)

    assert f"logged out of {HOST}" in run("logout").stderr
    assert not file.path.exists()
    again = run("logout")
    assert (again.exit_code, again.stderr) == (0, "there was no login\n")


def test_logging_out_of_one_of_two_servers(served: responses.RequestsMock, run: Run) -> None:
    served.get("http://other.example.org/atlas/v1/user", json=USER)
    run("login", "--host", HOST, "--key", KEY)
    run("login", "--host", "http://other.example.org", "--key", KEY)

    result = run("logout")

    assert "logged out of http://other.example.org" in result.stderr
    assert f"the login to {HOST} counts now" in result.stderr


def test_verify_tells_who_and_where(served: responses.RequestsMock, run: Run) -> None:
    run("login", "--host", HOST, "--key", KEY)

    plain, as_json = run("verify"), run("verify", "--json")

    facts = {
        "location": HOST,
        "source": "runatlas login",
        "username": "ann",
        "administrator": True,
        "product": "runatlas",
        "version": "9.9",
    }
    assert json.loads(as_json.stdout) == facts
    assert "username:      ann\n" in plain.stdout
    assert "administrator: true\n" in plain.stdout
    assert KEY not in plain.output + as_json.output


def test_verify_fails_with_a_sentence(web: responses.RequestsMock, run: Run) -> None:
    web.get(f"{HOST}/atlas/v1/user", json={"error": {"message": "this key was revoked"}}, status=401)

    result = run("verify", "--host", HOST, "--key", KEY)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: this key was revoked\n"


def test_ping_needs_no_key(served: responses.RequestsMock, run: Run) -> None:
    plain, as_json = run("ping", "--host", HOST), run("ping", "--host", HOST, "--json")

    assert plain.exit_code == as_json.exit_code == 0
    assert plain.stdout.startswith(f"{HOST} answered in ")
    assert json.loads(as_json.stdout)["milliseconds"] >= 0


def test_ping_takes_any_answer_for_life(web: responses.RequestsMock, run: Run) -> None:
    web.get(f"{HOST}/healthz", status=404)

    assert run("ping", "--host", HOST).exit_code == 0


def test_ping_tells_of_a_server_that_is_down(web: responses.RequestsMock, run: Run) -> None:
    web.get(f"{HOST}/healthz", body=requests.exceptions.ConnectTimeout("no route"))

    result = run("ping", "--host", HOST, RUNATLAS_HTTP_TIMEOUT="1")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "no connection in time" in result.stderr


def test_version(run: Run) -> None:
    assert run("version").stdout == metadata.version("runatlas") + "\n"
    assert json.loads(run("version", "--json").stdout)["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_key_is_never_logged(served: responses.RequestsMock, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        run("login", "--host", f"http://ann:{KEY}@tracking.example.org")
        run("verify")
        run("ping", "--host", HOST, "--key", KEY)
        run("logout")

    assert KEY not in caplog.text
