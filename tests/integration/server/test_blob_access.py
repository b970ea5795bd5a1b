"""Who knows the hash of somebody's file and names it in a run of their own learns nothing, and gets nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.database import Place
from support.server import ServerProcess, running_server

from runatlas.server.services.services import Services

SECRET = b"private weights"
HASH, ABSENT = (hashlib.sha256(content).hexdigest() for content in (SECRET, b"stored by nobody"))


def artifact(sha256: str) -> dict[str, Any]:
    return {"artifacts": [{"name": "stolen.bin", "sha256": sha256, "size": len(SECRET)}]}


def media(sha256: str) -> dict[str, Any]:
    item = {"path": "media/stolen.png", "sha256": sha256, "mime_type": "image/png"}
    return {"media": [{"key": "pic", "step": 1, "items": [item], "column_type": "IMAGE"}]}


@attrs.frozen
class Scene:
    """Ann keeps a file in a private project; Stan has a project of his own."""

    server: ServerProcess
    keys: dict[str, str]

    def ask(self, who: str, method: str, path: str, **options: Any) -> Any:
        answer = self.server.call(method, path, key=self.keys[who], **options)
        assert answer.ok, answer.text
        return answer.json()

    def refusal(self, run: str, body: dict[str, Any], sha256: str) -> tuple[int, str, list[str]]:
        """What Stan is told of a hash, without the hash."""
        answer = self.server.call("POST", f"runs/stan/p/{run}/append", key=self.keys["stan"], json=body)
        return answer.status_code, answer.text.replace(sha256, "…"), sorted(answer.headers)

    def links(self, who: str, run: str) -> list[str]:
        """The links that a run gives out to its files and media."""
        files = self.ask(who, "GET", f"runs/{who}/p/{run}/artifacts")["items"]
        seen = self.ask(who, "POST", f"runs/{who}/p/{run}/media/query", json={})["items"]
        return [item["url"] for item in (*files, *(item for record in seen for item in record["items"]))]


@pytest.fixture(scope="module")
def scene(new_location: Place) -> Iterator[Scene]:
    location = new_location()
    services = Services.open(location.name, blobs_dir=location.blobs_dir)
    for name in ("ann", "stan"):
        services.admin.create_user(services.owner(), name)
    keys = {name: services.accounts.create_key(services.owner(), name).secret for name in ("ann", "stan")}
    services.close()
    directory = location.blobs_dir or Path(location.name)
    with running_server(directory, database=location.name if location.blobs_dir else None) as server:
        made = Scene(server, keys)
        for name in keys:
            made.ask(name, "POST", "projects", json={"name": "p"})
            for run in ("r", "s"):
                made.ask(name, "POST", "runs", json={"project": {"workspace": name, "project": "p"}, "id": run})
        assert made.ask("ann", "POST", "projects/ann/p/blobs", data=SECRET)["sha256"] == HASH
        made.ask("ann", "POST", "runs/ann/p/r/append", json=artifact(HASH))
        yield made


@pytest.mark.parametrize("naming", [artifact, media])
def test_a_hash_is_no_key_and_a_guess_tells_nothing(scene: Scene, naming: Any) -> None:
    known, unknown = (scene.refusal("r", naming(sha256), sha256) for sha256 in (HASH, ABSENT))
    assert known == unknown
    assert known[0] == 422
    assert scene.links("stan", "r") == []


def test_who_has_the_bytes_stores_them_and_names_them(scene: Scene) -> None:
    assert scene.ask("stan", "POST", "projects/stan/p/blobs", data=SECRET)["sha256"] == HASH
    for naming in (artifact, media):
        scene.ask("stan", "POST", "runs/stan/p/s/append", json=naming(HASH))
    links = scene.links("stan", "s")
    assert len(links) == 2
    for link in (*links, *scene.links("ann", "r")):
        assert scene.server.call("GET", link.removeprefix(scene.server.origin)).content == SECRET
