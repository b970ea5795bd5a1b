"""The SQLite file of a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from runatlas.server.store.engine import DATABASE_NAME, Store


@pytest.mark.parametrize("name", ["plain", "with blanks", "a?b=1&mode=memory", "100%41", "a#b", "ünïcode"])
def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = Store.open(tmp_path / name)
    store.close()
    assert (tmp_path / name / DATABASE_NAME).is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
