"""One server for the table of roles: private things of two workspaces, and everyone who may ask for them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from integration.server.roles.state import Keeping
from support.server import ServerProcess, make_key, running_server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from runatlas.model.ids import new_cuid

__all__ = ["BARE", "LAB", "PROJECT", "RUN", "Answer", "Place", "Request", "World", "artifact_id", "serving"]

ROLES = {"vito": "VISITOR", "vera": "VIEWER", "mia": "MEMBER", "olga": "OWNER"}
OTHERS = ("stan", "ned", "extra")

LAB, PROJECT, RUN = "arcanum", "veiled", "occult"
"""A shared workspace, a private project of it, and a run; the latter two are also in the workspace of ``olga``."""
BARE = "lacking"
"""A workspace like it, with the same members and nothing in it."""
GHOSTS = {LAB: "nowhere", PROJECT: "absent", RUN: "nobody", "whisper": "silence"}
"""What is not there in place of what is private, each as long as that."""
WORDS = (PROJECT, RUN, "whisper", "dread", "relic", "cinder")
"""What the private things are made of: no answer to those who may not see them has it."""

_IDS = re.compile(r"\b(?:[a-z][a-z0-9]{20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_TURNED = str.maketrans("0123456789abcdef", "1234567890bcdefa")
_PATIENCE_S = 60


@attrs.frozen
class Request:
    """A path from the server's root, and options as ``requests.request`` takes them; ``frame`` is for a socket."""

    path: str
    options: dict[str, Any] = attrs.field(factory=dict)
    frame: str = ""


@attrs.frozen
class Answer:
    """What came back; of a socket the answer to its first frame, with status 200."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """Everything in it that could tell something."""
        told = {name: value for name, value in self.headers.items() if name not in {"date"}}
        return f"{self.status} {sorted(told.items())} {self.body.decode('utf-8', 'replace')}"


@attrs.frozen
class Place:
    """A private project with a run that has something of everything."""

    workspace: str
    cuid: str
    project_cuid: str
    folder: str
    note: str
    ingestion_key: str
    sha256: str


@attrs.frozen
class World:
    """What the rows of the table speak of.

    Attributes:
        keys: The secrets by who has them, those of nobody known included.
        sessions: SwanLab's, of those who have a key; the session of ``revoked`` was begun while the key was good.
        lab: In the shared workspace; its members have the roles that their names stand for.
        own: In olga's own workspace, of which the same are members.
        other_run: The cuid of another run beside that of ``lab``.
    """

    server: ServerProcess
    keeping: Keeping
    keys: dict[str, str]
    sessions: dict[str, str]
    lab: Place
    own: Place
    other_run: str

    def send(self, method: str, request: Request, headers: dict[str, str] | None = None) -> Answer:
        """Make a request as it is."""
        if method == "SOCKET":
            return self._connect(request, headers or {})
        options = {"allow_redirects": False, **request.options}
        options["headers"] = {**options.get("headers", {}), **(headers or {})}
        found = self.server.call(method, request.path, **options)
        return Answer(found.status_code, {name.lower(): text for name, text in found.headers.items()}, found.content)

    def _connect(self, request: Request, headers: dict[str, str]) -> Answer:
        url = self.server.origin.replace("http", "ws", 1) + request.path
        try:
            with connect(url, proxy=None, additional_headers=headers, open_timeout=_PATIENCE_S) as socket:
                socket.send(request.frame)
                return Answer(200, {}, str(socket.recv(timeout=_PATIENCE_S)).encode())
        except InvalidStatus as error:
            told = error.response
            return Answer(
                told.status_code, {name.lower(): text for name, text in told.headers.raw_items()}, bytes(told.body)
            )

    def make(self, method: str, path: str, name: str = "olga", **options: Any) -> Any:
        """Do something that is needed before the request that is looked at."""
        return _make(self.server, self.keys[name], method, path, **options)

    def new_run(self, workspace: str = LAB) -> Any:
        """Make a run."""
        draft = {"project": {"workspace": workspace, "project": PROJECT}, "id": new_cuid()}
        return self.make("POST", "runs", json=draft)["run"]

    def ghost(self, request: Request, *, sees_workspace: bool) -> tuple[Request, dict[str, str]]:
        """Make a request for what is not there of one for what is private.

        Args:
            request: What is asked.
            sees_workspace: Whether the workspace stays.

        Returns:
            The request, and what stood in place of what is now in it.
        """
        names = {name: fake for name, fake in GHOSTS.items() if name != LAB or not sees_workspace}
        names[artifact_id(self.own.cuid)] = artifact_id(_turned(self.own.cuid))
        used: dict[str, str] = {}
        path, options, frame = _renamed([request.path, request.options, request.frame], names, used)
        return Request(path, options, frame), used

    def renamed(self, request: Request, names: dict[str, str]) -> Request:
        """Put other names into a request."""
        path, options, frame = _renamed([request.path, request.options, request.frame], names, {})
        return Request(path, options, frame)

    def marks(self) -> set[str]:
        """Return what only those may be told who may see the private things."""
        places = (self.lab, self.own)
        ids = {text for place in places for text in attrs.astuple(place)} - {LAB, "olga", "vito"}
        return {*ids, *WORDS, self.other_run, artifact_id(self.own.cuid)}


def artifact_id(cuid: str, name: str = "relic.pt") -> str:
    """Return what chachaml calls an artifact."""
    return base64.urlsafe_b64encode(f"{cuid}:{name}".encode()).decode().rstrip("=")


def _renamed(value: Any, names: dict[str, str], used: dict[str, str]) -> Any:
    """Put into a request, in place of names and ids that are there, others; ``used`` takes what stood where."""
    if isinstance(value, dict):
        return {name: _renamed(item, names, used) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(item, names, used) for item in value]
    if not isinstance(value, str):
        return value
    for real, fake in names.items():
        if real in value:
            used[fake] = real
            value = value.replace(real, fake)

    def turned(found: re.Match[str]) -> str:
        used[_turned(found[0])] = found[0]
        return _turned(found[0])

    return _IDS.sub(turned, value)


def _turned(text: str) -> str:
    return text.translate(_TURNED)


def _make(server: ServerProcess, key: str, method: str, path: str, **options: Any) -> Any:
    answer = server.call(method, path, key=key, **options)
    assert answer.ok, (method, path, answer.text)
    return answer.json() if answer.content else None


def _fill(server: ServerProcess, key: str, workspace: str) -> Place:
    """Make the private project of a workspace, and the run in it."""

    def make(method: str, path: str, **options: Any) -> Any:
        return _make(server, key, method, path, **options)

    for name, role in (*ROLES.items(), ("extra", "VIEWER")):
        if name != workspace:
            make("PUT", f"workspaces/{workspace}/members/{name}", json={"role": role})
    where = {"workspace": workspace, "project": PROJECT}
    project = make("POST", "projects", json={"workspace": workspace, "name": PROJECT, "description": "whisper"})
    path = f"{workspace}/{PROJECT}"
    folder = make("POST", f"projects/{path}/folders", json={"name": "whisper"})["id"]
    draft = {"project": where, "id": RUN, "name": "whisper", "labels": ["whisper"]}
    run = make("POST", "runs", json={**draft, "config": {"dread": "whisper"}})["run"]
    patch = {"selection": {**where, "ids": [RUN]}, "patch": {"folder_id": folder}}
    make("POST", "runs/update", json=patch)
    make("POST", "runs", json={"project": where, "id": "other"})
    octets = {"Content-Type": "application/octet-stream"}
    blob = make("POST", f"projects/{path}/blobs", data=f"cinder {workspace}".encode(), headers=octets)
    file = {"name": "relic.pt", "sha256": blob["sha256"], "size": blob["size"]}
    image = {"path": "relic.png", "sha256": blob["sha256"], "size": blob["size"]}
    batch = {
        "points": [{"key": "dread", "steps": [1, 2], "values": [0.5, 0.25], "times_ms": [1, 2]}],
        "media": [{"key": "dread/image", "step": 1, "items": [image], "column_type": "IMAGE"}],
        "logs": [{"message": "whisper", "tag": tag} for tag in ("", "record")],
        "artifacts": [file],
    }
    make("POST", f"runs/{path}/{RUN}/append", json=batch)
    note = make("POST", f"runs/{path}/{RUN}/annotations", json={"text": "whisper"})
    token = make("POST", f"runs/{path}/{RUN}/ingestion-keys", json={"name": "whisper"})
    for _ in range(2):
        make("POST", "models", json={"name": "whisper", "run": f"{path}/{RUN}", "artifact": "relic.pt"})
    return Place(workspace, run["cuid"], project["cuid"], folder, note["id"], token["key"]["id"], blob["sha256"])


def _tokens(server: ServerProcess, key: str) -> tuple[dict[str, str], str]:
    """Make the ingestion keys: of the private run, of another one, one that is over, and one that was revoked."""
    other = _make(server, key, "GET", f"runs/{LAB}/{PROJECT}/other")["cuid"]
    wanted = {"token": (RUN, None), "other": ("other", None), "expired": (RUN, 1), "stopped": (RUN, None)}
    found = {}
    for name, (run, ttl_ms) in wanted.items():
        path = f"runs/{LAB}/{PROJECT}/{run}/ingestion-keys"
        made = _make(server, key, "POST", path, json={"name": "whisper", "ttl_ms": ttl_ms})
        found[name] = made["secret"]
        if name == "stopped":
            _make(server, key, "DELETE", f"{path}/{made['key']['id']}")
    return found, other


@contextmanager
def serving(directory: Path) -> Iterator[World]:
    """Serve a world in a new directory."""
    keys = {"boss": make_key(directory, "boss"), "wrong": "0" * 21}
    with running_server(directory) as server:
        for name in (*ROLES, *OTHERS):
            _make(server, keys["boss"], "POST", "admin/users", json={"username": name})
            keys[name] = _make(server, keys["boss"], "POST", "keys", json={"username": name})["secret"]
        revoked = _make(server, keys["olga"], "POST", "keys", json={})
        keys["revoked"] = revoked["secret"]
        sessions = {}
        for name in ("boss", *ROLES, *OTHERS, "revoked"):
            told = server.call("POST", "/api/login/api_key", headers={"authorization": keys[name]}).json()
            sessions[name] = told["sid"]
        _make(server, keys["olga"], "DELETE", f"keys/{revoked['key']['id']}")
        for name in (LAB, BARE):
            _make(server, keys["olga"], "POST", "workspaces", json={"username": name, "name": "Room", "comment": "!"})
        for name, role in (*ROLES.items(), ("extra", "VIEWER")):
            _make(server, keys["olga"], "PUT", f"workspaces/{BARE}/members/{name}", json={"role": role})
        lab, own = (_fill(server, keys["olga"], name) for name in (LAB, "olga"))
        tokens, other = _tokens(server, keys["olga"])
        keeping = Keeping(directory)
        try:
            yield World(server, keeping, {**keys, **tokens}, sessions, lab, own, other)
        finally:
            keeping.close()
