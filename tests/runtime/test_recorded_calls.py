"""Recordings: when they may begin, what they leave out, how they are kept and when they go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.campaign import CampaignSettings, RecordPolicy
from compliance.messages import Place
from compliance.types import ConsentScope, Mode
from dialer.core.call import CallState
from dialer.core.desk_messages import (
    BackToCall,
    CallConnected,
    CallOver,
    Dispose,
    Disposed,
    HandedOn,
    HangUp,
    Hold,
    PauseRecording,
    RecordingAnswer,
    RecordingChanged,
    RecordingState,
    ResumeRecording,
    SensitiveEntry,
    Transfer,
)
from dialer.core.records import ConversationRecorded, to_ms
from dialer.runtime.exporting import export_person
from dialer.stores.ledger import recordings as rows
from dialer.stores.ledger.erasing import (
    decide_erasure,
    place_hold,
    release_hold,
    request_erasure,
)
from dialer.stores.ledger.oversight_schema import recording
from dialer.stores.ledger.recordings import RecordingRow
from dialer.stores.ledger.schema import person
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.recording_files import RecordingFiles
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.errors import CarrierUnavailable
from telephony_adapters.messages import CallId
from tests.runtime.test_conversations import LEGAL, OUTSIDE, _refusal, changed, patient
from tests.support.fixed_world import FixedWorld
from tests.support.house import DeskAgent, House, open_house

ALL = CampaignSettings(mode=Mode.PROGRESSIVE, record=RecordPolicy.ALL)
AGREED = CampaignSettings(mode=Mode.PROGRESSIVE, record=RecordPolicy.ON_CONSENT)
REC, PAUSED, OFF = RecordingState.RECORDING, RecordingState.PAUSED, RecordingState.OFF


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


@asynccontextmanager
async def on_the_phone(
    folder: Path,
    redis_url: str,
    settings: CampaignSettings,
    *,
    country: str = "CL",
    overrides: dict[str, object] | None = None,
) -> AsyncIterator[tuple[House, DeskAgent, CallId]]:
    world = FixedWorld(default=patient)
    async with open_house(folder, redis_url, world, country=country, overrides=overrides) as house:
        await house.campaign(settings=settings)
        ana = await house.agent("ana")
        await ana.ready()
        yield house, ana, CallId((await ana.hear(CallConnected)).call.call_id)


async def told(agent: DeskAgent, wanted: RecordingState) -> RecordingChanged:
    earlier = [m for m in agent.heard if isinstance(m, RecordingChanged)]
    if earlier and earlier[-1].state is wanted:
        return earlier[-1]
    while True:
        message = await agent.hear(RecordingChanged)
        if message.state is wanted:
            return message


async def the_row(house: House, state: str) -> RecordingRow:
    found: list[RecordingRow] = []

    async def look() -> None:
        async with house.marcador.ledger.read() as conn:
            found[:] = await rows.list_recordings(conn, state=state)

    for _ in range(400):
        await look()
        if found:
            return found[0]
        await house.marcador.clock.sleep(0.5)
    raise AssertionError(f"no recording is {state}")


async def hang_up(agent: DeskAgent, call_id: CallId) -> None:
    await agent.say(HangUp(call_id=call_id))
    await agent.hear(CallOver)
    await agent.say(Dispose(call_id=call_id, code="CD-NV"))
    await agent.hear(Disposed)


async def test_a_recording_leaves_out_what_must_not_be_kept_and_its_hash_is_in_the_chain(
    tmp_path: Path, redis_url: str
) -> None:
    async with on_the_phone(tmp_path, redis_url, ALL) as (house, ana, call_id):
        await told(ana, REC)
        await ana.say(PauseRecording(call_id=call_id))
        await told(ana, PAUSED)
        await ana.say(Hold(call_id=call_id))
        await changed(ana, CallState.HELD)
        await house.marcador.clock.sleep(60.0)
        await ana.say(ResumeRecording(call_id=call_id))
        await ana.say(BackToCall(call_id=call_id))
        await told(ana, REC)
        await ana.say(SensitiveEntry(call_id=call_id, open=True))
        await told(ana, PAUSED)
        await ana.say(SensitiveEntry(call_id=call_id, open=False))
        await told(ana, REC)
        await hang_up(ana, call_id)
        row = await the_row(house, rows.KEPT)
        assert (row.attempt_id, row.agent_id, row.basis) == (call_id, "ana", "not_needed")
        files = RecordingFiles(house.marcador.config.recordings_path)
        assert row.sha256 is not None
        sound = files.read(row.sha256)
        assert sound is not None
        assert len(sound) == row.bytes
        assert row.duration_ms is not None
        assert row.duration_ms < 55_000, "a minute of hold is not in it"
        (path,) = [p for p in files.folder.rglob("*") if p.is_file()]
        assert path.stem == row.sha256
        assert path.stat().st_mode & 0o077 == 0
        events = await house.engine.reader.read_person(row.person_id)  # type: ignore[arg-type]  # ids are texts
        (kept,) = [
            msgspec.json.decode(e.body, type=ConversationRecorded)
            for e in events
            if e.kind == "conversation_recorded"
        ]
        assert (kept.sha256, kept.recording_id) == (row.sha256, row.recording_id)
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0


async def test_where_the_law_asks_for_it_the_recording_is_announced_first(
    tmp_path: Path, redis_url: str
) -> None:
    settings = msgspec.structs.replace(
        AGREED, record=RecordPolicy.ALL, recording_prompt="grabacion"
    )
    async with on_the_phone(tmp_path, redis_url, AGREED) as (house, ana, call_id):
        contact = house.engine.outcomes.contacts[call_id].contact
        residence = Place(country="US", subdivision="US-CA")
        californian = msgspec.structs.replace(
            contact.subject,
            person=msgspec.structs.replace(contact.subject.person, residence=residence),
        )
        house.engine.outcomes.contacts[call_id].contact = msgspec.structs.replace(
            contact, subject=californian
        )
        (runner,) = house.engine.fleet.runners()
        call = house.engine.calls.get(call_id)
        assert call is not None
        silent = msgspec.structs.replace(settings, recording_prompt=None)
        runner.campaign = msgspec.structs.replace(runner.campaign, settings=silent)
        house.engine.floor.recordings.begin(call)
        while (await told(ana, OFF)).reason != "no_announcement":
            ana.heard.clear()
        runner.campaign = msgspec.structs.replace(runner.campaign, settings=settings)
        house.engine.floor.recordings.begin(call)
        await told(ana, RecordingState.ANNOUNCING)
        assert house.engine.floor.recordings.state_of(call_id) is OFF, "not before it was heard"
        await told(ana, REC)
        await hang_up(ana, call_id)
        assert (await the_row(house, rows.KEPT)).basis == "announced"


async def test_only_whoever_agrees_is_recorded_and_a_refusal_ends_it(
    tmp_path: Path, redis_url: str
) -> None:
    async with on_the_phone(tmp_path, redis_url, AGREED) as (house, ana, call_id):
        assert (await told(ana, OFF)).reason == "consent_needed"
        await ana.say(PauseRecording(call_id=call_id))
        assert (await _refusal(ana)).code == "not_recorded"
        await ana.say(RecordingAnswer(call_id=call_id, agrees=True))
        await told(ana, REC)
        ana.heard.clear()
        await ana.say(RecordingAnswer(call_id=call_id, agrees=False))
        while (await told(ana, OFF)).reason != "refused":
            ana.heard.clear()
        row = await the_row(house, rows.KEPT)
        assert row.basis == "consent"
        (person_,) = [
            p
            for a in await house.engine.reader.read_accounts(None, [row.account_id], 0)  # type: ignore[list-item]  # ids are texts
            for p in a.people
            if p.person_id == row.person_id
        ]
        assert [c.scope for c in person_.subject.consents if c.evidence.startswith("call ")] == [
            ConsentScope.RECORDING
        ]


async def test_it_ends_where_somebody_outside_takes_over(tmp_path: Path, redis_url: str) -> None:
    async with on_the_phone(tmp_path, redis_url, ALL, overrides=dict(OUTSIDE)) as (
        house,
        ana,
        call_id,
    ):
        await told(ana, REC)
        await ana.say(Transfer(call_id=call_id, to=LEGAL))
        row = await the_row(house, rows.KEPT)
        assert house.engine.calls.get(call_id) is not None, "they still speak, unrecorded"
        assert row.attempt_id == call_id


async def test_a_legal_hold_outlasts_the_period_and_erasure_takes_the_sound_too(
    tmp_path: Path, redis_url: str
) -> None:
    async with on_the_phone(tmp_path, redis_url, ALL) as (house, ana, call_id):
        await told(ana, REC)
        await hang_up(ana, call_id)
        row = await the_row(house, rows.KEPT)
        assert row.sha256 is not None
        ledger, engine = house.marcador.ledger, house.engine
        files = RecordingFiles(house.marcador.config.recordings_path)
        export = await export_person(
            ledger,
            row.person_id,  # type: ignore[arg-type]  # ids are texts
            tmp_path / "export",
            actor="test",
            now=house.marcador.clock.now(),
            recordings=files,
        )
        assert f"recordings/{row.sha256}.wav" in export.files

        now_ms = to_ms(house.marcador.clock.now())
        hold = await ledger.transact(
            partial(place_hold, person_id=row.person_id, matter="juicio", actor="x", now_ms=now_ms)
        )

        async def grow_old(conn: AsyncConnection, *, days: int) -> None:
            before_ms = now_ms - round(timedelta(days=days).total_seconds() * 1000)
            mine = update(recording).where(recording.c.recording_id == row.recording_id)
            await conn.execute(mine.values(started_ms=before_ms))

        async def state() -> str:
            async with ledger.read() as conn:
                query = select(recording.c.state)
                mine = query.where(recording.c.recording_id == row.recording_id)
                return str((await conn.execute(mine)).scalar_one())

        await ledger.transact(partial(grow_old, days=1_000))
        await engine.floor.recordings.sweep()
        assert await state() == rows.KEPT, "its period has not passed"
        await ledger.transact(partial(grow_old, days=6_000))
        await engine.floor.recordings.sweep()
        assert await state() == rows.KEPT, "a legal hold stands"
        assert files.read(row.sha256) is not None

        async with ledger.write() as conn:
            await release_hold(conn, hold.hold_id, reason="fin", actor="x", now_ms=now_ms)
            asked = await request_erasure(
                conn, row.person_id, reason="pedido", actor="x", now_ms=now_ms
            )
        await ledger.transact(
            partial(
                decide_erasure,
                erasure_id=asked.erasure_id,
                approve=True,
                actor="y",
                now_ms=now_ms,
            )
        )
        assert await state() == rows.ERASED
        await engine.floor.recordings.sweep()
        assert files.read(row.sha256) is None
        async with ledger.read() as conn:
            name = (
                await conn.execute(
                    select(person.c.full_name).where(person.c.person_id == row.person_id)
                )
            ).scalar_one()
        assert name == "erased"
        assert (await verify_ledger(ledger)).problem_count == 0


async def test_what_is_wanted_while_it_begins_is_not_lost(tmp_path: Path, redis_url: str) -> None:
    """The carrier takes its time to begin; a card number is said meanwhile."""
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=dict(OUTSIDE)) as house:
        carrier = house.carrier
        record, pause = carrier.record, carrier.pause_recording
        begins = asyncio.Event()

        async def slowly(call_id: CallId, recording_id: str) -> None:
            await begins.wait()
            await record(call_id, recording_id)

        async def noted(call_id: CallId, *, paused: bool) -> None:
            await pause(call_id, paused=paused)
            told_paused.append(paused)

        told_paused: list[bool] = []
        carrier.record = slowly  # type: ignore[method-assign]  # a slow carrier
        carrier.pause_recording = noted  # type: ignore[method-assign]  # watched from outside
        await house.campaign(settings=ALL)
        ana = await house.agent("ana")
        await ana.ready()
        call_id = CallId((await ana.hear(CallConnected)).call.call_id)
        recordings = house.engine.floor.recordings
        await ana.say(SensitiveEntry(call_id=call_id, open=True))
        assert recordings.state_of(call_id) is OFF
        begins.set()
        await told(ana, PAUSED)
        assert told_paused == [True]
        await ana.say(SensitiveEntry(call_id=call_id, open=False))
        await told(ana, REC)
        await hang_up(ana, call_id)
        await the_row(house, rows.KEPT)


async def test_one_that_is_over_before_it_has_begun_is_stopped(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=dict(OUTSIDE)) as house:
        carrier, begins = house.carrier, asyncio.Event()
        record = carrier.record

        async def slowly(call_id: CallId, recording_id: str) -> None:
            await begins.wait()
            await record(call_id, recording_id)

        carrier.record = slowly  # type: ignore[method-assign]  # a slow carrier
        await house.campaign(settings=ALL)
        ana = await house.agent("ana")
        await ana.ready()
        call_id = CallId((await ana.hear(CallConnected)).call.call_id)
        await ana.say(Transfer(call_id=call_id, to=LEGAL))
        await ana.hear(HandedOn)
        begins.set()
        row = await the_row(house, rows.KEPT)
        assert house.engine.calls.get(call_id) is not None, "they speak on, unrecorded"
        assert row.attempt_id == call_id


async def test_the_carriers_copy_goes_once_the_sound_is_safe_here(
    tmp_path: Path, redis_url: str
) -> None:
    async with on_the_phone(tmp_path, redis_url, ALL) as (house, ana, call_id):
        await told(ana, REC)
        await hang_up(ana, call_id)
        row = await the_row(house, rows.KEPT)
        assert row.sha256 is not None
        await house.until("it is gone", lambda: not house.carrier.stored_recordings())
        ledger = house.marcador.ledger

        async def copies() -> list[str]:
            async with ledger.read() as conn:
                found = await rows.at_carrier(conn, after="", limit=9)
            return [copy.recording_id for copy in found]

        for _ in range(400):
            if not await copies():
                break
            await house.marcador.clock.sleep(0.5)
        assert await copies() == []


async def test_the_carriers_copy_waits_for_the_carrier_and_for_the_sound_to_be_here(
    tmp_path: Path, redis_url: str
) -> None:
    async with on_the_phone(tmp_path, redis_url, ALL) as (house, ana, call_id):
        await told(ana, REC)
        carrier, recordings = house.carrier, house.engine.floor.recordings
        delete = carrier.delete_recording

        async def away(recording_id: str) -> None:
            raise CarrierUnavailable(recording_id)

        carrier.delete_recording = away  # type: ignore[method-assign]  # at this very moment
        await hang_up(ana, call_id)
        row = await the_row(house, rows.KEPT)
        assert row.sha256 is not None
        await recordings.sweep()
        assert carrier.stored_recordings() == {row.recording_id}
        carrier.delete_recording = delete  # type: ignore[method-assign]  # watched from outside
        files = RecordingFiles(house.marcador.config.recordings_path)
        sound = files.read(row.sha256)
        assert sound is not None
        files.path(row.sha256).write_bytes(b"spoiled")
        await recordings.sweep()
        assert carrier.stored_recordings() == {row.recording_id}, "the only good one"
        files.path(row.sha256).write_bytes(sound)
        await recordings.sweep()
        assert carrier.stored_recordings() == frozenset()


async def test_an_erasure_reaches_the_carriers_copy_too(tmp_path: Path, redis_url: str) -> None:
    """Also of a recording that is being made."""
    async with on_the_phone(tmp_path, redis_url, ALL) as (house, ana, call_id):
        await told(ana, REC)
        row = await the_row(house, rows.RECORDING)
        now_ms = to_ms(house.marcador.clock.now())
        erase = partial(rows.erase_person, person_id=row.person_id, now_ms=now_ms)
        await house.marcador.ledger.transact(erase)
        await house.engine.floor.recordings.sweep()
        await hang_up(ana, call_id)
        await house.until("it is whole", lambda: bool(house.carrier.stored_recordings()))
        await house.engine.floor.recordings.sweep()
        assert house.carrier.stored_recordings() == frozenset()
        files = RecordingFiles(house.marcador.config.recordings_path)
        assert not list(files.folder.rglob("*.wav"))


async def test_what_a_crash_left_unfinished_is_fetched_or_noted_as_failed(
    tmp_path: Path, redis_url: str
) -> None:
    async with on_the_phone(tmp_path, redis_url, ALL) as (house, ana, call_id):
        await told(ana, REC)
        house.engine.calls.on_recorded = None  # nobody hears of the end
        await hang_up(ana, call_id)
        row = await the_row(house, rows.RECORDING)
        ledger = house.marcador.ledger
        lost = msgspec.structs.replace(row, recording_id="01LOST", attempt_id="01LOST")

        async def long_ago(conn: AsyncConnection) -> None:
            await rows.begin(conn, lost)
            mine = recording.c.recording_id.in_([row.recording_id, lost.recording_id])
            await conn.execute(update(recording).where(mine).values(started_ms=0))

        await ledger.transact(long_ago)
        await house.engine.floor.recordings.sweep()
        async with ledger.read() as conn:
            found = {r.recording_id: r.state for r in await rows.list_recordings(conn)}
        assert (found[row.recording_id], found["01LOST"]) == (rows.KEPT, rows.FAILED)


def test_files_are_what_their_names_say(tmp_path: Path) -> None:
    files = RecordingFiles(tmp_path / "sounds")
    name = files.keep(b"one")
    assert files.keep(b"one") == name
    assert files.read(name) == b"one"
    files.path(name).write_bytes(b"another")
    assert files.read(name) is None, "changed"
    files.remove(name)
    files.remove(name)
    assert files.read(name) is None
