"""One server for the table of roles: private things of two workspaces, and everyone who may ask for them."""

from __future__ import annotations

import base64
import json
import re
import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import requests
from integration.server.state import Keeping
from support.server import ServerProcess, make_key, running_server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from runatlas.model.ids import new_cuid

__all__ = [
    "BARE",
    "IDS",
    "LAB",
    "MINGLED",
    "PROJECT",
    "RUN",
    "UNMIXED",
    "Answer",
    "Place",
    "Request",
    "World",
    "artifact_id",
    "serving",
]

ROLES = {"vito": "VISITOR", "vera": "VIEWER", "mia": "MEMBER", "olga": "OWNER"}
OTHERS = ("stan", "ned", "extra")

LAB, PROJECT, RUN = "arcanum", "veiled", "occult"
"""A shared workspace, a private project of it, and a run; the latter two are also in the workspace of ``olga``."""
BARE = "lacking"
"""A workspace like it, with the same members and nothing in it."""
MINGLED, UNMIXED = "mingled", "unmixed"
"""Workspaces like it with a public project; the first one has a private one, too."""
SHOWN = {LAB: MINGLED, PROJECT: "public", RUN: "plain", "whisper": "loud", "dread": "merry", "relic": "trunk"}
"""What the public project and what is in it are called."""
GHOSTS = {LAB: "nowhere", PROJECT: "absent", RUN: "nobody", "whisper": "silence"}
"""What is not there in place of what is private, each as long as that."""
WORDS = (PROJECT, RUN, "whisper", "dread", "relic", "cinder")
"""What the private things are made of: no answer to those who may not see them has it."""

IDS = re.compile(r"\b(?:[a-z][a-z0-9]{20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
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
        connection: On which it is asked; it is opened anew where it was closed.
        keys: The secrets by who has them, those of nobody known included.
        sessions: SwanLab's, of those who have a key; the session of ``revoked`` was begun while the key was good.
        lab: In the shared workspace; its members have the roles that their names stand for.
        own: In olga's own workspace, of which the same are members.
        mingled: In a workspace with a public project, too.
        public: That, which is not private.
        other_run: The cuid of another run beside that of ``lab``.
    """

    server: ServerProcess
    connection: HTTPConnection
    keeping: Keeping
    keys: dict[str, str]
    sessions: dict[str, str]
    lab: Place
    own: Place
    mingled: Place
    public: Place
    other_run: str

    def send(self, method: str, request: Request, headers: dict[str, str] | None = None) -> Answer:
        """Make a request as it is."""
        if method == "SOCKET":
            return self._connect(request, headers or {})
        made = requests.Request(method, self.server.origin + request.path, **request.options).prepare()
        told = {**made.headers, **(headers or {})}
        # Not by requests, and on one connection: of thousands most of the time would be their own.
        connection = self.connection
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            connection.close()  # The server has closed it: nobody asked for a while, or it read no more of a body.
        connection.request(method, made.path_url, made.body, told)
        found = connection.getresponse()
        return Answer(found.status, {name.lower(): text for name, text in found.headers.items()}, found.read())

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

    def new_run(self, workspace: str = LAB, *, state: str = "FINISHED") -> Any:
        """Make a run; one that has ended is not guarded."""
        project = {"workspace": workspace, "project": PROJECT}
        draft = {"project": project, "id": new_cuid(), "state": state}
        return self.make("POST", "runs", json=draft)["run"]

    def new_deletion(self) -> str:
        """Delete a run that was made for it, and return what brings it back."""
        selection = {"workspace": LAB, "project": PROJECT, "ids": [self.new_run()["id"]]}
        plan = self.make("POST", "deletions/plan", json={"runs": selection})
        return str(self.make("POST", "deletions", json=plan)["trash_id"])

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
        used = {fake: real for real, fake in names.items()}

        def turn(found: re.Match[str]) -> str:
            used[_turned(found[0])] = found[0]
            return _turned(found[0])

        def turn_all(text: str) -> str:
            return IDS.sub(turn, text)

        named = self.renamed(request, names)
        path, options, frame = _replaced([named.path, named.options, named.frame], turn_all)
        return Request(path, options, frame), used

    def renamed(self, request: Request, names: Mapping[str, str]) -> Request:
        """Put other names into a request."""
        path, options, frame = _renamed([request.path, request.options, request.frame], names)
        return Request(path, options, frame)

    def shown(self, request: Request) -> Request:
        """Make a request for what is public of one for what is private."""
        pairs = zip(attrs.astuple(self.lab), attrs.astuple(self.public), strict=True)
        return self.renamed(request, {**dict(pairs), **SHOWN})

    def marks(self) -> set[str]:
        """Return what only those may be told who may see the private things."""
        places = (self.lab, self.own, self.mingled)
        ids = {text for place in places for text in attrs.astuple(place)} - {LAB, "olga", MINGLED}
        return {*ids, *WORDS, self.other_run, artifact_id(self.own.cuid)}


def artifact_id(cuid: str, name: str = "relic.pt") -> str:
    """Return what chachaml calls an artifact."""
    return base64.urlsafe_b64encode(f"{cuid}:{name}".encode()).decode().rstrip("=")


def _replaced(value: Any, replace: Callable[[str], str]) -> Any:
    """Replace every text in a request."""
    if isinstance(value, dict):
        return {replace(name): _replaced(item, replace) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replaced(item, replace) for item in value]
    return replace(value) if isinstance(value, str) else value


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Put other names into a request."""

    def replace(text: str) -> str:
        for name, other in names.items():
            text = text.replace(name, other)
        return text

    return _replaced(value, replace)


def _turned(text: str) -> str:
    return text.translate(_TURNED)


def _make(server: ServerProcess, key: str, method: str, path: str, **options: Any) -> Any:
    answer = server.call(method, path, key=key, **options)
    assert answer.ok, (method, path, answer.text)
    return answer.json() if answer.content else None


def _furnish(server: ServerProcess, key: str, workspace: str) -> None:
    """Make a shared workspace; olga's own is there."""
    if workspace != "olga":
        _make(server, key, "POST", "workspaces", json={"username": workspace, "name": "Room", "comment": "!"})
    for name, role in (*ROLES.items(), ("extra", "VIEWER")):
        if name != workspace:
            _make(server, key, "PUT", f"workspaces/{workspace}/members/{name}", json={"role": role})


def _fill(server: ServerProcess, key: str, workspace: str, *, is_public: bool = False) -> Place:
    """Make a project of a workspace, and the run in it."""

    def make(method: str, path: str, **options: Any) -> Any:
        named = _renamed([path, options], SHOWN if is_public else {})
        return _make(server, key, method, named[0], **named[1])

    where = {"workspace": workspace, "project": PROJECT}
    draft = {"workspace": workspace, "name": PROJECT, "visibility": "PUBLIC" if is_public else "PRIVATE"}
    project = make("POST", "projects", json={**draft, "description": "whisper"})
    path = f"{workspace}/{PROJECT}"
    folder = make("POST", f"projects/{path}/folders", json={"name": "whisper"})["id"]
    begun = {"project": where, "id": RUN, "name": "whisper", "labels": ["whisper"]}
    run = make("POST", "runs", json={**begun, "config": {"dread": "whisper"}})["run"]
    patch = {"selection": {**where, "ids": [RUN]}, "patch": {"folder_id": folder}}
    make("POST", "runs/update", json=patch)
    make("POST", "runs", json={"project": where, "id": "other"})
    octets = {"Content-Type": "application/octet-stream"}
    blob = make(
        "POST",
        f"projects/{path}/blobs",
        data=f"{'public' if is_public else 'cinder'} {workspace}".encode(),
        headers=octets,
    )
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
    with running_server(directory, settings={"evaluates": False}) as server:
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
        for name in (LAB, "olga", BARE, MINGLED, UNMIXED):
            _furnish(server, keys["olga"], name)
        lab, own, mingled = (_fill(server, keys["olga"], name) for name in (LAB, "olga", MINGLED))
        public, _ = (_fill(server, keys["olga"], name, is_public=True) for name in (MINGLED, UNMIXED))
        tokens, other = _tokens(server, keys["olga"])
        connection = HTTPConnection(urlsplit(server.origin).netloc, timeout=_PATIENCE_S)
        with closing(connection), closing(Keeping(directory)) as keeping:
            yield World(server, connection, keeping, {**keys, **tokens}, sessions, lab, own, mingled, public, other)
