"""Recorded conversations: who has them listed, and who has listened to one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from dialer.console.errors import NOT_FOUND, RECORDING_GONE, ApiError
from dialer.console.table import API, Call, Nothing, Route, route, stream
from dialer.core.records import to_ms
from dialer.stores.ledger import recordings
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.recordings import KEPT, RecordingRow
from dialer.stores.ledger.users import Role
from dialer.stores.recording_files import RecordingFiles

LISTENERS = frozenset({Role.SUPERVISOR, Role.COMPLIANCE, Role.ADMIN})
LISTEN_ACTION = "recording.listen"


class RecordingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: str | None = None
    campaign_id: str | None = None
    attempt_id: str | None = None
    state: str | None = None
    """`recording`, `kept`, `failed` or `erased`."""
    before: str = ""
    """Last id of the page before."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class RecordingList(msgspec.Struct, frozen=True, kw_only=True):
    recordings: list[RecordingRow]
    next_before: str | None
    """Ask with this for the next page; None: there is none."""


async def list_recordings(call: Call[Nothing, RecordingQuery]) -> RecordingList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await recordings.list_recordings(
            conn,
            person_id=query.person_id,
            campaign_id=query.campaign_id,
            attempt_id=query.attempt_id,
            state=query.state,
            before=query.before,
            limit=query.limit,
        )
    following = found[-1].recording_id if len(found) == query.limit else None
    return RecordingList(recordings=found, next_before=following)


async def recording_audio(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """The sound; that it was listened to is on record before its first byte leaves."""
    recording_id = call.param("recording_id")
    async with call.services.ledger.read() as conn:
        row = await recordings.get(conn, recording_id)
    if row is None or row.state != KEPT or row.sha256 is None:
        raise ApiError(
            NOT_FOUND,
            where="recording_id",
            es="una grabación guardada con ese id",
            en="a kept recording with that id",
        )
    await call.services.ledger.transact(
        partial(
            record_audit,
            at_ms=to_ms(call.services.clock.now()),
            actor=call.user.user_id,
            action=LISTEN_ACTION,
            target=recording_id,
            detail={"person": row.person_id},
        )
    )
    files = RecordingFiles(call.services.config.recordings_path)
    sound = await asyncio.to_thread(files.read, row.sha256)
    if sound is None:
        raise ApiError(RECORDING_GONE, where="recording_id")
    wav = sound[:4] == b"RIFF"
    return web.Response(
        body=sound,
        content_type="audio/wav" if wav else "audio/mpeg",
        headers={"Cache-Control": "no-store"},
    )


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/recordings",
        list_recordings,
        body=Nothing,
        query=RecordingQuery,
        answer=RecordingList,
        roles=LISTENERS,
        tag="recordings",
        en="Recorded conversations, newest first",
        es="Conversaciones grabadas, primero las más nuevas",
    ),
    stream(
        "GET",
        f"{API}/recordings/{{recording_id}}/audio",
        recording_audio,
        query=Nothing,
        media_type="audio/wav",
        roles=LISTENERS,
        tag="recordings",
        en="Listen to a recording; the audit shows who did",
        es="Escuchar una grabación; la auditoría muestra quién lo hizo",
        errors=(NOT_FOUND, RECORDING_GONE),
    ),
)
