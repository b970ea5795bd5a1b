"""Names, ids and paths: what is allowed, and how ``workspace/project/run`` is read."""

from __future__ import annotations

import hashlib
import re
import secrets
import string

import attrs

from runatlas.model.text import is_storable

__all__ = [
    "ProjectPath",
    "RunPath",
    "is_cuid",
    "new_cuid",
    "plain_path",
    "project_name_of",
    "project_names",
    "validate_project_name",
    "validate_run_id",
    "validate_workspace_name",
]

_ALPHABET = string.ascii_lowercase + string.digits
_CUIDS = 26 * 36**20
_CUID = re.compile(r"[a-z][a-z0-9]{20}")
_WORKSPACE = re.compile(r"[0-9A-Za-z_-]{1,25}")
_PROJECT = re.compile(r"[0-9A-Za-z_.+-]{1,100}")
_NOT_PROJECT = re.compile(r"[^0-9A-Za-z_.+-]+")
_RUN_FORBIDDEN = re.compile(r'[<>:"/\\|?*#%\x00-\x1f\x7f\ud800-\udfff]')
_RUN_ID_MAX, _TITLE_MAX = 512, 1000


def new_cuid() -> str:
    """Return a new id of 21 characters ``[a-z0-9]``, the first a letter (about 107 random bits)."""
    number, first = divmod(secrets.randbelow(_CUIDS), 26)
    letters = [string.ascii_lowercase[first]]
    for _ in range(20):
        number, letter = divmod(number, 36)
        letters.append(_ALPHABET[letter])
    return "".join(letters)


def is_cuid(text: str) -> bool:
    """Tell whether a text has the form of what ``new_cuid`` returns."""
    return _CUID.fullmatch(text) is not None


def validate_workspace_name(name: str, *, argument: str = "username") -> str:
    """Return ``name`` if it can name a workspace or user: 1 to 25 of ``0-9 A-Z a-z _ -``.

    Raises:
        TypeError: It is not a string.
        ValueError: It has another form; the sentence names ``argument``.
    """
    _require_text(name, argument)
    if not _WORKSPACE.fullmatch(name):
        raise ValueError(f"{argument}: {name!r} is not a workspace name; use 1 to 25 of letters, digits, '_' and '-'")
    return name


def validate_project_name(name: str, *, argument: str = "name") -> str:
    """Return ``name`` if it can name a project: 1 to 100 of ``0-9 A-Z a-z _ . + -``, not ``.`` or ``..``.

    Raises:
        TypeError: It is not a string.
        ValueError: It has another form; the sentence names ``argument``.
    """
    _require_text(name, argument)
    if not _PROJECT.fullmatch(name) or name in {".", ".."}:
        raise ValueError(
            f"{argument}: {name!r} is not a project name; use 1 to 100 of letters, digits, '_', '.', '+' and '-'"
        )
    return name


def project_name_of(title: str) -> str:
    """Return the project name for a free text: the text itself if it can be one, else a readable form with a hash.

    Example:
        >>> project_name_of("iris"), project_name_of("été / 2026")
        ('iris', 't-2026-9532e0a1')
    """
    if _PROJECT.fullmatch(title) and title not in {".", ".."}:
        return title
    readable = _NOT_PROJECT.sub("-", title)[:80].strip("-.")
    digest = hashlib.sha256(title.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{readable}-{digest}" if readable else digest


def project_names(text: str, *, argument: str = "experiment") -> tuple[str, str]:
    """Return the name of the project of a free text, and the title that such a project needs beside it.

    The name is the same for the same text, wherever it is made.

    Args:
        text: What other trackers take for the name of an experiment.
        argument: What to call it in messages.

    Raises:
        TypeError: It is not a string.
        ValueError: It is blank, too long, or holds what no store does; the sentence names ``argument``.

    Example:
        >>> project_names("iris"), project_names("été / 2026")
        (('iris', ''), ('t-2026-9532e0a1', 'été / 2026'))
    """
    _require_text(text, argument)
    if not text.strip() or len(text) > _TITLE_MAX or text in {".", ".."}:
        raise ValueError(f"{argument}: {text[:100]!r} is no name of a project; use 1 to {_TITLE_MAX} characters")
    if not is_storable(text):
        raise ValueError(f"{argument}: {text[:100]!r} must not have NUL characters or lone surrogates")
    name = project_name_of(text)
    return name, "" if name == text else text


def plain_path(text: str, *, argument: str = "path") -> str:
    """Return a path as the store has it, whose project may be called by its title.

    Args:
        text: ``workspace``, ``workspace/project`` or ``workspace/project/run``; other texts stay as they are.
        argument: What to call it in messages.

    Raises:
        TypeError: It is not a string.
        ValueError: The project's part can neither be a name nor a title.

    Example:
        >>> plain_path("ann/iris/k3x9q2ab"), plain_path("ann/my project")
        ('ann/iris/k3x9q2ab', 'ann/my-project-dff9bd4a')
    """
    _require_text(text, argument)
    parts = text.removeprefix("/").split("/")
    if len(parts) not in {2, 3}:
        return text
    workspace, project, *run = parts
    return "/".join([workspace, project_names(project, argument=argument)[0], *run])


def validate_run_id(run_id: str, *, argument: str = "run") -> str:
    """Return ``run_id`` if it can be a run's id.

    Any text of 1 to 512 characters without ``< > : " / \\ | ? * # %``, control characters and lone surrogates, not
    ``.`` or ``..``.

    Raises:
        TypeError: It is not a string.
        ValueError: It has another form; the sentence names ``argument``.
    """
    _require_text(run_id, argument)
    if not run_id or len(run_id) > _RUN_ID_MAX or run_id in {".", ".."} or run_id != run_id.strip():
        raise ValueError(f"{argument}: {run_id!r} is not a run id; use 1 to {_RUN_ID_MAX} characters, no outer blanks")
    found = _RUN_FORBIDDEN.search(run_id)
    if found:
        raise ValueError(f"{argument}: {run_id!r} is not a run id; {found.group()!r} cannot be part of one")
    return run_id


def _require_text(value: object, argument: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected a string, got {type(value).__name__}")


@attrs.frozen(order=True)
class ProjectPath:
    """``workspace/project``.

    Example:
        >>> ProjectPath.parse("ann/demo").project
        'demo'
    """

    workspace: str
    project: str

    @classmethod
    def parse(cls, text: str, *, argument: str = "path") -> ProjectPath:
        """Read ``workspace/project``; one leading slash is tolerated.

        Raises:
            TypeError: ``text`` is not a string.
            ValueError: It does not have two valid parts.
        """
        _require_text(text, argument)
        parts = text.removeprefix("/").split("/")
        if len(parts) != 2:
            slashed = ", or ask the workspace for a project whose title has slashes" if len(parts) > 2 else ""
            raise ValueError(f"{argument}: {text!r} is not a project path; write 'workspace/project'{slashed}")
        return cls(
            validate_workspace_name(parts[0], argument=argument),
            validate_project_name(parts[1], argument=argument),
        )

    @classmethod
    def named(cls, text: str, *, argument: str = "path") -> ProjectPath:
        """Read ``workspace/project`` as people write it: the project may be called by its title.

        Raises:
            TypeError: ``text`` is not a string.
            ValueError: It does not have two valid parts.
        """
        return cls.parse(plain_path(text, argument=argument), argument=argument)

    def run(self, run_id: str) -> RunPath:
        """Return the path of one of this project's runs."""
        return RunPath(self.workspace, self.project, validate_run_id(run_id))

    def __str__(self) -> str:
        return f"{self.workspace}/{self.project}"


@attrs.frozen(order=True)
class RunPath:
    """``workspace/project/run``; ``run`` is the id its client chose, or the server's id of it.

    Example:
        >>> str(RunPath.parse("ann/demo/k3x9q2ab").project_path)
        'ann/demo'
    """

    workspace: str
    project: str
    run: str

    @classmethod
    def parse(cls, text: str, *, argument: str = "path") -> RunPath:
        """Read ``workspace/project/run``; one leading slash is tolerated.

        Raises:
            TypeError: ``text`` is not a string.
            ValueError: It does not have three valid parts.
        """
        _require_text(text, argument)
        parts = text.removeprefix("/").split("/")
        if len(parts) != 3:
            raise ValueError(f"{argument}: {text!r} is not a run path; write 'workspace/project/run'")
        return cls(
            validate_workspace_name(parts[0], argument=argument),
            validate_project_name(parts[1], argument=argument),
            validate_run_id(parts[2], argument=argument),
        )

    @classmethod
    def named(cls, text: str, *, argument: str = "path") -> RunPath:
        """Read ``workspace/project/run`` as people write it: the project may be called by its title.

        Raises:
            TypeError: ``text`` is not a string.
            ValueError: It does not have three valid parts.
        """
        _require_text(text, argument)
        parts = text.removeprefix("/").split("/")
        if len(parts) != 3:
            return cls.parse(text, argument=argument)
        project, _ = project_names(parts[1], argument=argument)
        return cls(
            validate_workspace_name(parts[0], argument=argument), project, validate_run_id(parts[2], argument=argument)
        )

    @property
    def project_path(self) -> ProjectPath:
        """The path of the run's project."""
        return ProjectPath(self.workspace, self.project)

    def __str__(self) -> str:
        return f"{self.workspace}/{self.project}/{self.run}"
