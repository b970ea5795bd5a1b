"""Media and logs: read, linked, downloaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.place import Place
from support.world import START, make_png

from runatlas.entities.log import LogLine
from runatlas.errors import ResponseFormatError, ServerError
from runatlas.model.batch import Batch
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem

PATH = "my-team/my-project/abc123"
RED, GREEN = make_png((255, 0, 0)), make_png((0, 255, 0))


def test_the_latest_step_comes_unless_told_otherwise(place: Place) -> None:
    run = place.api.run(PATH)
    with place.account.asking("list_media"):
        table = run.medias(["generated_image"]).unwrap()
    assert table.steps == (5, 10)
    assert table["generated_image"].steps == [10]
    image = table["generated_image"][0][0]
    assert (image.caption, image.mime_type, image.size) == ("green", "image/png", len(GREEN))
    assert image["url"] == image.url
    assert run.medias(["generated_image"], step=5)["generated_image"][0].items[0].caption == "red"
    assert run.medias(["generated_image"], step=7)["generated_image"].steps == []
    assert run.medias(["generated_image"], all=True)["generated_image"].steps == [5, 10]
    assert list(run.medias(None).unwrap()) == ["generated_image"]


def test_an_unknown_key_is_empty_and_missing(place: Place) -> None:
    table = place.api.run(PATH).medias(["nope", "generated_image"]).unwrap()
    assert table.missing == ("nope",)
    assert len(table["nope"]) == 0
    assert len(table) == 2
    assert place.api.run("my-team/my-project/nope").medias(["x"]).code == 404


def test_json_has_the_documented_form(place: Place) -> None:
    run = place.api.run(PATH)
    plain = run.medias(["generated_image"], step=5).json()["data"]
    assert plain["metricType"] == "MEDIA"
    assert (plain["experimentId"], plain["projectId"]) == (run.cuid, run.project_id)
    (series,) = plain["list"]
    assert (series["key"], series["steps"], series["step"]) == ("generated_image", [5, 10], 5)
    assert series["metrics"][0]["index"] == 5
    item = series["metrics"][0]["items"][0]
    assert item["url"].startswith("file://")
    assert item["caption"] == "red"


def test_files_are_read_and_downloaded(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = place.api.run(PATH).medias(["generated_image"], step=5)["generated_image"][0]
    image = step.items[0]
    assert image.read().unwrap() == RED
    saved = image.download(tmp_path).unwrap()
    assert saved.parent == tmp_path
    assert saved.read_bytes() == RED
    assert image.download(tmp_path / "red.png").unwrap() == tmp_path / "red.png"
    monkeypatch.chdir(tmp_path)
    assert image.download().unwrap().name == Path(image.path).name
    assert [path.read_bytes() for path in step.download(tmp_path)] == [RED]
    with pytest.raises(TypeError, match="to"):
        image.download(5)


def test_a_broken_download_goes_on_where_it_stopped(place: Place, tmp_path: Path) -> None:
    image = place.api.run(PATH).medias(["generated_image"])["generated_image"][0][0]
    target = tmp_path / "green.png"
    part = tmp_path / f"green.png.{image.sha256[:16]}.part"
    part.write_bytes(GREEN[:10])
    place.account.arguments.clear()
    assert image.download(target).unwrap().read_bytes() == GREEN
    assert not part.exists()


def test_a_damaged_download_is_an_error_and_leaves_nothing(place: Place, tmp_path: Path) -> None:
    image = place.api.run(PATH).medias(["generated_image"])["generated_image"][0][0]
    (tmp_path / f"green.png.{image.sha256[:16]}.part").write_bytes(b"wrong start")
    answer = image.download(tmp_path / "green.png")
    assert isinstance(answer.error, ResponseFormatError)
    assert list(tmp_path.iterdir()) == []
    place.account.fail("open_link", ServerError("down"))
    assert image.download(tmp_path / "green.png").errmsg == "down"
    assert not (tmp_path / "green.png").exists()
    assert image.download(tmp_path / "green.png").ok


def test_names_from_a_server_never_say_where_a_file_goes(own_place: Place, tmp_path: Path) -> None:
    item = MediaItem("media/text/note.txt", data={"text": "hello"}, mime_type="text/plain")
    run_path = own_place.world.run("abc123")
    own_place.world.backend.append(Batch(run_path, media=(MediaDraft("note", 0, (item,), "TEXT"),)))
    note = own_place.api.run(PATH).medias(["note"])["note"][0][0]
    assert note.content == {"text": "hello"}
    assert note.url is None
    assert note.read().unwrap() == b"hello"
    target = tmp_path / "out"
    target.mkdir()
    for name in ("../../evil.txt", "/etc/evil.txt", "..\\evil.txt", ".."):
        note.name = name
        saved = note.download(target).unwrap()
        assert saved.parent == target
    chart = MediaItem("media/figure/f.json", data={"data": [1, 2]}, mime_type="application/json")
    own_place.world.backend.append(Batch(run_path, media=(MediaDraft("fig", 0, (chart,), "FIGURE"),)))
    assert own_place.api.run(PATH).medias(["fig"])["fig"][0][0].read().unwrap() == b'{"data":[1,2]}'


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"keys": []}, ValueError, "keys"),
        ({"keys": "image"}, TypeError, "keys"),
        ({"step": "5"}, TypeError, "step"),
        ({"step": 1.5}, TypeError, "step"),
        ({"step": 5, "all": True}, ValueError, "step"),
        ({"all": 1}, TypeError, "all"),
    ],
)
def test_mistakes_are_named_before_any_request(
    place: Place, arguments: dict[str, Any], error: type[Exception], name: str
) -> None:
    with place.account.asking(), pytest.raises(error, match=name):
        place.api.run(PATH).medias(**{"keys": ["generated_image"], **arguments})


# -- logs -------------------------------------------------------------------------------------------------------------


def test_logs_come_at_a_severity_and_after_an_offset(place: Place) -> None:
    run = place.api.run(PATH)
    with place.account.asking("read_logs"):
        logs = run.logs().unwrap()
    assert [line.message for line in logs] == ["epoch 1", "slow", "bad", "epoch 2"]
    assert (logs.count, logs.total, logs.complete, logs.next_offset) == (4, 4, True, None)
    assert logs[0].timestamp == "2024-05-15T10:40:00.000Z"
    assert [line.message for line in run.logs(level="DEBUG").unwrap()][1] == "details"
    assert [str(line) for line in run.logs(level="ERROR").unwrap()] == ["bad"]
    assert [line.line for line in run.logs(offset=3)] == [4, 5]
    assert str(logs).splitlines()[-1] == "epoch 2"
    assert len(logs[1:]) == 3


def test_logs_in_a_notebook_are_lines_and_no_markup(place: Place) -> None:
    answer = place.api.run(PATH).logs()
    logs = answer.unwrap()
    assert repr(logs) == "Logs(4 of 4 lines)"
    assert "\nepoch 1\nslow\nbad\nepoch 2</pre>" in answer._repr_html_()
    marked = attrs.evolve(logs, lines=(LogLine(1, "INFO", "<b>&"),))
    assert "\n&lt;b&gt;&amp;</pre>" in marked._repr_html_()


def test_times_of_logs_can_be_ignored(place: Place) -> None:
    run = place.api.run(PATH)
    plain = run.logs(ignore_timestamp=True).json()["data"]
    assert plain["logs"][0] == {"epoch": 1, "level": "INFO", "message": "epoch 1", "tag": ""}
    assert (plain["key"], plain["count"], plain["experimentId"]) == ("LOG", 4, run.cuid)
    assert "timestamp" in run.logs().json()["data"]["logs"][0]


def test_long_logs_say_where_to_go_on(own_place: Place) -> None:
    lines = tuple(LogDraft(f"line {number}", time_ms=START) for number in range(2500))
    own_place.world.backend.append(Batch(own_place.world.run("run_id_1"), logs=lines))
    run = own_place.api.run("my-team/my-project/run_id_1")
    first = run.logs().unwrap()
    assert (len(first), first.complete, first.count, first.next_offset) == (1000, False, 2500, 1000)
    assert run.logs(offset=1000).unwrap()[0].message == "line 1000"
    with own_place.account.asking("read_logs", "read_logs", "read_logs"):
        whole = run.logs(all=True).unwrap()
    assert [line.message for line in whole] == [f"line {number}" for number in range(2500)]
    assert whole.complete


def test_logs_are_exported(place: Place, tmp_path: Path) -> None:
    result = place.api.run(PATH).export_logs(start=1, rows=2)
    assert result.ok
    assert result["url"].startswith("file://")
    link = result.unwrap()
    assert link.read().unwrap() == b"details\nslow\n"
    saved = link.download(tmp_path / "run.log").unwrap()
    assert hashlib.sha256(saved.read_bytes()).digest() == hashlib.sha256(b"details\nslow\n").digest()


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda run: run.logs(offset=-1), ValueError, "offset"),
        (lambda run: run.logs(offset="0"), TypeError, "offset"),
        (lambda run: run.logs(level="info"), ValueError, "level"),
        (lambda run: run.logs(level=1), TypeError, "level"),
        (lambda run: run.logs(ignore_timestamp="x"), TypeError, "ignore_timestamp"),
        (lambda run: run.export_logs(start=-1), ValueError, "start"),
        (lambda run: run.export_logs(rows=0), ValueError, "rows"),
        (lambda run: run.export_logs(rows=500_001), ValueError, "rows"),
    ],
)
def test_mistakes_about_logs(place: Place, call: Any, error: type[Exception], name: str) -> None:
    with place.account.asking(), pytest.raises(error, match=name):
        call(place.api.run(PATH))


def test_a_name_that_ends_like_one_makes_a_directory(place: Place, tmp_path: Path) -> None:
    step = place.api.run(PATH).medias(["generated_image"], step=5)["generated_image"][0]
    name = Path(step[0].path).name

    assert step[0].download(f"{tmp_path}/new/deep/").unwrap() == tmp_path / "new" / "deep" / name
    assert step[0].download(f"{tmp_path}/file").unwrap() == tmp_path / "file"
    assert step.download(tmp_path / "many") == [tmp_path / "many" / name]
    table = place.api.run(PATH).medias(["generated_image"], all=True).data
    assert table is not None
    assert len({path.read_bytes() for path in table.download(tmp_path / "all")}) == 2
    assert len(list((tmp_path / "all").iterdir())) == 2
    assert table["generated_image"].download(tmp_path / "all") == table.download(tmp_path / "all")


def test_two_files_of_one_name_are_both_kept(own_place: Place, tmp_path: Path) -> None:
    items = tuple(
        MediaItem(f"media/{place}", data={"text": place}) for place in ("a/x.txt", "b/X.txt", "c/x-2.txt", "d")
    )
    own_place.world.backend.append(Batch(own_place.world.run("abc123"), media=(MediaDraft("note", 0, items, "TEXT"),)))
    saved = own_place.api.run(PATH).medias(["note"])["note"][0].download(tmp_path / "out")

    assert [path.name for path in saved] == ["x.txt", "X-2.txt", "x-2-2.txt", "d"]
    assert [path.read_text() for path in saved] == ["a/x.txt", "b/X.txt", "c/x-2.txt", "d"]
