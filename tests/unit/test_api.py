"""``Api``: where it finds its data, and that it does nothing before it is asked."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.counting import make_counting

import runatlas
from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.entities.run import Run
from runatlas.errors import RequestError, StoreError

KEY = "0123456789abcdefghijk"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    for name in list(os.environ):
        if name.startswith(("RUNATLAS_", "SWANLAB_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_a_directory(tmp_path: Path) -> None:
    for given in ("./store", Path("store"), tmp_path / "work" / "store"):
        with Api(given) as api:
            assert api.location == str(tmp_path / "work" / "store")
            assert repr(api) == f"Api({str(tmp_path / 'work' / 'store')!r})"
            assert api.user().ok


def test_a_host_by_either_name() -> None:
    assert Api(host="http://127.0.0.1:5170/").location == "http://127.0.0.1:5170"
    assert Api("http://127.0.0.1:5170").location == "http://127.0.0.1:5170"
    assert KEY not in repr(Api(host="http://127.0.0.1:5170", api_key=KEY))
    assert Api(f"http://ann:{KEY}@127.0.0.1:5170").location == "http://127.0.0.1:5170"


def test_without_arguments_the_environment_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Api().location == str(tmp_path / "home" / ".runatlas")
    monkeypatch.setenv("RUNATLAS_DIR", str(tmp_path / "named"))
    assert Api().location == str(tmp_path / "named")
    monkeypatch.setenv("RUNATLAS_API_HOST", "http://127.0.0.1:9")
    assert Api().location == "http://127.0.0.1:9"


def test_constructing_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("touched a file")

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse)
        patch.setattr(Path, "open", refuse)
        patch.setattr(Path, "read_text", refuse)
        patch.setattr(Path, "mkdir", refuse)
        apis = [Api(), Api("./store"), Api(host="http://127.0.0.1:9"), Api(host="http://127.0.0.1:9", api_key=KEY)]
        for api in apis:
            api.run("a/b/c"), api.project("a/b"), api.runs("a/b"), api.columns("a/b/c"), api.user()
    assert not (tmp_path / "work" / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"location": 5}, TypeError, "location"),
        ({"location": ""}, ValueError, "location"),
        ({"host": "localhost"}, ValueError, "host"),
        ({"host": 5}, TypeError, "host"),
        ({"location": "./x", "host": "http://127.0.0.1:1"}, ValueError, "host"),
        ({"location": "./x", "api_key": KEY}, ValueError, "api_key"),
        ({"host": "http://127.0.0.1:1", "api_key": "with blank"}, ValueError, "api_key"),
        ({"host": "http://127.0.0.1:1", "api_key": 5}, TypeError, "api_key"),
        ({"host": "http://127.0.0.1:1", "timeout": 0}, ValueError, "timeout"),
        ({"host": "http://127.0.0.1:1", "timeout": "long"}, TypeError, "timeout"),
        ({"host": "http://127.0.0.1:1", "cache": 1}, TypeError, "cache"),
    ],
)
def test_mistakes_are_found_at_once(arguments: dict[str, Any], error: type[Exception], name: str) -> None:
    with pytest.raises(error, match=name):
        Api(**arguments)


def test_a_backend_of_ones_own(tmp_path: Path) -> None:
    account, backend = make_counting(LocalBackend(tmp_path / "store"))
    api = Api(backend=backend)
    assert api.location == str(tmp_path / "store")
    assert account.calls == []
    assert api.user().ok
    assert account.calls == ["get_user"]
    with pytest.raises(ValueError, match="backend"):
        Api("./x", backend=backend)


def test_a_closed_api_says_so() -> None:
    api = Api("./store")
    user = api.user()
    assert user.ok
    api.close()
    api.close()
    assert user.username
    answer = api.run("a/b/c").summary()
    assert isinstance(answer.error, RequestError)
    assert "closed" in answer.errmsg
    assert not api.runs("a/b").ok
    with Api("./store") as again:
        assert again.user().ok
    assert not again.user().ok


def test_a_directory_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "runatlas.db").write_text("this is no database" * 1000)
    api = Api(tmp_path / "store")
    answer = api.create_project(name="x")
    assert isinstance(answer.error, StoreError)
    assert str(tmp_path / "store") in answer.errmsg
    (tmp_path / "store" / "runatlas.db").unlink()
    assert api.create_project(name="x").ok, "the failure is not kept"
    api.close()


def test_without_the_server_extra_a_directory_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("runatlas.server", "runatlas.backends.local"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(runatlas, "server", raising=False)  # or it stays without what could not be imported
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    answer = Api(tmp_path).user()
    assert isinstance(answer.error, StoreError)
    assert "pip install 'runatlas[server]'" in answer.errmsg


def test_a_server_that_is_not_there_is_an_answer() -> None:
    with Api(host="http://127.0.0.1:9", timeout=0.2) as api:
        answer = api.run("a/b/c").summary()
        assert (answer.ok, answer.code) == (False, 0)
        assert isinstance(answer.error, RequestError)
        assert isinstance(answer.error, (ConnectionError, TimeoutError))
        assert not api.project("a/b").ok


def test_pickles_hold_no_key_and_find_their_way(tmp_path: Path) -> None:
    api = Api(host="http://127.0.0.1:9", api_key=KEY)
    run = api.run("ann/demo/abc")
    data = pickle.dumps(run)
    assert KEY.encode() not in data
    assert pickle.loads(data) == run
    assert copy.deepcopy(run) == run
    with Api(tmp_path / "store") as local:
        assert local.create_project(name="demo", description="found").ok
        project = pickle.dumps(local.project(f"{local.user().username}/demo"))
    code = "import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1])).description)"
    done = subprocess.run([sys.executable, "-c", code, project.hex()], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "found"


def test_entities_of_one_place_are_equal_whoever_opened_it() -> None:
    one, other, third = Api("./store"), Api("./store"), Api("./elsewhere")
    assert one.run("a/b/c") == other.run("a/b/c")
    assert len({one.run("a/b/c"), other.run("a/b/c"), third.run("a/b/c")}) == 2
    assert one.project("a/b") != third.project("a/b")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda api: api.run("a/b"), "path"),
        (lambda api: api.run(5), "path"),
        (lambda api: api.run("a/b/c/d"), "path"),
        (lambda api: api.run("a/b/c?d"), "path"),
        (lambda api: api.project("a"), "path"),
        (lambda api: api.project("a/b/c"), "path"),
        (lambda api: api.project("a//"), "path"),
        (lambda api: api.runs("a/b/c"), "path"),
        (lambda api: api.runs_get("a"), "path"),
        (lambda api: api.columns("a/b"), "path"),
        (lambda api: api.column("a/b", "loss"), "path"),
        (lambda api: api.workspace(""), "username"),
        (lambda api: api.workspaces(5), "username"),
        (lambda api: api.projects("a/b"), "path"),
        (lambda api: api.create_project("a"), "name"),
        (lambda api: api.runs_get("a/b", page=0), "page"),
        (lambda api: api.runs_get("a/b", size=0), "size"),
    ],
)
def test_wrong_paths_are_refused_before_anything_is_opened(tmp_path: Path, call: Any, name: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{name}: "):
        call(Api("./store"))
    assert not (tmp_path / "work" / "store").exists()


def test_an_api_may_be_used_in_a_forked_process(tmp_path: Path) -> None:
    code = (
        "import os, sys, runatlas\n"
        "api = runatlas.Api(sys.argv[1])\n"
        "assert api.create_project(name='demo').ok\n"
        "child = os.fork()\n"
        "count = len(api.projects())\n"
        "if child == 0: os._exit(count)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]


def test_the_version_is_that_of_the_package() -> None:
    assert runatlas.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="nope"):
        _ = runatlas.nope  # type: ignore[attr-defined]
    assert issubclass(runatlas.Run, Run)
