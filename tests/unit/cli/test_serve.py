from __future__ import annotations

import pytest
from click.testing import CliRunner

from runatlas.cli.main import main


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "either --dir or --database"),
        (["--dir", "a", "--database", "postgresql://localhost/a"], "either --dir or --database"),
        (["--database", "postgresql://localhost/a"], "--blobs-dir"),
        (["--database", "mysql://localhost/a", "--blobs-dir", "b"], "postgresql://"),
        (["--dir", "a", "--port", "65536"], "--port"),
        (["--dir", "a", "--port", "http"], "--port"),
        (["--dir", "a", "--public-url", "runs.example.org"], "write 'https://runs.example.org'"),
        (["--dir", "a", "--origin", "https://runs.example.org/?a=1"], "--public-url"),
        (["--dir", "a", "--public-url", "https://example.org/runs"], "a host of its own"),
        (["--dir", "a", "--workers", "4"], "--workers"),
    ],
)
def test_wrong_usage_is_told_as_such(options: list[str], told: str) -> None:
    done = CliRunner().invoke(main, ["serve", *options])
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stdout == ""
