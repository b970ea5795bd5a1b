"""Files kept with a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, overload

from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity
from runatlas.entities.collection import Collection, Window
from runatlas.entities.data_cut import cut
from runatlas.entities.deletion import Deletion, DeletionPlan
from runatlas.entities.run_fields import RunFields
from runatlas.entities.stored_file import StoredFile, as_directory
from runatlas.errors import NotFoundError, ResponseFormatError
from runatlas.model.artifact import ArtifactRecord, validate_artifact_name
from runatlas.model.data_cut import DataCut
from runatlas.model.instant import iso_text
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.response import ApiResponse

__all__ = ["Artifact", "Artifacts"]


class Artifact(Entity[ArtifactRecord]):
    """A file kept with a run.

    Args:
        handle: The way to the backend.
        run: The run.
        name: Its path inside the run.
        record: What is known of it.
    """

    _SHOWN = ("name", "size", "mime_type", "created_at")

    __slots__ = ("_name", "_run")

    def __init__(self, handle: BackendHandle, run: RunFields, name: str, record: ArtifactRecord | None = None) -> None:
        super().__init__(handle, record)
        self._run = run
        self._name = name

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the file."""
        return (str(self._run.run_path), self._name)

    def _scope(self) -> str:
        return str(self._run.run_path)

    def _fetch(self) -> ArtifactRecord:
        backend, run = self._handle.backend, self._run.run_path
        for record in each_item(lambda page: backend.list_artifacts(run, page)):
            if record.name == self._name:
                return record
        raise NotFoundError(f"run {run} has no file {self._name!r}")

    @property
    def name(self) -> str:
        """Its path inside the run, with ``/`` between its parts; no request."""
        return self._name

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._held().size

    @property
    def sha256(self) -> str:
        """The SHA-256 of its content."""
        return self._held().sha256

    @property
    def mime_type(self) -> str:
        """Its media type."""
        return self._held().mime_type

    @property
    def created_at(self) -> str:
        """When it was stored: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    @property
    def url(self) -> str | None:
        """A link that works without further credentials for a while; ``refresh()`` gives a new one."""
        return self._held().url

    def read(self) -> ApiResponse[bytes]:
        """Fetch the content."""
        return ApiResponse.of(lambda: self._file().read().unwrap())

    def download(self, to: str | Path | None = None) -> ApiResponse[Path]:
        """Save the content; it appears under its name only when it is whole, and goes on where it broke off.

        Args:
            to: A file; or a directory, under which it keeps its path inside the run: one that exists, or a text that
                ends in ``/``, which is made. The working directory if not given.

        Returns:
            Where it was saved.
        """
        directory = as_directory(to)
        return ApiResponse.of(lambda: self.save(Path(str(to)) if directory is None else directory / self.place()))

    def save(self, target: Path) -> Path:
        """Save the content as this file; see ``StoredFile.save``."""
        return self._file().save(target)

    def place(self) -> Path:
        """Return where it goes below a directory: its path inside the run.

        Raises:
            ResponseFormatError: That is no path inside a run.
        """
        # A server's word alone must not say where on this machine something goes.
        try:
            return Path(*validate_artifact_name(self.name).split("/"))
        except ValueError as error:
            raise ResponseFormatError(f"the server names a file outside of the run: {error}") from error

    @overload
    def delete(self, commit: Literal[False] = False, *, force: bool = False) -> ApiResponse[DeletionPlan]: ...
    @overload
    def delete(self, commit: Literal[True], *, force: bool = False) -> ApiResponse[Deletion]: ...
    @overload
    def delete(self, commit: bool, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def delete(self, commit: bool = False, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete the file alone, or tell what that would take; the run stays.

        Args:
            commit: Whether to delete; else nothing is changed.
            force: Whether to take it also from under a model version; never from a run that is protected.

        Returns:
            The plan, whose ``bytes`` are what purging frees; or what was deleted, with ``restore()``.

        Raises:
            TypeError: ``commit`` or ``force`` is no boolean.

        Example:
            >>> from pathlib import Path
            >>> from runatlas import Api, Run
            >>> with Run(repo="./experiments", experiment="demo") as made:
            ...     _ = Path("last.pt").write_text("weights")
            ...     _ = made.log_artifact("last.pt")
            >>> run = Api("./experiments").run(made.path)
            >>> deletion = run.artifact("last.pt").delete(commit=True).data
            >>> len(run.artifacts()), deletion.restore().ok, len(run.artifacts())
            (0, True, 1)
        """
        wanted = DataCut(artifacts=(self._name,))
        return cut(self._handle, lambda: self._run.run_path, lambda: wanted, commit=commit, force=force)

    def json(self) -> dict[str, Any]:
        """Return the file's facts as plain values."""
        return {
            "name": self.name,
            "size": self.size,
            "sha256": self.sha256,
            "mime_type": self.mime_type,
            "created_at": self.created_at,
            "url": self.url,
        }

    def _file(self) -> StoredFile:
        record = self._held()
        return StoredFile(
            self._handle,
            url=record.url,
            name=record.name,
            size=record.size,
            sha256=record.sha256,
            expires_at_ms=record.expires_at_ms,
        )


class Artifacts(Collection[Artifact, ArtifactRecord]):
    """The files of a run, by name.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        run: The run.
    """

    def __init__(self, handle: BackendHandle, window: Window, run: RunFields) -> None:
        super().__init__(handle, window)
        self._run = run

    def _scope(self) -> str:
        return str(self._run.run_path)

    def _read(self, page: PageRequest) -> Page[ArtifactRecord]:
        return self._handle.backend.list_artifacts(self._run.run_path, page)

    def _make(self, record: ArtifactRecord) -> Artifact:
        return Artifact(self._handle, self._run, record.name, record)

    def _subject(self) -> str:
        return repr(str(self._run.run_path))

    def download(self, to: str | Path) -> ApiResponse[list[Path]]:
        """Save all files, each under its path inside the run; one that others lie below gets a number: ``a-2``.

        Args:
            to: A directory, made if it is not there.

        Returns:
            Where they were saved.
        """
        if not isinstance(to, (str, Path)):
            raise TypeError(f"to: expected a path, got {type(to).__name__}")
        return ApiResponse.of(lambda: self._save(Path(to)))

    @overload
    def delete(self, commit: Literal[False] = False, *, force: bool = False) -> ApiResponse[DeletionPlan]: ...
    @overload
    def delete(self, commit: Literal[True], *, force: bool = False) -> ApiResponse[Deletion]: ...
    @overload
    def delete(self, commit: bool, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def delete(self, commit: bool = False, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete these files alone, or tell what that would take; the run stays.

        Args:
            commit: Whether to delete; else nothing is changed.
            force: Whether to take them also from under a model version; never from a run that is protected.

        Returns:
            The plan, whose ``bytes`` are what purging frees; or what was deleted, with ``restore()``.

        Raises:
            TypeError: ``commit`` or ``force`` is no boolean.
        """

        def wanted() -> DataCut:
            return DataCut(artifacts=tuple(artifact.name for artifact in self))

        answer = cut(self._handle, lambda: self._run.run_path, wanted, commit=commit, force=force)
        if commit:
            self._forget()
        return answer

    def _save(self, directory: Path) -> list[Path]:
        places = {artifact.place(): artifact for artifact in self}
        above = {directory for place in places for directory in place.parents}
        taken = above.union(places)
        saved = []
        for place, artifact in places.items():
            free, number = place, 1
            while place in above and free in taken:
                number += 1
                free = place.with_name(f"{place.stem}-{number}{place.suffix}")
            taken.add(free)
            saved.append(artifact.save(directory / free))
        return saved
