"""Importing the package is quick because it loads next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import runatlas

HEAVY = (
    "requests",
    "numpy",
    "pandas",
    "matplotlib",
    "sqlalchemy",
    "litestar",
    "uvicorn",
    "cattrs",
    "arro3",
    "click",
    "rich",
)


def test_importing_the_package_loads_no_heavy_module() -> None:
    code = f"import sys, runatlas; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reaching_a_server_of_ours_loads_nothing_of_others() -> None:
    code = (
        "import sys, runatlas; from runatlas.api.opener import open_backend; from runatlas.settings import resolve\n"
        "open_backend(resolve(host='http://127.0.0.1:9'))\n"
        "print([name for name in sys.modules if name.startswith('runatlas.backends.swanlab')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_there_are_at_most_twenty() -> None:
    assert len(runatlas.__all__) <= 20
    assert len(set(runatlas.__all__)) == len(runatlas.__all__)
    for name in runatlas.__all__:
        assert getattr(runatlas, name) is not None
    assert set(runatlas.__all__) <= set(dir(runatlas))


def test_a_name_that_is_elsewhere_says_where() -> None:
    with pytest.raises(
        AttributeError, match=r"^module 'runatlas' has no attribute 'Image'; it is runatlas\.objects\.Image$"
    ):
        _ = runatlas.Image  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"'Imag'$") as mistyped:
        _ = runatlas.Imag  # type: ignore[attr-defined]
    assert (mistyped.value.name, mistyped.value.obj) == ("Imag", runatlas)  # by which Python says what is near


def test_constructors_do_no_io() -> None:
    code = (
        "import socket, builtins, runatlas, runatlas.api.entry\n"
        "api = runatlas.Api(host='http://192.0.2.1:9', api_key='0' * 21)\n"
        "def refuse(*args, **kwargs): raise AssertionError('touched the network')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "run = api.run('ann/demo/abc')\n"
        "repr(run), hash(run), run == run, run.path, api.project('ann/demo').path, repr(api.runs('ann/demo'))\n"
        "print('quiet')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "quiet", done.stderr
