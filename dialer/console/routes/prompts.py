"""Recordings of what flows say, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from dialer.console.decoding import JSON_TYPE
from dialer.console.errors import (
    BAD_RECORDING,
    BAD_UPLOAD,
    BODY_TOO_LARGE,
    DISK_FULL,
    TOO_SLOW,
    ApiError,
)
from dialer.console.table import API, MANAGERS, OFFICE, Call, Nothing, Route, route, stream
from dialer.console.uploads import store_body
from dialer.core.records import from_ms
from dialer.core.wav import MOST_BYTES, BadRecording
from dialer.runtime.recordings import Recording, RecordingRefused, Recordings
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.ids import new_id

WAV: Final = "audio/wav"


class RecordingList(msgspec.Struct, frozen=True, kw_only=True):
    recordings: list[Recording]
    """By name."""


class RecordingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    language: Literal["es", "en"]
    says: Annotated[str, Meta(min_length=1, max_length=1_000)]
    """The words it speaks, exactly as the flow has them."""


async def all_recordings(call: Call[Nothing, Nothing]) -> RecordingList:
    folder = call.services.config.prompts_path
    return RecordingList(recordings=await asyncio.to_thread(Recordings(folder).list))


async def add_recording(call: Call[Nothing, RecordingQuery]) -> web.StreamResponse:
    raw = await _body(call.request, call.services.config.data_path)
    query, folder, at = call.query, call.services.config.prompts_path, from_ms(call.now_ms())
    try:
        made = await asyncio.to_thread(
            lambda: Recordings(folder).add(
                raw,
                name=query.name,
                language=query.language,
                says=query.says,
                actor=call.user.user_id,
                at=at,
            )
        )
    except (BadRecording, RecordingRefused) as error:
        raise ApiError(BAD_RECORDING, es=error.es, en=error.en) from error
    async with call.services.ledger.write() as conn:
        await record_audit(
            conn,
            at_ms=call.now_ms(),
            actor=call.user.user_id,
            action="prompt.add",
            target=f"{made.name}/{made.language}",
            detail={"audio": made.audio, "duration_ms": made.duration_ms},
        )
    return web.Response(status=201, body=msgspec.json.encode(made), content_type=JSON_TYPE)


async def _body(request: web.Request, folder: Path) -> bytes:
    """A recording is small enough to be held in memory once it is here."""
    if (request.content_length or 0) > MOST_BYTES:
        raise ApiError(BODY_TOO_LARGE, limit=MOST_BYTES)
    place = folder / f"upload-{new_id()}.wav"
    try:
        await store_body(request, place, MOST_BYTES)
        return await asyncio.to_thread(place.read_bytes)
    finally:
        await asyncio.to_thread(lambda: place.unlink(missing_ok=True))


ROUTES: Final[tuple[Route, ...]] = (
    route(
        "GET",
        f"{API}/prompts",
        all_recordings,
        body=Nothing,
        query=Nothing,
        answer=RecordingList,
        roles=OFFICE,
        tag="content",
        en="Recordings of what flows say",
        es="Grabaciones de lo que dicen los flujos",
    ),
    stream(
        "POST",
        f"{API}/prompts",
        add_recording,
        query=RecordingQuery,
        media_type=JSON_TYPE,
        upload_type=WAV,
        answer=Recording,
        status=201,
        roles=MANAGERS,
        tag="content",
        en="Upload a recording (WAV); it is played wherever a flow says those very words",
        es="Subir una grabación (WAV); suena donde un flujo dice esas mismas palabras",
        errors=(BODY_TOO_LARGE, BAD_UPLOAD, BAD_RECORDING, DISK_FULL, TOO_SLOW),
    ),
)
