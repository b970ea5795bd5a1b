"""Files brought to where a SwanLab server wants them: media by their paths, others as files of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import attrs

from runatlas.backends.http.answer import Answer
from runatlas.backends.swanlab.client import SwanlabClient, at
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.staging import StagedBlob
from runatlas.backends.swanlab.submission import split
from runatlas.errors import ResponseFormatError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.media import MediaItem

__all__ = ["FileUpload", "send_files", "send_media"]

_AT_ONCE = 4
_PATHS = 100
_PART = 32 << 20
_IN_PARTS_FROM = 100 << 20


@attrs.frozen
class FileUpload:
    """Files that were sent, and the requests that make them the run's."""

    requests: tuple[tuple[str, dict[str, Any]], ...]

    def complete(self, client: SwanlabClient, scope: str) -> None:
        """Let the run have them."""
        for address, body in self.requests:
            client.write("POST", address, body, scope=scope)


def send_media(
    client: SwanlabClient, cuid: str, contents: Mapping[str, MediaItem], blobs: Mapping[str, StagedBlob]
) -> None:
    """Send objects to their paths.

    Args:
        client: The way to the server.
        cuid: Of the run.
        contents: By path.
        blobs: What was put, by hash.
    """
    for paths in split(list(contents), _PATHS):
        given = client.write("POST", at("resources", "presigned", "put"), {"experimentId": cuid, "paths": paths})
        urls = _urls(given, paths)
        _at_once(partial(_send_item, client, contents[path], blobs, url) for path, url in zip(paths, urls, strict=True))


def _send_item(client: SwanlabClient, item: MediaItem, blobs: Mapping[str, StagedBlob], url: str) -> Answer:
    if item.sha256 is None:
        text = str((item.data or {}).get("text", ""))
        return client.session.upload(url, text.encode(), "text/plain")
    return _send_blob(client, blobs[item.sha256], item.mime_type, url)


def _send_blob(client: SwanlabClient, blob: StagedBlob, mime_type: str, url: str) -> Answer:
    with blob.path.open("rb") as file:
        return client.session.upload(url, file, mime_type)


def send_files(
    client: SwanlabClient, cuid: str, drafts: Sequence[ArtifactDraft], blobs: Mapping[str, StagedBlob]
) -> FileUpload:
    """Send files of a run, which does not have them before ``FileUpload.complete``; of one name the last counts."""
    wanted = list({draft.name: draft for draft in drafts}.values())
    whole = [draft for draft in wanted if blobs[draft.sha256].size < _IN_PARTS_FROM]
    requests = [_send_whole(client, cuid, group, blobs) for group in split(whole, _PATHS)]
    requests += [
        _send_parts(client, cuid, draft, blobs[draft.sha256])
        for draft in wanted
        if blobs[draft.sha256].size >= _IN_PARTS_FROM
    ]
    return FileUpload(tuple(requests))


def _described(draft: ArtifactDraft, blob: StagedBlob) -> dict[str, Any]:
    return {"path": draft.name, "size": blob.size, "md5": blob.md5, "mimeType": draft.mime_type}


def _send_whole(
    client: SwanlabClient, cuid: str, drafts: Sequence[ArtifactDraft], blobs: Mapping[str, StagedBlob]
) -> tuple[str, dict[str, Any]]:
    body = {"files": [_described(draft, blobs[draft.sha256]) for draft in drafts]}
    urls = _urls(client.write("POST", at("experiment", cuid, "files", "prepare"), body), drafts)
    _at_once(
        partial(_send_blob, client, blobs[draft.sha256], draft.mime_type, url)
        for draft, url in zip(drafts, urls, strict=True)
    )
    done = [{"path": draft.name, "state": "UPLOADED"} for draft in drafts]
    return at("experiment", cuid, "files", "complete"), {"files": done}


def _send_parts(client: SwanlabClient, cuid: str, draft: ArtifactDraft, blob: StagedBlob) -> tuple[str, dict[str, Any]]:
    count = -(-blob.size // _PART)
    body = {"files": [{**_described(draft, blob), "count": count}]}
    given = client.write("POST", at("experiment", cuid, "files", "prepare-multipart"), body)
    (told, *_) = Document.read(given, "links").objects("files") or [Document({}, "links.files")]
    urls = {part.whole("partNumber"): part.text("url") for part in told.objects("parts")}
    if sorted(urls) != list(range(1, count + 1)):
        raise ResponseFormatError(f"links.files: expected the parts 1 to {count}, got {sorted(urls)[:10]}")
    parts = []
    with blob.path.open("rb") as file:
        for number in range(1, count + 1):
            answer = client.session.upload(urls[number], file.read(_PART), draft.mime_type)
            parts.append({"partNumber": number, "etag": answer.headers.get("etag", "").strip('"')})
    done = {"path": draft.name, "uploadId": told.text("uploadId"), "parts": parts, "mimeType": draft.mime_type}
    return at("experiment", cuid, "files", "complete-multipart"), {"files": [done]}


def _urls(given: Any, wanted: Sequence[object]) -> tuple[str, ...]:
    urls = Document.read(given, "links").texts("urls")
    if len(urls) != len(wanted) or not all(urls):
        raise ResponseFormatError(f"links.urls: expected {len(wanted)} links, got {len([url for url in urls if url])}")
    return urls


def _at_once(calls: Iterable[Callable[[], Answer]]) -> None:
    """Make some calls side by side; the first error of theirs is told when all have ended."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [threads.submit(call) for call in calls]:
            done.result()
