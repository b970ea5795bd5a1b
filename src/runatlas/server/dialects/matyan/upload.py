"""Bytes that a client sends by itself: leave to send them, the sending, and what becomes of them."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import attrs

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.media import MediaDraft, MediaQuery
from runatlas.server.dialects.matyan.body import answer, read_body
from runatlas.server.dialects.matyan.experiment_place import ensure_run
from runatlas.server.dialects.matyan.message import BlobSaid
from runatlas.server.dialects.matyan.message_batch import filled
from runatlas.server.services.caller import Caller
from runatlas.server.services.links import Grant
from runatlas.server.services.services import Services
from runatlas.server.services.uploads import UploadRecord
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.download import safe_media_type
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import text

__all__ = ["SEQUENCES", "UPLOAD_PATH", "keep_upload", "presign", "put_upload"]

SEQUENCES = "seq/"
"""Objects of sequences are sent below it; they are no artifacts."""

UPLOAD_PATH = "/api/v1/rest/artifacts/upload"


def presign(call: EndpointCall) -> Answer:
    """Say where bytes may be sent to. The run may not be there yet: messages take another way, and no longer one."""
    body = read_body(call, dict)
    run_id, path = text(body, "run_id"), text(body, "artifact_path")
    text(body, "content_type", "")
    with call.services.store.together():
        found = ensure_run(call.services, call.user, run_id)
        if found is None:
            raise NotFoundError(f"run {run_id!r} was deleted")
        (grant,) = call.services.uploads.grant_uploads(call.user, found, [path])
    query = {
        "run": grant.run,
        "path": grant.path,
        "expires": str(grant.expires_at_ms),
        "signature": grant.signature,
    }
    url = f"{call.user.origin}{UPLOAD_PATH}?{urlencode(query, quote_via=quote)}"
    return answer({"upload_url": url, "s3_key": f"{run_id}/{path}", "headers": None})


def put_upload(call: EndpointCall) -> Answer:
    """Take bytes from whoever was told where to send them."""
    if call.upload is None:
        raise ValidationError("the bytes are missing")
    expires = call.value("expires") or ""
    if not (expires.isascii() and expires.isdigit() and len(expires) < 19):
        raise NotFoundError("the link was never given out")
    run, path, signature = (call.value(name) or "" for name in ("run", "path", "signature"))
    grant = Grant("upload", run, path, int(expires), signature)
    kind = safe_media_type(call.headers.get("content-type", ""))
    blob = call.services.uploads.put_upload(grant, call.upload, kind)
    return answer({"status": "OK", "size": blob.size})


def keep_upload(services: Services, caller: Caller, run: RunPath, said: BlobSaid) -> None:
    """Make what was sent an artifact, or put it into the objects that wait for it.

    Raises:
        ValidationError: Nothing was sent to that path.
    """
    sent = services.uploads.find_uploads(caller, run, [said.path]).get(said.path)
    if sent is None:
        raise ValidationError(f"artifact_path: nothing was uploaded to {said.path!r}")
    if said.path.startswith(SEQUENCES):
        drafts = _waiting(services, caller, run, said.path, sent)
        batch = Batch(run, media=drafts)
    else:
        kind = safe_media_type(said.media_type or sent.mime_type)
        batch = Batch(run, artifacts=(ArtifactDraft(said.path, sent.sha256, sent.size, kind),))
    if batch.media or batch.artifacts:
        services.recording.append(caller, batch)


def _waiting(services: Services, caller: Caller, run: RunPath, path: str, sent: UploadRecord) -> tuple[MediaDraft, ...]:
    """The objects whose bytes belong there: the path has their name and step, and no context."""
    name, _, last = path.removeprefix(SEQUENCES).rpartition("/")
    try:
        step = int(last.partition(".")[0])
    except ValueError:
        return ()
    if not name or not -(2**62) < step < 2**62:
        return ()
    found = services.media.list_media(caller, run, MediaQuery(keys=(name,), step=step)).items
    return tuple(
        filled(
            MediaDraft(
                record.key,
                record.step,
                tuple(attrs.evolve(item, url=None, expires_at_ms=None) for item in record.items),
                record.column_type,
                record.context,
                record.epoch,
                record.time_ms,
            ),
            {path: sent},
        )
        for record in found
        if any(item.path == path and item.sha256 != sent.sha256 for item in record.items)
    )
