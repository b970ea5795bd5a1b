from __future__ import annotations

import gc
import hashlib
import io
import os
import shutil

import pytest

from runatlas.backends.swanlab import staging
from runatlas.backends.swanlab.staging import Staging, staging_of


def test_bytes_are_found_by_their_hash_until_nothing_holds_them() -> None:
    held = Staging()
    blob = held.put(io.BytesIO(b"abc"))

    assert held.put(io.BytesIO(b"abc")) is blob
    assert held.find(hashlib.sha256(b"abc").hexdigest()) is blob
    assert (blob.size, blob.md5) == (3, "900150983cd24fb0d6963f7d28e17f72")
    assert [path.read_bytes() for path in blob.path.parent.iterdir()] == [b"abc"]

    del held
    gc.collect()
    assert not blob.path.parent.exists()


def test_all_backends_of_a_server_share_it() -> None:
    one = staging_of("http://here")

    assert staging_of("http://here") is one
    assert staging_of("http://there") is not one


def test_what_was_sent_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_SPENT_MAX", 10)
    held = Staging()
    first, second, third, waiting = (held.put(io.BytesIO(text)) for text in (b"first", b"secon", b"third", b"w" * 50))
    for blob in (first, second, first, third):
        held.spend(blob)

    assert held.find(second.sha256) is None
    assert not second.path.exists()
    assert [blob.path.exists() for blob in (first, third, waiting)] == [True, True, True]
    assert held.put(io.BytesIO(b"secon")).path.read_bytes() == b"secon"


def test_a_forked_child_has_its_own_and_leaves_the_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    held = staging_of("http://here")
    directory = held.put(io.BytesIO(b"abc")).path.parent
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert staging_of("http://here") is not held
    del held
    gc.collect()

    assert [path.read_bytes() for path in directory.iterdir()] == [b"abc"]
    shutil.rmtree(directory)
