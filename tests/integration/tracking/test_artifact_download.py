"""Files of a run are saved where they are wanted, each under its own path and none over another."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

import runatlas
from runatlas import Api
from runatlas.entities.artifact import Artifact
from runatlas.entities.run import Run
from runatlas.errors import ResponseFormatError, StoreError


@pytest.fixture
def run(tmp_path: Path) -> Run:
    source = tmp_path / "source"
    for name in ("a/weights.bin", "b/weights.bin", "weights.bin"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    with runatlas.Run(repo=tmp_path / "store", experiment="p", capture_terminal_logs=False) as run:
        run.log_artifacts(source)
    return Api(tmp_path / "store").run(run.path)


@pytest.mark.parametrize("made", [False, True])
def test_each_file_keeps_its_path_below_a_directory(run: Run, tmp_path: Path, *, made: bool) -> None:
    out = tmp_path / "out"
    if made:
        out.mkdir()
    saved = [artifact.download(f"{out}/").unwrap() for artifact in run.artifacts()]

    assert saved == [out / "a/weights.bin", out / "b/weights.bin", out / "weights.bin"]
    assert [path.read_text() for path in saved] == ["a/weights.bin", "b/weights.bin", "weights.bin"]
    assert run.artifacts().download(f"{out}/").unwrap() == saved


def test_a_file_is_saved_as_it_is_called(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = run.artifact("a/weights.bin")

    assert artifact.download(tmp_path / "x.bin").unwrap() == tmp_path / "x.bin"
    assert artifact.download(str(tmp_path / "new" / "x.bin")).unwrap().read_text() == "a/weights.bin"
    monkeypatch.chdir(tmp_path)
    assert artifact.download().unwrap() == tmp_path / "a/weights.bin"
    with pytest.raises(TypeError, match="to"):
        artifact.download(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"])
def test_no_name_leads_outside_of_the_directory(run: Run, tmp_path: Path, name: str) -> None:
    held = run.artifact("weights.bin")
    evil = Artifact(held._handle, run, name, attrs.evolve(held.record, name=name))
    answer = evil.download(f"{tmp_path}/out/")

    assert isinstance(answer.error, ResponseFormatError)
    assert not (tmp_path / "out").exists()


def test_files_land_beside_each_other_whatever_they_are_called(run: Run, tmp_path: Path) -> None:
    """A file may be called as what others lie in, as what such a file is called then, or as what is not whole yet."""
    names = ("x", "x/y", "x-2", "x/y/z", "v.part", "v")
    out = tmp_path / "out"
    with runatlas.Run(run.run_id, repo=tmp_path / "store", experiment="p", capture_terminal_logs=False) as writer:
        for number, name in enumerate(names):
            (tmp_path / f"f{number}").write_text(name)
            writer.log_artifact(tmp_path / f"f{number}", name)
    artifacts = Api(tmp_path / "store", cache=False).run(run.path).artifacts()
    for _ in range(2):
        saved = {str(path.relative_to(out)): path.read_text() for path in artifacts.download(out).unwrap()}
        landed = {"x-3": "x", "x/y-2": "x/y", **{name: name for name in ("x-2", "x/y/z", "v.part", "v")}}
        assert {name: text for name, text in saved.items() if text in names} == landed


@pytest.mark.parametrize(("name", "lying"), [("a/weights.bin", "a"), ("weights.bin", "weights.bin/b")])
def test_what_lies_in_the_way_of_a_file_is_told(run: Run, tmp_path: Path, name: str, lying: str) -> None:
    (tmp_path / "out" / lying).parent.mkdir(parents=True)
    (tmp_path / "out" / lying).write_text("mine")
    answer = run.artifact(name).download(f"{tmp_path}/out/")

    assert isinstance(answer.error, StoreError)
    assert repr(name) in answer.error.message
    assert str(tmp_path / "out" / Path(lying).parts[0]) in answer.error.message
    assert (tmp_path / "out" / lying).read_text() == "mine"
