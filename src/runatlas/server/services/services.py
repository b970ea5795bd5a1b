"""All services over one store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runatlas.server.services.accounts import Accounts
from runatlas.server.services.admin import Administration
from runatlas.server.services.annotations import Annotations
from runatlas.server.services.artifacts import Artifacts
from runatlas.server.services.bodies import Bodies
from runatlas.server.services.caller import Caller
from runatlas.server.services.catalog import Catalog
from runatlas.server.services.changes import Changes
from runatlas.server.services.cleaning import Cleaning
from runatlas.server.services.columns import Columns
from runatlas.server.services.events import Events
from runatlas.server.services.exports import Exports
from runatlas.server.services.folders import Folders
from runatlas.server.services.idempotency import Idempotency
from runatlas.server.services.ingestion_keys import IngestionKeys
from runatlas.server.services.labels import Labels
from runatlas.server.services.links import Links
from runatlas.server.services.login_tokens import LoginTokens
from runatlas.server.services.logs import LogReading
from runatlas.server.services.media import MediaReading
from runatlas.server.services.points import PointReading
from runatlas.server.services.policies import Policies
from runatlas.server.services.projects import Projects
from runatlas.server.services.purging import Purging
from runatlas.server.services.recording import Recording
from runatlas.server.services.registry import Registry
from runatlas.server.services.repository import Repository
from runatlas.server.services.retired_ids import Retirement
from runatlas.server.services.run_import import RunImports
from runatlas.server.services.runs import Runs
from runatlas.server.services.sessions import Sessions
from runatlas.server.services.transfers import Transfers
from runatlas.server.services.trash import Trash
from runatlas.server.services.updates import Updates
from runatlas.server.services.uploads import Uploads
from runatlas.server.services.usage import Usage
from runatlas.server.services.workspaces import Workspaces
from runatlas.server.store.engine import Store, now_ms

__all__ = ["Services"]


class Services:
    """The rules over one store, one object a subject; thread-safe.

    Every public method of theirs takes the caller first, then the arguments of the ``Backend`` method of that name,
    and returns the same record.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.accounts = Accounts(store)
        self.sessions = Sessions(store, self.accounts)
        self.login_tokens = LoginTokens(store, self.accounts)
        self.admin = Administration(store)
        self.idempotency = Idempotency(store)
        self.workspaces = Workspaces(store)
        self.projects = Projects(store)
        self.links = Links(store)
        self.trash = Trash(store)
        self.recording = Recording(store, self.trash)
        self.uploads = Uploads(store, self.links)
        self.bodies = Bodies(store)
        self.events = Events(store)
        self.points = PointReading(store)
        self.columns = Columns(store)
        self.media = MediaReading(store, self.links)
        self.logs = LogReading(store)
        self.artifacts = Artifacts(store, self.links)
        self.exports = Exports(store, self.links)
        self.folders = Folders(store)
        self.runs = Runs(store)
        self.run_imports = RunImports(store)
        self.updates = Updates(store)
        self.repository = Repository(self.projects, self.runs)
        self.retirement = Retirement(store)
        self.labels = Labels(store)
        self.annotations = Annotations(store)
        self.ingestion_keys = IngestionKeys(store)
        self.registry = Registry(store)
        self.catalog = Catalog(store)
        self.transfers = Transfers(store, self.projects, self.trash)
        self.changes = Changes(store, self.trash)
        self.purging = Purging(store)
        self.cleaning = Cleaning(store)
        self.policies = Policies(store, self.cleaning, self.trash)
        self.usage = Usage(store)

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        create: bool = True,
        clock: Callable[[], int] = now_ms,
        blobs_dir: str | Path | None = None,
    ) -> Services:
        """Open a store and put the services over it.

        Args:
            location: A directory, or a ``postgresql://`` URL.
            create: Whether to make what is not there.
            clock: Tells the time in Unix milliseconds.
            blobs_dir: Where blobs and exports lie; needed with PostgreSQL.

        Returns:
            The services.

        Raises:
            StoreError: The store cannot be used; the message says what to do.
        """
        return cls(Store.open(location, create=create, clock=clock, blobs_dir=blobs_dir))

    @staticmethod
    def is_at(directory: str | Path) -> bool:
        """Tell whether there is a store in a directory."""
        return Store.is_at(directory)

    def owner(self) -> Caller:
        """Return the directory's owner, for embedded use."""
        return self.accounts.owner()

    def close(self) -> None:
        """Release connections and files; a second call does nothing."""
        self.store.close()
