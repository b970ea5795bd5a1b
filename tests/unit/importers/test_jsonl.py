"""Lines of a file to runs."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from runatlas.importers.imported_run import ImportedRun
from runatlas.importers.jsonl import BrokenLine, JsonlFile, RepeatedLine, make_run_id
from runatlas.importers.layout import RecordLayout
from runatlas.model.ids import validate_run_id

LAYOUT = RecordLayout(project="demo", id_fields=("run",))
GOOD = b'{"run":"a","points":[[0,{"loss":1.5}]]}'


def read(path: Path, layout: RecordLayout = LAYOUT) -> list[Any]:
    return list(JsonlFile(path, layout).read())


def write(path: Path, *lines: bytes | dict[str, Any]) -> Path:
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def test_a_line_becomes_a_run(tmp_path: Path) -> None:
    layout = RecordLayout(project_field="track", id_fields=("run",), name_field="run", tag_fields=("tags",))
    record = {"track": "short", "run": "a", "tags": ["x"], "lr": None, "points": [[0, {"loss": 1.5}]]}
    [run] = read(write(tmp_path / "runs.jsonl", record), layout)
    assert (run.source, run.line, run.project, run.name, run.labels) == ("runs.jsonl", 1, "short", "a", ("x",))
    assert run.id == make_run_id([["run", "a"]])
    assert run.config == {"track": "short", "run": "a", "tags": ["x"], "lr": None}
    assert run.points.values == {"loss": [1.5]}
    assert run.digest == run.points.digest()


def test_compression_is_told_by_the_bytes_not_by_the_name(tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed.jsonl", tmp_path / "plain.gz"
    packed.write_bytes(gzip.compress(GOOD + b"\n"))
    plain.write_bytes(GOOD)
    assert [run.id for run in read(packed)] == [run.id for run in read(plain)] == [make_run_id([["run", "a"]])]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "this is not JSON: Expecting property name enclosed in double quotes at character 2"),
        (b"not json", "this is not JSON: Expecting value at character 1"),
        (b'{"run":"\xff"}', "this is not UTF-8: byte 9 of the line"),
        (b'{"run":"\xed\xa0\x80"}', "this is not UTF-8: byte 9 of the line"),
        (b"[1]", "expected an object with a run's fields, found list"),
        (b"5", "expected an object with a run's fields, found int"),
        (b"[" * 100_000, "the JSON text is nested too deeply"),
        (b'{"points":[]}', "there is no field 'run'"),
        (b'{"run":"b"}', "there is no field 'points'"),
        (b'{"run":"b","points":[[0.5,{}]]}', "points[0]: the step must be a whole number of 64 bits, found 0.5"),
        (b'{"run":"\\ud800","points":[]}', "this has a text with half a character in it ('\\ud800')"),
        (b'{"run":"b","points":[],"x":["\\uDFFF"]}', "this has a text with half a character in it ('\\udfff')"),
    ],
)
def test_a_broken_line_is_told_with_its_number_and_the_rest_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    after = GOOD.replace(b'"a"', b'"z"')
    first, broken, last = read(write(tmp_path / "runs.jsonl", GOOD, line, after))
    assert (first.line, last.line) == (1, 3)
    assert broken == BrokenLine(2, reason)


def test_a_whole_pair_of_escapes_is_one_character(tmp_path: Path) -> None:
    [run] = read(write(tmp_path / "runs.jsonl", b'{"run":"\\ud83d\\ude00","points":[]}'))
    assert run.name == "\N{GRINNING FACE}"


def test_blank_lines_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD + b"\r\n\r\n  \n" + GOOD.replace(b'"a"', b'"b"'))
    assert [run.line for run in read(path)] == [1, 4]


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_compressed_file_that_breaks_off_gives_what_comes_before(tmp_path: Path, keep: float) -> None:
    lines = [json.dumps({"run": str(i), "points": [[j, {"x": i * j / 7}] for j in range(200)]}) for i in range(50)]
    data = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "runs.jsonl.gz"
    path.write_bytes(data[: int(len(data) * keep)])
    *runs, broken = read(path)
    assert len(runs) > 10
    assert all(isinstance(run, ImportedRun) and run.points.count == 200 for run in runs)
    assert broken.line == len(runs) + 1
    assert "breaks off" in broken.reason


def test_a_damaged_compressed_file_is_told(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"\n".join([GOOD] * 50)))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "runs.jsonl.gz"
    path.write_bytes(data)
    assert isinstance(read(path)[-1], BrokenLine)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing.jsonl")


def test_lines_that_share_their_id_fields(tmp_path: Path) -> None:
    other = {"run": "a", "date": "later", "points": [[0, {"loss": 1.5}]]}
    items = read(write(tmp_path / "runs.jsonl", GOOD, other, GOOD, other))
    first, twin, second, again, again_other = items
    assert twin == RepeatedLine(2, first=1, same=False)
    assert again == RepeatedLine(3, first=1, same=True)
    assert again_other == RepeatedLine(4, first=2, same=True)
    assert first.id == make_run_id([["run", "a"]])
    assert second.id == make_run_id([["run", "a"]], 1) != first.id


def test_ids_are_for_ever_and_valid() -> None:
    # Written down: runs imported years ago must be found again.
    assert make_run_id([["run", "a"]]) == "d08213c50fbf1f8b80a8e6a733660aa4"
    assert make_run_id([["a", 1], ["b", None], ["c", "ä/%"]], 2) == "302203b7a1e3b8f5849b93b2b17a6530"
    for identity in ([["x", "a/b?#"]], [["x", 1]], [["x", "1"]], [["y", 1]], [["x", {"y": [1]}]]):
        assert validate_run_id(make_run_id(identity)) == make_run_id(identity)
    assert make_run_id([["x", 1]]) != make_run_id([["x", "1"]])
    assert make_run_id([["x", 1]]) != make_run_id([["y", 1]])


def test_projects_have_ids_of_their_own(tmp_path: Path) -> None:
    layout = RecordLayout(project_field="p", id_fields=("run",))
    lines: list[dict[str, Any]] = [{"p": name, "run": "a", "points": []} for name in ("one", "two")]
    first, second = read(write(tmp_path / "runs.jsonl", *lines), layout)
    assert (first.project, second.project) == ("one", "two")
    assert first.id == second.id


def test_a_line_is_held_at_a_time(tmp_path: Path) -> None:
    points = [[step, {"loss": step / 3}] for step in range(2000)]
    path = write(tmp_path / "runs.jsonl", *({"run": str(i), "points": points} for i in range(60)))
    file = JsonlFile(path, LAYOUT)
    tracemalloc.start()
    try:
        seen = sum(1 for _ in file.read())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == 60
    assert file.position == file.size == path.stat().st_size
    assert peak < path.stat().st_size
