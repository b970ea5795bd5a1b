from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runatlas.credential import Credential, CredentialFile
from runatlas.settings import ConnectionSettings, is_here, parse_host, resolve

SERVER = "https://tracking.example.org"
Resolve = Callable[..., ConnectionSettings]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    made = tmp_path / "work" / "deep" / "er"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def settle(home: Path, cwd: Path) -> Resolve:
    def call(*args: Any, environ: dict[str, str] | None = None, **named: Any) -> ConnectionSettings:
        return resolve(*args, environ=environ or {}, cwd=cwd, home=home, **named)

    return call


def log_in(home: Path, host: str = SERVER, key: str | None = "LOGINKEY") -> CredentialFile:
    file = CredentialFile.standard({}, home)
    file.save(Credential(host, key, "ann"))
    return file


ENVIRON = {"RUNATLAS_API_HOST": "http://env.example.org:5170", "RUNATLAS_API_KEY": "ENVKEY", "RUNATLAS_DIR": "store"}
NETRC = "machine netrc.example.org login runatlas password NETRCKEY\n"


# -- the order -------------------------------------------------------------------------------------------------------


def test_an_argument_comes_before_everything_else(settle: Resolve, home: Path) -> None:
    log_in(home)
    (home / ".netrc").write_text(NETRC)

    found = settle(host="http://arg.example.org", key="ARGKEY", environ=ENVIRON)

    assert (found.host, found.key, found.directory) == ("http://arg.example.org", "ARGKEY", None)
    assert settle("./here", environ=ENVIRON).host is None


def test_the_login_comes_before_netrc_and_environment(settle: Resolve, home: Path) -> None:
    log_in(home)
    (home / ".netrc").write_text(NETRC)

    found = settle(environ=ENVIRON)

    assert (found.host, found.key, found.source) == (SERVER, "LOGINKEY", "runatlas login")


def test_netrc_comes_before_the_environment(settle: Resolve, home: Path) -> None:
    (home / ".netrc").write_text("machine github.com login ann password OTHER\n" + NETRC)

    found = settle(environ=ENVIRON)

    assert (found.host, found.key) == ("https://netrc.example.org", "NETRCKEY")


def test_the_environment_comes_before_the_embedded_store(settle: Resolve) -> None:
    found = settle(environ=ENVIRON)

    assert (found.host, found.key, found.source) == ("http://env.example.org:5170", "ENVKEY", "RUNATLAS_API_HOST")


def test_our_variables_come_before_those_of_swanlab(settle: Resolve) -> None:
    swanlab = {"SWANLAB_API_HOST": "https://swan.example.org/api", "SWANLAB_API_KEY": "SWANKEY"}

    assert settle(environ={**ENVIRON, **swanlab}).key == "ENVKEY"
    found = settle(environ=swanlab)
    assert (found.host, found.key) == ("https://swan.example.org/api", "SWANKEY")


def test_the_named_directory_comes_before_the_nearest_one(settle: Resolve, cwd: Path, home: Path) -> None:
    (cwd.parent.parent / ".runatlas").mkdir()

    assert settle(environ={"RUNATLAS_DIR": "store"}).directory == cwd / "store"
    assert settle(environ={"RUNATLAS_DIR": "~/store"}).directory == home / "store"


def test_the_nearest_store_upwards_comes_before_the_one_at_home(settle: Resolve, cwd: Path, home: Path) -> None:
    assert settle().directory == home / ".runatlas"
    (cwd.parent.parent / ".runatlas").mkdir()
    assert settle().directory == cwd.parent.parent / ".runatlas"
    (cwd.parent / ".runatlas").mkdir()
    assert settle().directory == cwd.parent / ".runatlas"
    (cwd / ".runatlas").write_text("a file is no store")
    assert settle().directory == cwd.parent / ".runatlas"


# -- keys ------------------------------------------------------------------------------------------------------------


def test_the_key_for_a_named_host_comes_from_its_login(settle: Resolve, home: Path) -> None:
    log_in(home)
    log_in(home, "http://other.example.org", "OTHERKEY")

    assert settle(host=SERVER).key == "LOGINKEY"
    assert settle("http://other.example.org/").key == "OTHERKEY"


@pytest.mark.parametrize("machine", ["lab.example.org", "lab.example.org:5170", "http://lab.example.org:5170"])
def test_the_key_for_a_named_host_comes_from_netrc(settle: Resolve, home: Path, machine: str) -> None:
    (home / ".netrc").write_text(f"machine {machine} login ann password NETRCKEY\ndefault login x password DEFAULT\n")

    assert settle("http://lab.example.org:5170", environ={"RUNATLAS_API_KEY": "ENVKEY"}).key == "NETRCKEY"
    assert settle("http://unlisted.example.org").key is None


def test_another_netrc_file_can_be_named(settle: Resolve, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(NETRC)

    assert settle(environ={"NETRC": str(tmp_path / "elsewhere")}).key == "NETRCKEY"


def test_a_netrc_that_does_not_parse_is_passed_over_with_a_warning(
    settle: Resolve, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / ".netrc").write_text("machine example.org nonsense SECRET\n")

    with caplog.at_level(logging.WARNING):
        assert settle().directory == home / ".runatlas"

    assert "passed over" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_key_in_the_environment_goes_to_a_named_host_unless_it_belongs_to_another(settle: Resolve) -> None:
    assert settle(host=SERVER, environ={"RUNATLAS_API_KEY": "ENVKEY"}).key == "ENVKEY"
    assert settle(host=SERVER, environ=ENVIRON).key is None
    assert settle(host="http://env.example.org:5170/", environ=ENVIRON).key == "ENVKEY"


def test_the_url_may_carry_the_key(settle: Resolve) -> None:
    found = settle("https://ann:K%40Y@tracking.example.org")

    assert (found.host, found.key) == (SERVER, "K@Y")
    assert settle(environ={"RUNATLAS_API_HOST": "http://ann:INSIDE@h.example.org"}).key == "INSIDE"


def test_two_different_keys_are_refused(settle: Resolve) -> None:
    with pytest.raises(ValueError, match="api_key: it differs"):
        settle("https://ann:ONE@tracking.example.org", key="TWO")


def test_a_key_alone_is_for_the_host_of_the_login_or_of_the_environment(settle: Resolve, home: Path) -> None:
    assert settle(key="MINE", environ=ENVIRON).host == "http://env.example.org:5170"
    log_in(home)
    found = settle(key="MINE")
    assert (found.host, found.key) == (SERVER, "MINE")


def test_a_key_without_any_host_is_refused(settle: Resolve) -> None:
    with pytest.raises(ValueError, match="api_key: it belongs to no host"):
        settle(key="MINE")
    with pytest.raises(ValueError, match="RUNATLAS_API_KEY: it belongs to no host"):
        settle(environ={"RUNATLAS_API_KEY": "MINE"})


def test_a_key_with_a_directory_is_refused(settle: Resolve) -> None:
    with pytest.raises(ValueError, match="api_key: a directory needs none"):
        settle("./here", key="MINE")


@pytest.mark.parametrize("key", ["", "two words", "line\nend", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(settle: Resolve, key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        settle(host=SERVER, key=key)
    assert not key or key not in str(caught.value)


def test_the_key_is_not_shown(settle: Resolve) -> None:
    found = settle(host=SERVER, key="SECRETSECRET")

    assert "SECRETSECRET" not in repr(found)
    assert "SECRETSECRET" not in repr(Credential(SERVER, "SECRETSECRET"))


# -- locations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["./here", "here", Path("here"), "../er/here"])
def test_a_directory_becomes_absolute(settle: Resolve, cwd: Path, given: Any) -> None:
    assert settle(given).directory == cwd / "here"
    assert settle(directory=given).directory == cwd / "here"


def test_a_file_url_is_a_directory(settle: Resolve, tmp_path: Path) -> None:
    assert settle((tmp_path / "a b").as_uri()).directory == tmp_path / "a b"
    with pytest.raises(ValueError, match="no local directory"):
        settle("file://elsewhere.example.org/store")


def test_a_file_is_no_directory(settle: Resolve, cwd: Path) -> None:
    (cwd / "runs.jsonl").write_text("")

    with pytest.raises(ValueError, match="is a file"):
        settle("runs.jsonl")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("http://localhost:5170", "http://localhost:5170"),
        ("HTTP://LocalHost:5170/", "http://localhost:5170"),
        ("https://example.org:443", "https://example.org"),
        ("http://example.org:80/atlas/", "http://example.org/atlas"),
        ("http://[::1]:5170", "http://[::1]:5170"),
        (" http://10.0.0.1:5170 ", "http://10.0.0.1:5170"),
    ],
)
def test_hosts_are_normalised(given: str, host: str) -> None:
    assert parse_host(given)[0] == host


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("localhost:5170", "write 'http://localhost:5170'"),
        ("example.org", "write 'https://example.org'"),
        ("ftp://example.org", "write 'https://example.org'"),
        ("http://", "names no host"),
        ("http://:5170", "names no host"),
        ("http://exa mple.org", "names no host"),
        ("http://example.org:port", "no URL of a server"),
        ("http://example.org:99999", "no URL of a server"),
        ("http://example.org/?q=1", "must end with"),
        ("http://example.org/#x", "must end with"),
        ("http://KEY@example.org", "has a user but no key"),
        ("postgresql://u:p@db/x", "opened by 'runatlas serve'"),
    ],
)
def test_a_bad_host_is_told_what_is_right(settle: Resolve, given: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"host: .*{said}|host: {said}"):
        settle(host=given)
    with pytest.raises(ValueError, match=f"RUNATLAS_API_HOST: .*{said}|RUNATLAS_API_HOST: {said}"):
        settle(environ={"RUNATLAS_API_HOST": given})


def test_no_message_shows_the_key_of_a_url(settle: Resolve) -> None:
    for bad in ("http://ann:SECRET@exa mple.org", "http://ann:SECRET@h:99999", "ftp://ann:SECRET@h"):
        with pytest.raises(ValueError, match="host: ") as caught:
            settle(host=bad)
        assert "SECRET" not in str(caught.value)


def test_a_bare_host_and_port_as_a_location_is_ambiguous(settle: Resolve) -> None:
    with pytest.raises(ValueError, match=r"write 'http://localhost:5170' or '\./localhost:5170'"):
        settle("localhost:5170")


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"location": "./a", "host": SERVER}, ValueError, "location says already"),
        ({"host": SERVER, "directory": "./a"}, ValueError, "host says already"),
        ({"location": 5}, TypeError, "location: expected a string or a path, got int"),
        ({"host": b"http://x"}, TypeError, "host: expected a string, got bytes"),
        ({"host": SERVER, "key": 5}, TypeError, "api_key: expected a string"),
        ({"location": ""}, ValueError, "location: it is empty"),
        ({"timeout_s": 0}, ValueError, "timeout: .* above 0"),
        ({"timeout_s": float("nan")}, ValueError, "timeout"),
        ({"timeout_s": "60"}, TypeError, "timeout: expected a number"),
        ({"cache": 1}, TypeError, "cache: expected True or False"),
    ],
)
def test_bad_arguments_are_named(settle: Resolve, arguments: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        settle(**arguments)


# -- options ---------------------------------------------------------------------------------------------------------


def test_the_time_budget(settle: Resolve) -> None:
    assert settle().timeout_s == 60
    assert settle(environ={"RUNATLAS_HTTP_TIMEOUT": "2.5"}).timeout_s == 2.5
    assert settle(timeout_s=7, environ={"RUNATLAS_HTTP_TIMEOUT": "2.5"}).timeout_s == 7
    for bad in ("soon", "-1", "inf"):
        with pytest.raises(ValueError, match="RUNATLAS_HTTP_TIMEOUT"):
            settle(environ={"RUNATLAS_HTTP_TIMEOUT": bad})


def test_the_cache_has_an_off_switch(settle: Resolve) -> None:
    assert settle().cache is True
    assert settle(environ={"RUNATLAS_CACHE": "off"}).cache is False
    assert settle(environ={"RUNATLAS_CACHE": "0"}, cache=True).cache is True
    with pytest.raises(ValueError, match="RUNATLAS_CACHE: 'perhaps' is neither on nor off"):
        settle(environ={"RUNATLAS_CACHE": "perhaps"})


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "127.3.2.1", "::1", "[::1]", "a.localhost"])
def test_loopback_names(name: str) -> None:
    assert is_here(name)


@pytest.mark.parametrize("name", ["localhost.example.org", "127.0.0.1.example.org", "128.0.0.1", "example.org", ""])
def test_other_names(name: str) -> None:
    assert not is_here(name)


# -- the file of the login -------------------------------------------------------------------------------------------


def test_the_login_file_is_for_its_owner_only(home: Path) -> None:
    file = log_in(home)

    assert file.path == home / ".config" / "runatlas" / "credentials.json"
    assert file.path.stat().st_mode & 0o777 == 0o600
    log_in(home, "http://other.example.org")
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.path.parent.iterdir()] == ["credentials.json"]


def test_the_login_file_lies_where_xdg_says(home: Path, tmp_path: Path) -> None:
    standard = CredentialFile.standard({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, home)

    assert standard.path == tmp_path / "xdg" / "runatlas" / "credentials.json"
    assert CredentialFile.standard({"XDG_CONFIG_HOME": "relative"}, home).path.is_relative_to(home)


def test_a_login_file_that_others_can_read_is_warned_of(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = log_in(home)
    file.path.chmod(0o644)

    with caplog.at_level(logging.WARNING):
        assert file.current() == Credential(SERVER, "LOGINKEY", "ann")

    assert "chmod 600" in caplog.text


def test_logging_out_goes_back_to_the_login_before(home: Path) -> None:
    file = log_in(home)
    log_in(home, "http://other.example.org", None)

    removed = file.remove()

    assert removed is not None
    assert removed.host == "http://other.example.org"
    assert file.current() == Credential(SERVER, "LOGINKEY", "ann")
    assert file.remove(SERVER) == Credential(SERVER, "LOGINKEY", "ann")
    assert file.current() is None
    assert file.remove() is None
    assert not file.path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"current": "h", "hosts": {"h": {"key": 5}}}', '{"hosts": 1}'])
def test_a_damaged_login_file_is_told_and_a_new_login_repairs_it(settle: Resolve, home: Path, text: str) -> None:
    file = log_in(home)
    file.path.write_text(text)

    with pytest.raises(ValueError, match="is damaged; run 'runatlas login' again"):
        settle()

    log_in(home)
    assert settle().key == "LOGINKEY"


def test_a_login_that_points_nowhere_is_no_login(settle: Resolve, home: Path) -> None:
    file = log_in(home)
    document = json.loads(file.path.read_text())
    document["current"] = "http://gone.example.org"
    file.path.write_text(json.dumps(document))

    assert settle().directory == home / ".runatlas"
