from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runatlas.cli.main import main
from runatlas.server.services.services import Services

SECRET = re.compile(r"[0-9A-Za-z]{21}")


@pytest.fixture(autouse=True)
def owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory's owner is called as whoever runs it: by none of the names used here."""
    monkeypatch.setenv("LOGNAME", "keeper")


def _keys(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments, "--dir", str(directory)])


def _caller(directory: Path, secret: str) -> str | None:
    services = Services.open(directory)
    try:
        caller = services.accounts.authenticate(secret)
    finally:
        services.close()
    return None if caller is None else caller.username


def test_a_key_is_made_for_a_new_user_and_stands_alone_on_stdout(tmp_path: Path) -> None:
    done = _keys(tmp_path / "store", "create", "ann")
    assert done.exit_code == 0
    assert SECRET.fullmatch(done.stdout.removesuffix("\n"))
    store = (tmp_path / "store").resolve()
    assert done.stderr == (
        f"made a new, empty store in {store}: there was none\n"
        "made user ann, who sees the workspace 'ann' and what is PUBLIC; "
        "api.workspace(NAME).set_member('ann', 'MEMBER') lets ann into another\n"
    )
    assert _caller(tmp_path / "store", done.stdout.strip()) == "ann"


def test_a_user_may_have_several_keys(tmp_path: Path) -> None:
    first, second = _keys(tmp_path, "create", "ann"), _keys(tmp_path, "create", "ann")
    assert second.stderr == ""
    assert first.stdout != second.stdout
    assert _caller(tmp_path, first.stdout.strip()) == _caller(tmp_path, second.stdout.strip()) == "ann"


def test_keys_are_listed_without_their_secrets(tmp_path: Path) -> None:
    secret = _keys(tmp_path, "create", "ann").stdout.strip()
    done = _keys(tmp_path, "list", "ann")
    (line,) = done.stdout.splitlines()
    _, prefix, created, used, revoked = line.split("\t")
    assert prefix == secret[:4]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", created)
    assert (used, revoked) == ("-", "-")
    assert secret not in done.output


def test_a_revoked_key_lets_nobody_in(tmp_path: Path) -> None:
    secret = _keys(tmp_path, "create", "ann").stdout.strip()
    key_id = _keys(tmp_path, "list", "ann").stdout.partition("\t")[0]
    done = _keys(tmp_path, "revoke", key_id)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"revoked {secret[:4]}… of ann\n")
    assert _caller(tmp_path, secret) is None
    assert _keys(tmp_path, "list", "ann").stdout.split("\t")[4] != "-\n"


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    _keys(tmp_path, "create", "ann")
    for arguments, told in [
        (("list", "bob"), "'bob'"),
        (("revoke", "nothing"), "'nothing'"),
        (("create", "not a name"), "not a name"),
    ]:
        done = _keys(tmp_path, *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert told in done.stderr


def test_the_first_keys_user_administers(tmp_path: Path) -> None:
    secrets = [_keys(tmp_path, "create", name).stdout.strip() for name in ("ann", "bob")]
    services = Services.open(tmp_path)
    callers = [services.accounts.authenticate(secret) for secret in secrets]
    services.close()
    assert [caller is not None and caller.is_root for caller in callers] == [True, False]
