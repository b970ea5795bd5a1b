"""Routes of objects in the store of files: links to send them to and to fetch them by, and the sending itself."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, BinaryIO
from urllib.parse import quote

from runatlas.errors import AuthenticationError, NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft, validate_artifact_name
from runatlas.model.batch import Batch
from runatlas.model.codec import dumps
from runatlas.model.ids import RunPath, new_cuid
from runatlas.model.media import BlobRecord, MediaItem
from runatlas.server.dialects.swanlab.body import answer, read_object, run_path
from runatlas.server.dialects.swanlab.reference import locate
from runatlas.server.services.links import Grant
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.download import safe_media_type
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import objects, text, texts, whole

__all__ = [
    "complete_files",
    "complete_parts",
    "fetch_inline",
    "give_credentials",
    "link_downloads",
    "link_uploads",
    "prepare_files",
    "prepare_parts",
    "receive_by_token",
    "receive_object",
]

_PATHS_MAX = 10_000
_FILES_MAX = 1000
_PARTS_MAX = 10_000
_DAY_MS = 24 * 3600 * 1000
_READ = "read inline"


def _granted_url(call: EndpointCall, kind: str, grant: Grant) -> str:
    where = f"{call.user.origin}/api/resources/{kind}/{grant.run}/{quote(grant.path, safe='/')}"
    return f"{where}?expires={grant.expires_at_ms}&signature={grant.signature}"


def _grant_of(call: EndpointCall, doing: str) -> Grant:
    """Read the grant that an address carries."""
    expires = call.value("expires") or ""
    if not (expires.isascii() and expires.isdigit() and len(expires) < 19):
        raise NotFoundError("the link was never given out")
    path = call.params["path"].removeprefix("/")
    return Grant(doing, call.params["cuid"], path, int(expires), call.value("signature") or "")


def _upload_urls(call: EndpointCall, run: RunPath, paths: Iterable[str]) -> list[str]:
    grants = call.services.uploads.grant_uploads(call.user, run, paths)
    return [_granted_url(call, "objects", grant) for grant in grants]


def link_uploads(call: EndpointCall) -> Answer:
    """Answer where media of a run are to be sent to."""
    body = read_object(call)
    cuid = text(body, "experimentId")
    paths = texts(body.get("paths"), "paths", _PATHS_MAX)
    return answer({"urls": _upload_urls(call, locate(call, [cuid])[cuid], paths)})


def receive_object(call: EndpointCall) -> Answer:
    """Take what is sent to such an address."""
    mime_type = safe_media_type(call.headers.get("content-type", ""))
    blob = call.services.uploads.put_upload(_grant_of(call, "upload"), _stream(call), mime_type)
    return Answer(b"{}", headers={"etag": f'"{blob.sha256}"'})


def give_credentials(call: EndpointCall) -> Answer:
    """Answer how the oldest clients send media of a run: as to an object store, with a token of a day."""
    run = call.services.runs.get_run(call.user, run_path(call))
    grant = call.services.uploads.grant_run(call.user, run.path, _DAY_MS)
    credentials = {
        "tmpSecretId": grant.run,
        "tmpSecretKey": grant.signature,
        "sessionToken": f"{grant.expires_at_ms}.{grant.signature}",
    }
    return answer(
        {
            "expiredTime": grant.expires_at_ms // 1000,
            "prefix": f"{run.project_cuid}/{run.cuid}",
            "bucket": "runs",
            "region": "local",
            "endPoint": f"{call.user.origin}/api/resources/s3",
            "pathStyle": True,
            "credentials": credentials,
        }
    )


def receive_by_token(call: EndpointCall) -> Answer:
    """Take what is sent with such a token."""
    expires, _, signature = call.headers.get("x-amz-security-token", "").partition(".")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 19):
        raise AuthenticationError("a token is needed: ask for one at the run's 'sts'")
    grant = Grant("", call.params["cuid"], "", int(expires), signature)
    mime_type = safe_media_type(call.headers.get("content-type", ""))
    path = call.params["path"].removeprefix("/")
    blob = call.services.uploads.put_by_run(grant, path, _stream(call), mime_type)
    return Answer(headers={"etag": f'"{blob.sha256}"'}, media_type="application/xml")


def _stream(call: EndpointCall) -> BinaryIO:
    return call.upload if call.upload is not None else io.BytesIO(call.body)


def link_downloads(call: EndpointCall) -> Answer:
    """Answer where media of a run are to be fetched from, ``""`` for what is not there."""
    body = read_object(call)
    cuid = text(body, "prefix").rstrip("/").rpartition("/")[2]
    paths = texts(body.get("paths"), "paths", _PATHS_MAX)
    found = call.services.media.find_items(call.user, locate(call, [cuid])[cuid], paths)
    return answer({"urls": [_item_url(call, cuid, found.get(path)) for path in paths]})


def _item_url(call: EndpointCall, cuid: str, item: MediaItem | None) -> str:
    if item is None:
        return ""
    if item.url is not None:
        return item.url
    return _granted_url(call, "inline", call.services.links.grant(_READ, cuid, item.path))


def fetch_inline(call: EndpointCall) -> Answer:
    """Return media that lie in the database: a text as text, anything else as JSON."""
    grant = _grant_of(call, _READ)
    call.services.links.check_grant(grant)
    owner = call.services.owner()
    run = call.services.runs.locate_runs(owner, [grant.run])[grant.run]
    item = call.services.media.find_items(owner, run, [grant.path]).get(grant.path)
    if item is None or item.data is None:
        raise NotFoundError("what the link led to is gone")
    content = item.data.get("text")
    headers = {"content-security-policy": "default-src 'none'; sandbox"}
    if isinstance(content, str) and len(item.data) == 1:
        return Answer(content.encode(errors="replace"), media_type="text/plain; charset=utf-8", headers=headers)
    return Answer(dumps(item.data).encode(), headers=headers)


def _files(call: EndpointCall) -> list[dict[str, Any]]:
    return objects(read_object(call).get("files"), "files", _FILES_MAX)


def prepare_files(call: EndpointCall) -> Answer:
    """Answer where files of a run are to be sent to."""
    cuid = call.params["cuid"]
    paths = [text(file, "path") for file in _files(call)]
    return answer({"urls": _upload_urls(call, locate(call, [cuid])[cuid], paths)})


def complete_files(call: EndpointCall) -> Answer:
    """Keep those files that were sent."""
    cuid = call.params["cuid"]
    run = locate(call, [cuid])[cuid]
    paths = [text(file, "path") for file in _files(call) if text(file, "state", "UPLOADED") == "UPLOADED"]
    sent = call.services.uploads.find_uploads(call.user, run, paths)
    for path in paths:
        if path not in sent:
            raise ValidationError(f"path: nothing was sent to {path!r}")
    drafts = tuple(ArtifactDraft(path, sent[path].sha256, sent[path].size, sent[path].mime_type) for path in paths)
    call.services.recording.append(call.user, Batch(run, artifacts=drafts))
    return answer({})


def _part_path(upload_id: str, number: int) -> str:
    return f".parts/{upload_id}/{number}"


def prepare_parts(call: EndpointCall) -> Answer:
    """Answer where the parts of large files are to be sent to."""
    cuid = call.params["cuid"]
    run = locate(call, [cuid])[cuid]
    made = []
    for file in _files(call):
        _kept_path(file)
        count, upload_id = whole(file, "count", 1, _PARTS_MAX), new_cuid()
        urls = _upload_urls(call, run, [_part_path(upload_id, number) for number in range(1, count + 1)])
        parts = [{"partNumber": number, "url": url} for number, url in enumerate(urls, 1)]
        made.append({"uploadId": upload_id, "parts": parts})
    return answer({"files": made})


def complete_parts(call: EndpointCall) -> Answer:
    """Put the parts of large files together, and keep them."""
    cuid = call.params["cuid"]
    run = locate(call, [cuid])[cuid]
    drafts = []
    for file in _files(call):
        path, blob = _kept_path(file), _joined(call, run, file)
        mime_type = safe_media_type(text(file, "mimeType", ""))
        drafts.append(ArtifactDraft(path, blob.sha256, blob.size, mime_type))
    call.services.recording.append(call.user, Batch(run, artifacts=tuple(drafts)))
    return answer({})


def _kept_path(file: dict[str, Any]) -> str:
    """Check where a file is to be kept before any of its parts is sent there or put together."""
    path = text(file, "path")
    try:
        return validate_artifact_name(path, argument="path")
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _joined(call: EndpointCall, run: RunPath, file: dict[str, Any]) -> BlobRecord:
    parts = objects(file.get("parts"), "parts", _PARTS_MAX)
    if not parts:
        raise ValidationError("parts: a file has at least one")
    numbers = sorted(whole(part, "partNumber", 1, _PARTS_MAX) for part in parts)
    if numbers != list(range(1, len(numbers) + 1)):
        told = ", ".join(map(str, numbers[:10]))
        raise ValidationError(f"parts: expected each from 1 to the last one once, got {told}")
    upload_id = text(file, "uploadId")
    return call.services.uploads.join_uploads(call.user, run, [_part_path(upload_id, number) for number in numbers])
