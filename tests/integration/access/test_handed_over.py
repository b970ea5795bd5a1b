"""A store that somebody else made: nothing outside of it is read, written or removed, whatever was planted in it."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from click.testing import CliRunner
from support.faulty_server import faulty_server, reply
from support.recording import Recorder, line
from support.server import running_server

import runatlas
from runatlas.cli.sync import sync as sync_command
from runatlas.errors import NotFoundError, StoreError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.server.services.services import Services
from runatlas.server.store.check import check_store
from runatlas.server.store.engine import Store
from runatlas.server.store.garbage import collect_garbage
from runatlas.tracking.entry import SOMEWHERE, Body, Head, kind_of, payload_of
from runatlas.tracking.orphan_spools import EntrustedSpools
from runatlas.tracking.spool import ENTRUSTED
from runatlas.tracking.spool_frame import FILE_MARK, pack_frame
from runatlas.tracking.sync import SyncReport, sync

OLD_S = 1_000_000_000
PRIVATE = b"private " * (1 << 18)
"""What lies outside, of a size that is checked while it goes out."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a file and a metric, and the files of a store that is closed."""
    directory = tmp_path_factory.mktemp("made") / "store"
    services = Services.open(directory)
    recorder = Recorder.of(services)
    run = recorder.run("r")
    blob = services.recording.put_blob(recorder.caller, recorder.project, io.BytesIO(PRIVATE))
    recorder.append(run, line("loss", 3), artifacts=(ArtifactDraft("a.bin", blob.sha256, blob.size),))
    services.exports.export_csv(recorder.caller, run, "loss")
    assert services.store.secret
    services.close()
    (directory / "spool").mkdir()
    return directory


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy to plant something in."""
    return shutil.copytree(made, tmp_path / "store")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What is the victim's: files and directories, all of them old."""
    directory = tmp_path / "outside"
    (directory / "ab").mkdir(parents=True)
    (directory / "thesis").mkdir()
    for path in (directory / "ab" / "f", directory / "thesis" / "text", directory / ("ab" + "0" * 62)):
        path.write_bytes(PRIVATE)
    (directory / ".bashrc").write_text("alias ll=ls\n")
    for path in directory.rglob("*"):
        os.utime(path, (OLD_S, OLD_S))
    return directory


def _seen(outside: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(outside.rglob("*"))}


def _execute(store: Path, *statements: tuple[str, tuple[object, ...]] | str) -> None:
    with closing(sqlite3.connect(store / "runatlas.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(*((statement, ()) if isinstance(statement, str) else statement))


FILES = ("runatlas.db", "runatlas.db-wal", "runatlas.db-journal", "runatlas.secret")
FOLDERS = ("blobs", "exports", "spool")


@pytest.mark.parametrize("name", FILES + FOLDERS)
def test_a_store_whose_part_is_a_link_is_not_opened(store: Path, outside: Path, name: str) -> None:
    before = _seen(outside)
    part = store / name
    if part.is_dir():
        shutil.rmtree(part)
    part.unlink(missing_ok=True)
    part.symlink_to(outside if name in FOLDERS else outside / ".bashrc")
    with pytest.raises(StoreError, match=rf"{name} is a link"):
        Store.open(store)
    assert _seen(outside) == before


@pytest.mark.parametrize("name", FILES)
def test_a_store_whose_file_is_a_pipe_is_not_opened(store: Path, name: str) -> None:
    (store / name).unlink(missing_ok=True)
    os.mkfifo(store / name)
    with pytest.raises(StoreError, match=rf"{name} is no file"):
        Store.open(store, create=False)


def test_what_a_journal_names_is_not_removed(store: Path, outside: Path) -> None:
    # SQLite removes the file that a journal names as the one of several databases.
    thesis = str(outside / "thesis" / "text").encode()
    magic = bytes.fromhex("d9d505f920a163d7")
    size = int.from_bytes((store / "runatlas.db").read_bytes()[16:18], "big")
    numbers = (0, 0, (store / "runatlas.db").stat().st_size // size, 512, size)
    head = (magic + b"".join(number.to_bytes(4, "big") for number in numbers)).ljust(512, b"\0")
    tail = (2**30 // size + 1).to_bytes(4, "big") + thesis + len(thesis).to_bytes(4, "big")
    (store / "runatlas.db-journal").write_bytes(head + tail + sum(thesis).to_bytes(4, "big") + magic)
    before = _seen(outside)
    with pytest.raises(StoreError, match="journal"):
        Store.open(store)
    assert _seen(outside) == before


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER t AFTER INSERT ON projects BEGIN DELETE FROM runs; END",
        "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
    ],
)
def test_a_database_that_would_do_more_than_hold_rows_is_not_opened(store: Path, planted: str) -> None:
    _execute(store, planted)
    with pytest.raises(StoreError, match="not made by RunAtlas"):
        Store.open(store)


def test_garbage_is_looked_for_in_the_store_alone(store: Path, outside: Path) -> None:
    (store / "blobs" / "ab").symlink_to(outside / "ab")
    (store / "exports" / "aaaaaaaaaaaaaaaaaaaaa").symlink_to(outside / "thesis")
    (store / "blobs" / "cd").mkdir(exist_ok=True)
    (store / "blobs" / "cd" / "object").write_bytes(b"somebody's")
    (store / "exports" / "figures").mkdir()
    for path in (store / "blobs" / "cd" / "object", store / "exports" / "figures"):
        os.utime(path, (OLD_S, OLD_S))
    rows = [("../../outside", 0), (str(outside), 0), ("..", 0)]
    insert = "INSERT INTO exports (cuid, name, size, expires_at_ms) VALUES (?, 'x.csv', 1, ?)"
    _execute(store, *((insert, row) for row in rows))
    before = _seen(outside)
    with closing(Store.open(store)) as opened:
        collect_garbage(opened)
    assert _seen(outside) == before
    assert (store / "blobs" / "cd" / "object").exists()
    assert (store / "exports" / "figures").exists()
    assert (store / "runatlas.db").exists()


def _signed(store: Path, cuid: str, name: str, expires: int) -> str:
    text = "\n".join(quote(str(part)) for part in ("export", cuid, name, "", expires))
    signature = hmac.new((store / "runatlas.secret").read_bytes(), text.encode(), hashlib.sha256).hexdigest()
    return f"/atlas/v1/exports/{cuid}?{urlencode({'name': name, 'expires': expires, 'signature': signature})}"


def test_a_server_hands_out_what_is_in_the_store_alone(store: Path, outside: Path) -> None:
    (blob,) = (path for path in (store / "blobs").rglob("*") if path.is_file())
    blob.unlink()
    blob.symlink_to(outside / "thesis" / "text")
    folder = "bbbbbbbbbbbbbbbbbbbbb"
    (store / "exports" / folder).mkdir()
    (store / "exports" / folder / "link.csv").symlink_to(outside / "thesis" / "text")
    os.mkfifo(store / "exports" / folder / "pipe.csv")
    insert = "INSERT INTO exports (cuid, name, size, expires_at_ms) VALUES (?, ?, ?, ?)"
    expires = 2**45
    asked = [
        ("ccccccccccccccccccccc", "../../../outside/thesis/text", len(PRIVATE)),
        ("ddddddddddddddddddddd", str(outside / "thesis" / "text"), len(PRIVATE)),
        (folder, "link.csv", len(PRIVATE)),
        ("..", "runatlas.secret", 32),
    ]
    for cuid, name, size in asked:
        _execute(store, ("DELETE FROM exports WHERE cuid = ?", (cuid,)), (insert, (cuid, name, size, expires)))
    with running_server(store) as server:
        for cuid, name, _ in asked:
            answer = server.call("GET", _signed(store, cuid, name, expires))
            assert answer.status_code in {404, 500}, (cuid, name, answer.status_code)
            assert PRIVATE[:8] not in answer.content
        (run,) = server.call("POST", "runs/query", json={"selection": {"workspace": _owner(store)}}).json()["items"]
        path = f"runs/{run['workspace']}/{run['project']}/{run['id']}/artifacts"
        (file,) = server.call("GET", path).json()["items"]
        answer = server.call("GET", file["url"].removeprefix(server.origin))
        assert answer.status_code >= 400
        assert PRIVATE[:8] not in answer.content


def _owner(store: Path) -> str:
    with closing(sqlite3.connect(store / "runatlas.db")) as connection:
        return str(connection.execute("SELECT username FROM workspaces").fetchone()[0])


def test_a_blob_that_is_no_file_of_the_store_is_told_as_damage(store: Path, outside: Path) -> None:
    (blob,) = (path for path in (store / "blobs").rglob("*") if path.is_file())
    content = blob.read_bytes()

    def pipe() -> None:
        os.mkfifo(blob)

    def link() -> None:
        (outside / "same").write_bytes(content)
        blob.symlink_to(outside / "same")

    def folder() -> None:
        blob.mkdir()

    def link_to_folder() -> None:
        blob.parent.rmdir()
        (outside / "shelf").mkdir()
        (outside / "shelf" / blob.name).write_bytes(content)
        blob.parent.symlink_to(outside / "shelf")

    plants: tuple[Callable[[], None], ...] = (pipe, link, folder, link_to_folder)
    for plant in plants:
        if blob.is_dir():
            blob.rmdir()
        blob.unlink(missing_ok=True)
        plant()
        with closing(Store.open(store)) as opened:
            (told,) = check_store(opened)
        assert blob.name in told.what
        with runatlas.Api(store) as api:
            (file,) = api.run(f"{_owner(store)}/demo/r").artifacts()
            assert isinstance(file.read().error, (StoreError, NotFoundError))


def _spool(store: Path, name: str, *bodies: Body, host: str | None = None, run: str = "late") -> Path:
    head = Head(RunDraft(ProjectPath(_owner(store), "demo"), id=run, create_project=True), host)
    frames = [pack_frame(kind_of(body), place, payload_of(body)) for place, body in enumerate((head, *bodies))]
    path = store / "spool" / f"{name}.spool"
    path.write_bytes(FILE_MARK + frames[0] + b"".join(frames))
    return path


def _files(*hashes: str) -> Batch:
    return Batch(SOMEWHERE, artifacts=tuple(ArtifactDraft(f"f{i}", name, 1) for i, name in enumerate(hashes)))


def _runs(store: Path) -> set[str]:
    with closing(sqlite3.connect(store / "runatlas.db")) as connection:
        return {name for (name,) in connection.execute("SELECT run_id FROM runs")}


def test_a_spool_sends_the_bytes_that_lie_in_it_alone(store: Path, outside: Path) -> None:
    linked, shelved = "ab" + "1" * 62, "ab" + "2" * 62
    _spool(store, "w", _files(linked), _files("../../../outside/.bashrc"), _files(str(outside / ".bashrc")))
    (store / "spool" / "w.blobs").mkdir()
    (store / "spool" / "w.blobs" / linked).symlink_to(outside / ".bashrc")
    _spool(store, "v", _files(shelved), run="later")
    (outside / shelved).write_bytes(b"of a shelf")
    (store / "spool" / "v.blobs").symlink_to(outside)
    for report in sync(store):
        assert not report.sent, report
    taken = {path.name for path in (store / "blobs").rglob("*")}
    for content in ((outside / ".bashrc").read_bytes(), b"of a shelf"):
        assert hashlib.sha256(content).hexdigest() not in taken


def test_a_spool_writes_over_nothing_and_keeps_no_other_from_being_sent(store: Path, outside: Path) -> None:
    os.mkfifo(store / "spool" / "a.spool")
    (store / "spool" / "b.spool").symlink_to(outside / ".bashrc")
    for suffix in ("live", "reading", "sent.part", "sent"):
        _spool(store, suffix.replace(".", "-"), run=f"of-{suffix}").with_suffix(f".{suffix}").symlink_to(
            outside / (".bashrc" if suffix == "sent.part" else "new")
        )
    _spool(store, "z", run="good")
    before = _seen(outside)
    reports = {report.spool.stem: report for report in sync(store)}
    assert _seen(outside) == before
    assert reports["z"].is_done
    assert "good" in _runs(store)
    assert [reports[name].problem != "" for name in ("a", "b", "live", "reading")] == [True] * 4


def test_a_key_that_belongs_to_no_server_goes_to_none_that_a_spool_names(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("RUNATLAS_API_HOST", raising=False)
    for name in ("RUNATLAS_API_KEY", "SWANLAB_API_KEY"):
        monkeypatch.setenv(name, "s3cret")
        with faulty_server(reply(status=404)) as theirs:
            _spool(store, "w", host=theirs.url)
            (report,) = sync(store)
            assert not report.is_done
            assert name in report.problem
            assert all("s3cret" not in str(seen.headers) for seen in theirs.seen)
        monkeypatch.delenv(name)


def test_what_a_child_left_goes_to_its_own_directory(store: Path) -> None:
    with faulty_server(reply(status=404)) as theirs:
        path = _spool(store, "w", host=theirs.url)
        path.with_suffix(ENTRUSTED).touch()
        EntrustedSpools(store).deliver()
        assert theirs.seen == []


def test_a_spool_of_many_beginnings_is_read_in_bounded_time(store: Path) -> None:
    # Each claims all that comes after it, and none is right.
    path = store / "spool" / "w.spool"
    size = 4_000_000
    piece = pack_frame("batch", 1)
    claims = (piece[:4] + (size - at).to_bytes(4, "little") + piece[8:] for at in range(21, size + 1, 21))
    path.write_bytes(FILE_MARK + b"".join(claims))
    reports: list[SyncReport] = list(sync(store))
    assert [report.is_done for report in reports] == [False]


def test_the_name_of_a_run_does_not_steer_the_terminal(store: Path) -> None:
    _spool(store, "w", run="\x1b[2Jowned")
    told = CliRunner().invoke(sync_command, [str(store)], color=True).output
    assert "owned" in told
    assert "\x1b" not in told
