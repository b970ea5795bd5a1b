"""What matyan's protocol refuses before it reads it."""

from __future__ import annotations

import gzip

from support.server import ServerProcess

from runatlas.server.dialects.matyan.dialect import PREFIX


def test_a_bomb_is_stopped(server: ServerProcess) -> None:
    path = f"{PREFIX}/runs/delete-batch"
    bomb = gzip.compress(b"[" + b" " * (64 << 20) + b"]")
    assert server.call("POST", path, data=bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
    assert server.call("POST", path, data=b"[" * 100_000).status_code == 400
