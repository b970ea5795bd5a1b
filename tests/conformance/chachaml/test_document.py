"""Document 003, word for word: its curl commands and its Python, and what our own Api then sees."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from support.server import ServerProcess

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-chachaml")

DOCUMENT = Path(__file__).parent / "document"
TOOLS = {
    "jq": "import json, sys; assert sys.argv[1:] == ['-r', '.id']; print(json.load(sys.stdin)['id'])",
    "bc": """import re, sys
divisor = 1 + int(re.search(r"\\((\\d+) \\+ 1\\)", sys.stdin.read())[1])
print(f"{1000 // divisor / 1000:.3f}".removeprefix("0"))
""",
}
"""What the commands need that is not on every machine; ``bc`` writes no zero before a point."""


def _shell(directory: Path, origin: str, *parts: str) -> str:
    """Run commands of the document, and return what they print."""
    for name, source in TOOLS.items():
        tool = directory / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
        tool.chmod(0o755)
    text = "\n".join((DOCUMENT / f"{part}.txt").read_text(encoding="utf-8") for part in parts)
    script = "set -euo pipefail\nPATH=$PWD/bin:$PATH\n" + text.replace("http://localhost:8080", origin)
    done = subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_curl_commands(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"weights")
    printed = _shell(tmp_path, server.origin, "log", "register")
    assert '"error":"' not in printed
    assert printed.count('{"ok":true}') == 7
    run_id = re.search(r"Run id: (\S+)", printed)
    assert run_id is not None
    registered = json.loads(printed[printed.rindex("{") :])
    assert (registered["name"], registered["version"], registered["stage"]) == ("iris-classifier", 1, "staging")

    api = Api(host=server.origin)
    project = next(project for project in api.projects() if project.name == "iris")
    run = project.run(run_id[1])
    assert run.name == "from-python"
    assert run.labels == ["author=maria"]
    assert run.config == {"lr": 0.01, "epochs": 100}
    assert run.state == "FINISHED"
    table = run.metrics(["accuracy", "loss"], all=True).unwrap()
    assert table["accuracy"].values.to_pylist() == [0.94]
    assert table["loss"].steps.to_pylist() == [0, 1, 2, 3, 4]
    assert table["loss"].values.to_pylist() == [1.0, 0.5, 0.333, 0.25, 0.2]
    (artifact,) = run.artifacts().unwrap()
    assert artifact.name == "model.pkl"
    assert artifact.read().unwrap() == b"weights"


def test_the_python_of_the_document(server: ServerProcess) -> None:
    namespace: dict[str, Any] = {}
    text = (DOCUMENT / "python.txt").read_text(encoding="utf-8")
    exec(text.replace("http://localhost:8080", server.origin), namespace)
    found = requests.get(f"{server.origin}/api/runs/{namespace['run_id']}", timeout=10).json()
    assert found["status"] == "completed"
    assert found["params"] == {"lr": 0.01, "epochs": 100}
    losses = [item["value"] for item in found["metrics"] if item["key"] == "loss"]
    assert losses == [1.0 / (epoch + 1) for epoch in range(100)]
    assert found["tags"] == {"author": "maria"}
