"""What ``usage()`` answers: figures, and the table of them."""

from __future__ import annotations

from support.place import Place

PROJECT = "my-team/my-project"


def test_figures_are_a_table_too(place: Place) -> None:
    usage = place.api.usage(PROJECT).unwrap()
    frame = usage.to_pandas()
    assert [*frame.columns][:4] == ["run", "bytes", "runs", "points"]
    assert list(frame["run"]) == [item.name for item in usage.items]
    assert frame["points"].sum() == usage.total.points > 2000
    assert list(frame["bytes"]) == sorted((item.bytes for item in usage.items), reverse=True)
    assert usage.to_csv().splitlines()[0] == (
        "run,bytes,runs,points,point_bytes,files,file_bytes,trashed_runs,trashed_bytes"
    )
    assert f">{PROJECT}/abc123</td>" in usage._repr_html_()
    assert usage.json()["by"] == "run"


def test_it_is_shown_largest_first_and_says_what_it_leaves_out(place: Place) -> None:
    usage = place.api.usage(PROJECT).unwrap()
    first, second, *rest = repr(usage).splitlines()
    assert first.startswith(f"Usage: {usage.total.bytes:,} bytes in 4 runs, {usage.total.points:,} points in ")
    assert second.startswith(f"- {PROJECT}/abc123: ")
    assert len(rest) == 3
    assert place.api.project(PROJECT).usage(by="metric", limit=1).unwrap().table().complete is False
    most = place.api.usage(PROJECT, by="metric", limit=1).unwrap()
    assert (len(most.items), most.groups) == (1, 3)
