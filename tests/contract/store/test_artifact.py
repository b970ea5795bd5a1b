"""Artifacts, exports, and the links to them."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import url2pathname

import attrs
import pytest
from sqlalchemy import select
from support.database import Location
from support.recording import Recorder, line, points

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft, ArtifactRecord
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import LinkRecord
from runatlas.model.page import PageRequest
from runatlas.server.services.links import LINK_MS, OpenedFile
from runatlas.server.store.schema import blob_refs

ORIGIN = "http://127.0.0.1:5170"


def put(recorder: Recorder, content: bytes) -> str:
    return recorder.services.recording.put_blob(recorder.caller, recorder.project, io.BytesIO(content)).sha256


def listed(recorder: Recorder, run: RunPath, **parts: Any) -> list[ArtifactRecord]:
    return list(recorder.services.artifacts.list_artifacts(recorder.caller, run, PageRequest(**parts)).items)


def content(recorder: Recorder, link: LinkRecord | ArtifactRecord, start: int = 0) -> bytes:
    return b"".join(recorder.services.links.open_link(recorder.caller, link.url or "", start=start))


def remote(recorder: Recorder) -> Recorder:
    """The same person, through a server."""
    return attrs.evolve(recorder, caller=attrs.evolve(recorder.caller, origin=ORIGIN))


def test_the_same_content_is_stored_once(recorder: Recorder) -> None:
    recorder.run()
    first, second = put(recorder, b"abc"), put(recorder, b"abc")
    assert first == second == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert [path.read_bytes() for path in recorder.services.store.blobs.files()] == [b"abc"]


def test_a_name_replaces_and_lets_its_blob_go(recorder: Recorder) -> None:
    run = recorder.run()
    first, second = put(recorder, b"1"), put(recorder, b"22")
    recorder.append(
        run, artifacts=(ArtifactDraft("w/last.pt", first, 0), ArtifactDraft("a.txt", first, 0, "text/plain"))
    )
    recorder.append(run, artifacts=(ArtifactDraft("w/last.pt", second, 0), ArtifactDraft("w/last.pt", second, 0)))
    assert [(file.name, file.size, file.mime_type) for file in listed(recorder, run)] == [
        ("a.txt", 1, "text/plain"),
        ("w/last.pt", 2, "application/octet-stream"),
    ]
    assert content(recorder, listed(recorder, run)[1]) == b"22"
    recorder.append(run, artifacts=(ArtifactDraft("a.txt", second, 0),))
    with recorder.services.store.read() as connection:
        assert set(connection.scalars(select(blob_refs.c.sha256))) == {second}


def test_files_come_page_by_page_by_name(recorder: Recorder) -> None:
    run = recorder.run()
    sha256 = put(recorder, b"1")
    names = ["B", "a", "ä", "b", "b/c"]
    recorder.append(run, artifacts=tuple(ArtifactDraft(name, sha256, 1) for name in reversed(names)))
    found: list[str] = []
    cursor = None
    while True:
        page = recorder.services.artifacts.list_artifacts(
            recorder.caller, run, PageRequest(limit=2, cursor=cursor, with_total=True)
        )
        assert page.total == 5
        found += [file.name for file in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == sorted(names)
    assert [file.name for file in listed(recorder, run, offset=3)] == sorted(names)[3:]


def opened(recorder: Recorder, url: str) -> OpenedFile:
    parts = urlsplit(url)
    query = {name: found[0] for name, found in parse_qs(parts.query, keep_blank_values=True).items()}
    _, _, kind, which = parts.path.strip("/").split("/")
    common = {"name": query["name"], "expires_ms": int(query["expires"]), "signature": query["signature"]}
    if kind == "blobs":
        return recorder.services.links.open_blob(which, mime_type=query["type"], **common)  # type: ignore[arg-type]
    return recorder.services.links.open_export(which, **common)  # type: ignore[arg-type]


def test_a_server_s_link_is_signed_and_expires(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    recorder.append(run, artifacts=(ArtifactDraft("w/ü & b.pt", put(recorder, b"abcdef"), 0, "text/plain"),))
    (file,) = listed(remote(recorder), run)
    assert file.url is not None
    assert file.url.startswith(f"{ORIGIN}/atlas/v1/blobs/{file.sha256}?")
    assert file.expires_at_ms == location.clock() + LINK_MS
    found = opened(recorder, file.url)
    assert (found.name, found.mime_type, found.size, found.tag) == ("ü & b.pt", "text/plain", 6, file.sha256)
    assert b"".join(found.pieces()) == b"abcdef"
    assert b"".join(found.pieces(2, 4)) == b"cd"
    location.clock.advance(LINK_MS + 1)
    with pytest.raises(NotFoundError, match="the link expired"):
        opened(recorder, file.url)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name=b.pt", "name=c.pt"),
        ("type=text%2Fplain", "type=text%2Fhtml"),
        ("expires=1", "expires=2"),
        ("signature=", "signature=0"),
        ("signature=", "signature=%ED%A0%80"),
        ("name=b.pt", "name=%ED%A0%80"),
    ],
)
def test_a_changed_link_leads_nowhere(recorder: Recorder, old: str, new: str) -> None:
    run = recorder.run()
    recorder.append(run, artifacts=(ArtifactDraft("b.pt", put(recorder, b"abcdef"), 0, "text/plain"),))
    (file,) = listed(remote(recorder), run)
    assert file.url is not None
    assert old in file.url
    with pytest.raises(NotFoundError, match="never given out"):
        opened(recorder, file.url.replace(old, new))


def test_a_link_of_one_store_does_not_open_in_another(recorder: Recorder, location: Location, tmp_path: Path) -> None:
    run = recorder.run()
    recorder.append(run, artifacts=(ArtifactDraft("b.pt", put(recorder, b"abcdef"), 0),))
    (file,) = listed(remote(recorder), run)
    other = attrs.evolve(location, engine="sqlite", name=str(tmp_path / "other"), blobs_dir=None).services()
    with pytest.raises(NotFoundError, match="never given out"):
        opened(Recorder.of(other), file.url or "")
    other.close()


def test_a_download_goes_on_where_it_stopped(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, artifacts=(ArtifactDraft("b.pt", put(recorder, b"abcdef"), 0),))
    (file,) = listed(recorder, run)
    assert content(recorder, file, start=4) == b"ef"
    assert content(recorder, file, start=6) == b""
    assert content(recorder, file, start=600) == b""


def test_only_links_of_the_store_are_opened(recorder: Recorder, location: Location, tmp_path: Path) -> None:
    recorder.run()
    secret = tmp_path / put(recorder, b"abc")
    secret.write_text("secret")
    database = recorder.services.store.directory / "runatlas.db"
    for link in (secret.as_uri(), database.as_uri(), "file:///etc/passwd", "http://127.0.0.1/x", "", "file:///"):
        with pytest.raises(NotFoundError):
            recorder.services.links.open_link(recorder.caller, link)


def test_a_column_becomes_a_csv_file(recorder: Recorder) -> None:
    run = recorder.run("run 1")
    rows = [(2, 30, 0.1, None), (0, 10, 3.0, None), (1, 20, math.nan, None), (1, 21, -math.inf, 4), (3, 40, -0.0, None)]
    recorder.append(run, points("loss/train", rows))
    link = recorder.services.exports.export_csv(recorder.caller, run, "loss/train")
    assert (link.name, link.expires_at_ms) == ("run_1-loss_train.csv", None)
    assert Path(url2pathname(urlsplit(link.url).path)).name == link.name
    text = content(recorder, link).decode()
    assert text == "step,value,timestamp\n0,3,10\n1,NaN,20\n1,-Infinity,21\n2,0.1,30\n3,-0.0,40\n"
    assert link.size == len(text)


def test_contexts_of_a_key_are_told_apart_in_its_file(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("loss", 1), line("loss", 1, start=1, context=(("s", 'a"b'),)))
    link = recorder.services.exports.export_csv(recorder.caller, run, "loss")
    found = list(csv.reader(io.StringIO(content(recorder, link).decode())))
    assert found == [
        ["step", "value", "timestamp", "context"],
        ["0", "0", "0", ""],
        ["1", "1", "1000", '{"s":"a\\"b"}'],
    ]


def test_lines_become_a_log_file(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, logs=tuple(LogDraft(f"line {number}") for number in range(1, 6)))
    link = recorder.services.exports.export_logs(recorder.caller, run, start=1, rows=3)
    assert content(recorder, link) == b"line 2\nline 3\nline 4\n"
    assert link.name.endswith(".log")
    assert content(recorder, recorder.services.exports.export_logs(recorder.caller, run, start=9, rows=3)) == b""


def test_an_export_s_link_expires_with_its_file(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    recorder.append(run, line("loss", 1))
    exports = recorder.services.exports
    link = exports.export_csv(remote(recorder).caller, run, "loss")
    found = opened(recorder, link.url)
    assert (found.name, found.mime_type) == (link.name, "text/csv; charset=utf-8")
    assert b"".join(found.pieces()).startswith(b"step,")
    cuid = urlsplit(link.url).path.rpartition("/")[2]
    assert exports.get_link(remote(recorder).caller, cuid) == link
    location.clock.advance(LINK_MS + 1)
    with pytest.raises(NotFoundError, match="expired"):
        opened(recorder, link.url)
    with pytest.raises(NotFoundError, match="expired"):
        exports.get_link(recorder.caller, cuid)
    assert len(list(recorder.services.store.exports_dir.iterdir())) == 1
    exports.export_csv(recorder.caller, run, "loss")
    assert [path.name for path in recorder.services.store.exports_dir.iterdir()] != [cuid]
    assert len(list(recorder.services.store.exports_dir.iterdir())) == 1


def test_what_cannot_be_exported_is_told(recorder: Recorder) -> None:
    run = recorder.run()
    exports = recorder.services.exports
    with pytest.raises(NotFoundError, match="has no scalar column 'loss'"):
        exports.export_csv(recorder.caller, run, "loss")
    with pytest.raises(ValidationError, match="start: expected 0 or more"):
        exports.export_logs(recorder.caller, run, start=-1, rows=1)
    with pytest.raises(ValidationError, match="rows: expected 1 to 500000"):
        exports.export_logs(recorder.caller, run, start=0, rows=500_001)
