"""The process that has a directory open for forked children: nobody else stands in for it, or is told its key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.faulty_server import faulty_server, reply

from runatlas import Run
from runatlas.process.store_process_files import StoreProcessFiles

_ASK = """
import sys
from runatlas.backends.store_process import process_of
from runatlas.errors import StoreError
try:
    print(process_of(sys.argv[1]).address().origin)
except StoreError as error:
    print(error.message)
"""


def _ask(directory: Path, temporary: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(directory)],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreProcessFiles:
    """Where they look for each other, in a temporary directory of their own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return StoreProcessFiles.of(str(tmp_path / "store"))


def test_an_address_that_was_left_behind_is_not_asked(files: StoreProcessFiles, tmp_path: Path) -> None:
    Run(repo=tmp_path / "store", capture_terminal_logs=False).close()
    with faulty_server(reply()) as theirs:
        files.make()
        files.address.write_text(json.dumps({"origin": theirs.url, "key": "k"}))
        answer = _ask(tmp_path / "store", tmp_path / "temporary")
        assert answer.startswith("http://127.0.0.1:")
        assert answer != theirs.url
        assert theirs.connections == 0


@pytest.mark.parametrize("kind", ["open", "link"])
def test_a_place_that_others_can_get_into_is_not_used(files: StoreProcessFiles, tmp_path: Path, kind: str) -> None:
    with faulty_server(reply()) as theirs:
        place = tmp_path / "planted" / files.place.name
        place.mkdir(parents=True)
        (place / "address.json").write_text(json.dumps({"origin": theirs.url, "key": "k"}))
        if kind == "link":
            for path in (place, place.parent):
                path.chmod(0o700)
            files.place.parent.symlink_to(place.parent)
        else:
            place.parent.rename(files.place.parent)
            files.place.parent.chmod(0o777)
        assert "is not private to this user" in _ask(tmp_path / "store", tmp_path / "temporary")
        assert theirs.connections == 0
