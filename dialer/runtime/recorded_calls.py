"""Recordings of conversations: begun where the law lets, paused for what must not be kept, kept by
hash, and gone when their time is over.

The row is durable before the carrier records. A recording follows the call to a colleague, leaves
out holds, and ends where somebody outside takes the person over. What a crash left unfinished is
fetched from the carrier afterwards, or noted as failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.campaign import RecordPolicy
from compliance.messages import ConsentFact
from compliance.packs import PackSet
from compliance.retention import keep_until, schedule
from compliance.schema_conduct import RetentionStart
from compliance.types import (
    CampaignId,
    Channel,
    ConsentScope,
    ConsentType,
    DecisionId,
    PersonId,
)
from dialer.config import RecordingConfig
from dialer.core.call import Call, CallState
from dialer.core.deciding import CampaignContext
from dialer.core.desk_messages import (
    PauseRecording,
    RecordingAnswer,
    RecordingChanged,
    RecordingMessage,
    RecordingState,
    ResumeRecording,
    SensitiveEntry,
)
from dialer.core.outcome import Contact
from dialer.core.recording import Basis, Refusal, may_record
from dialer.core.records import ConversationRecorded, SubjectChanged, from_ms, to_ms
from dialer.core.writes import AddConsent, RevokeConsent, Write
from dialer.runtime.announcing import Announcer
from dialer.runtime.calls import Calls
from dialer.runtime.carrier_copies import CarrierCopies
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorder import Recorder
from dialer.runtime.refusals import NO_SUCH_CALL, CannotDo
from dialer.runtime.seats import Seat
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger import recordings as rows
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.recordings import RecordingRow
from dialer.stores.ledger.streams import EventStore, NewEvent
from dialer.stores.recording_files import RecordingFiles, duration_of
from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import CallId, PlaybackFinished, RecordingFinished
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

ARTEFACT: Final = "call_recording"
"""What the packs call recordings in their retention schedules."""
ANNOUNCE_S = 20.0
"""Longest announcement."""
UNFINISHED_AFTER = timedelta(hours=3)
"""A recording of which nothing was heard for so long has lost its end."""
CLOSE_S = 3.0
"""Real seconds for the last recordings to be fetched when the engine stops."""
ROUND_ITEMS = 200
"""Most recordings that one sweep handles."""
HOLD, AGENT, ENTRY = "hold", "agent", "entry"
"""Why a recording is paused."""


class _Live:
    """A recording under way."""

    __slots__ = ("basis", "begun", "paused_by", "recording_id", "told")

    def __init__(self, recording_id: str, basis: Basis) -> None:
        self.recording_id = recording_id
        self.basis = basis
        self.begun = False
        """The carrier records."""
        self.paused_by: set[str] = set()
        self.told = False
        """The carrier was told that it is paused."""


class RecordedCalls:
    """All recordings of this worker."""

    def __init__(
        self,
        *,
        config: RecordingConfig,
        files: RecordingFiles,
        clock: Clock,
        adapter: TelephonyAdapter,
        announcer: Announcer,
        calls: Calls,
        desk: Desk,
        outcomes: Outcomes,
        recorder: Recorder,
        ledger: Ledger,
        packs: PackSet,
    ) -> None:
        self._config = config
        self._files = files
        self._clock = clock
        self._adapter = adapter
        self._announcer = announcer
        self._calls = calls
        self._desk = desk
        self._outcomes = outcomes
        self._recorder = recorder
        self._ledger = ledger
        self._packs = packs
        self._live: dict[str, _Live] = {}
        self._finishing: dict[str, tuple[Contact, Basis]] = {}
        """By recording, until its sound is kept."""
        self._announced: dict[str, asyncio.Event] = {}
        self._copies = CarrierCopies(ledger=ledger, adapter=adapter, files=files)
        self._tasks = TaskSet("recordings")
        self.campaign_of: Callable[[CampaignId], CampaignContext | None] = lambda _: None

    # --- beginning ---------------------------------------------------------------------------

    def call_moved(self, before: Call | None, after: Call) -> None:
        """A conversation begins, waits, goes on, or is handed to somebody outside."""
        if before is None:
            return
        if before.bridged_at is None and after.bridged_at is not None:
            self.begin(after)
            return
        live = self._live.get(after.call_id)
        if live is None or before.state is after.state:
            return
        if after.state is CallState.HANDED_OVER:
            self._tasks.start(f"stop:{after.call_id}", self._stop(after))
        elif after.state in (CallState.HELD, CallState.CONSULTING):
            self._pause(after, HOLD, on=True)
        elif after.state in (CallState.BRIDGED, CallState.CONFERENCE):
            self._pause(after, HOLD, on=False)

    def begin(self, call: Call, *, agreed: bool = False) -> None:
        """Record from now on, if that is lawful and wanted."""
        live = self._outcomes.contacts.get(call.call_id)
        campaign = self.campaign_of(call.campaign_id)
        wanted = campaign is not None and campaign.settings.record is not RecordPolicy.OFF
        if live is None or campaign is None or not wanted or call.call_id in self._live:
            return
        self._tasks.start(f"begin:{call.call_id}", self._begin(call, live, campaign, agreed=agreed))

    async def _begin(
        self, call: Call, live: LiveContact, campaign: CampaignContext, *, agreed: bool
    ) -> None:
        contact, now = live.contact, self._clock.now()
        if not self._adapter.facts.recording:
            self._tell(call, RecordingState.OFF, "not_offered")
            return
        basis = may_record(contact, campaign, self._packs, now, agreed=agreed)
        if isinstance(basis, Refusal):
            self._tell(call, RecordingState.OFF, str(basis))
            return
        if basis is Basis.ANNOUNCED and not await self._announce(call, campaign):
            self._tell(call, RecordingState.OFF, "no_announcement")
            return
        known = self._calls.get(call.call_id)
        if known is None or not known.state.is_conversation or call.call_id in self._live:
            return
        recording = self._live[call.call_id] = _Live(new_id(), basis)
        self._finishing[recording.recording_id] = (contact, basis)
        try:
            await self._ledger.transact(
                partial(rows.begin, row=self._row(recording, known, contact))
            )
            await self._adapter.record(call.call_id, recording.recording_id)
        except (LedgerUnavailable, TelephonyError) as error:
            log.warning("recording_not_begun", call=call.call_id, error=str(error))
            self._live.pop(call.call_id, None)
            self._finishing.pop(recording.recording_id, None)
            self._tell(call, RecordingState.OFF, "failed")
            await self._fail(recording.recording_id)
            return
        recording.begun = True
        if self._live.get(call.call_id) is not recording:
            # Meanwhile it was not wanted any more, and could not be stopped before it began.
            await self._end(call)
            return
        self._tell(call, RecordingState.RECORDING)
        await self._follow(call, recording)

    def _row(self, recording: _Live, call: Call, contact: Contact) -> RecordingRow:
        return RecordingRow(
            recording_id=recording.recording_id,
            attempt_id=contact.attempt_id,
            person_id=contact.person_id,
            account_id=contact.account_id,
            campaign_id=contact.campaign_id,
            agent_id=call.agent_id or "",
            basis=recording.basis,
            state=rows.RECORDING,
            started_ms=to_ms(self._clock.now()),
        )

    async def _announce(self, call: Call, campaign: CampaignContext) -> bool:
        """Tell the person that the conversation is recorded; whether they have heard it."""
        words = campaign.settings.recording_prompt
        if words is None:
            return False
        self._tell(call, RecordingState.ANNOUNCING)
        playback_id = f"recording-{call.call_id}"
        heard = self._announced[playback_id] = asyncio.Event()
        try:
            language = campaign.settings.language
            if not await self._announcer.say(call.call_id, words, playback_id, language):
                return False
            async with asyncio.timeout(ANNOUNCE_S / self._clock.speed):
                await heard.wait()
        except (TelephonyError, TimeoutError) as error:
            log.warning("recording_not_announced", call=call.call_id, error=str(error))
            return False
        else:
            return playback_id in self._announced
        finally:
            self._announced.pop(playback_id, None)

    def played(self, event: PlaybackFinished) -> None:
        """The carrier has played a prompt: ours, perhaps."""
        heard = self._announced.get(event.playback_id)
        if heard is None:
            return
        if event.failed:
            del self._announced[event.playback_id]
        heard.set()

    # --- what agents want --------------------------------------------------------------------

    async def handle(self, seat: Seat, message: RecordingMessage) -> None:
        """Raises `CannotDo`, `LedgerUnavailable`."""
        call = self._calls.get(message.call_id)
        contact = self._outcomes.contacts.get(message.call_id)
        if call is None or contact is None or call.agent_id != seat.session.agent_id:
            raise CannotDo(*NO_SUCH_CALL)
        match message:
            case PauseRecording():
                self._pause(call, AGENT, on=True, asked=True)
            case ResumeRecording():
                self._pause(call, AGENT, on=False, asked=True)
            case SensitiveEntry():
                campaign = self.campaign_of(call.campaign_id)
                if campaign is not None and campaign.settings.recording_auto_pause:
                    self._pause(call, ENTRY, on=message.open)
            case RecordingAnswer():
                await self._answered(call, contact.contact, message)

    async def _answered(self, call: Call, contact: Contact, message: RecordingAnswer) -> None:
        """What the person said of being recorded goes on record before anything follows."""
        now, evidence = self._clock.now(), f"call {call.call_id}"
        writes: tuple[Write, ...]
        if message.agrees:
            writes = (
                AddConsent(
                    person_id=contact.person_id,
                    consent=ConsentFact(
                        consent_id=new_id(),
                        scope=ConsentScope.RECORDING,
                        type=ConsentType.EXPRESS,
                        given_at=now,
                        channel=Channel.VOICE,
                        evidence=evidence,
                    ),
                ),
            )
        else:
            writes = tuple(
                RevokeConsent(
                    person_id=contact.person_id, consent_id=consent.consent_id, at_ms=to_ms(now)
                )
                for consent in contact.subject.consents
                if consent.scope is ConsentScope.RECORDING and consent.revoked_at is None
            )
        body = SubjectChanged(
            change="recording_consent",
            value="given" if message.agrees else "refused",
            source=evidence,
            actor=call.agent_id or "",
        )
        await self._recorder.record(
            [NewEvent(person_id=contact.person_id, at_ms=to_ms(now), body=body, writes=writes)]
        )
        if message.agrees:
            self.begin(call, agreed=True)
        elif call.call_id in self._live:
            await self._stop(call)
            self._tell(call, RecordingState.OFF, "refused")

    # --- pausing and ending ------------------------------------------------------------------

    def _pause(self, call: Call, why: str, *, on: bool, asked: bool = False) -> None:
        live = self._live.get(call.call_id)
        if live is None:
            if asked:
                raise CannotDo(
                    "not_recorded",
                    "Esta conversación no se está grabando.",
                    "This conversation is not being recorded.",
                )
            return
        if on:
            live.paused_by.add(why)
        else:
            live.paused_by.discard(why)
        self._tasks.start(f"pause:{call.call_id}", self._follow(call, live))

    async def _follow(self, call: Call, live: _Live) -> None:
        """Bring the carrier to what is wanted now."""
        paused = bool(live.paused_by)
        if live.told is paused or self._live.get(call.call_id) is not live:
            return
        if not live.begun:
            return  # what is wanted then is seen to as soon as it begins
        live.told = paused
        try:
            await self._adapter.pause_recording(call.call_id, paused=paused)
        except TelephonyError as error:
            log.warning("recording_not_paused", call=call.call_id, error=str(error))
            if paused:
                # What must not be kept would be: rather no recording at all.
                await self._stop(call)
                self._tell(call, RecordingState.OFF, "failed")
            return
        self._tell(call, RecordingState.PAUSED if paused else RecordingState.RECORDING)

    async def _stop(self, call: Call) -> None:
        if self._live.pop(call.call_id, None) is not None:
            await self._end(call)

    async def _end(self, call: Call) -> None:
        try:
            await self._adapter.stop_recording(call.call_id)
        except TelephonyError as error:
            log.warning("recording_not_stopped", call=call.call_id, error=str(error))
        self._tell(call, RecordingState.OFF)

    def call_finished(self, call: Call) -> None:
        """The carrier ends the recording with the call, and tells when it is complete."""
        self._live.pop(call.call_id, None)
        waiting = self._announced.pop(f"recording-{call.call_id}", None)
        if waiting is not None:
            waiting.set()

    def _tell(self, call: Call, state: RecordingState, reason: str = "") -> None:
        known = self._calls.get(call.call_id) or call
        seat = self._desk.seat(known.agent_id or "")
        if seat is None:
            return
        if seat.call is not None and seat.call.call_id == call.call_id:
            seat.call = msgspec.structs.replace(seat.call, recording=state)
        seat.say(RecordingChanged(call_id=call.call_id, state=state, reason=reason))

    def state_of(self, call_id: str) -> RecordingState:
        live = self._live.get(call_id)
        if live is None or not live.begun:
            return RecordingState.OFF
        return RecordingState.PAUSED if live.paused_by else RecordingState.RECORDING

    # --- keeping -----------------------------------------------------------------------------

    def finished(self, event: RecordingFinished) -> None:
        """A recording is complete: fetch it and keep it."""
        self._tasks.start(f"keep:{event.recording_id}", self._keep(event))

    async def _keep(self, event: RecordingFinished) -> None:
        live = self._live.get(event.call_id)
        if live is not None and live.recording_id == event.recording_id:
            del self._live[event.call_id]
        contact_basis = self._finishing.pop(event.recording_id, None)
        async with self._ledger.read() as conn:
            row = await rows.get(conn, event.recording_id)
        if row is None or row.state != rows.RECORDING:
            return
        if event.failed:
            log.warning("recording_failed", call=event.call_id)
            await self._fail(event.recording_id)
            return
        basis = contact_basis[1] if contact_basis is not None else Basis(row.basis)
        await self._fetch(row, basis, event.duration_ms)

    async def _fetch(self, row: RecordingRow, basis: Basis, duration_ms: int | None) -> None:
        try:
            sound = await self._adapter.fetch_recording(row.recording_id)
            sha256 = await asyncio.to_thread(self._files.keep, sound)
        except UnknownCall:
            await self._fail(row.recording_id)
            return
        except (TelephonyError, OSError) as error:
            # The carrier still has it: the sweep fetches it later.
            log.error("recording_not_kept", recording=row.recording_id, error=str(error))
            return
        body = ConversationRecorded(
            attempt_id=DecisionId(row.attempt_id),
            recording_id=row.recording_id,
            sha256=sha256,
            bytes=len(sound),
            duration_ms=duration_ms if duration_ms is not None else duration_of(sound),
            basis=basis,
        )
        await self._ledger.transact(partial(self._kept, body=body, row=row))
        await self._copies.delete(row.recording_id)

    async def _kept(
        self, conn: AsyncConnection, body: ConversationRecorded, row: RecordingRow
    ) -> None:
        """The row and the person's stream tell the same, or neither tells it."""
        kept = await rows.keep(
            conn,
            row.recording_id,
            sha256=body.sha256,
            size=body.bytes,
            duration_ms=body.duration_ms,
        )
        if not kept:
            return  # erased meanwhile: the file is nobody's, and goes with the next sweep
        at_ms = to_ms(self._clock.now())
        event = NewEvent(person_id=PersonId(row.person_id), at_ms=at_ms, body=body)
        await EventStore.append_in(conn, [event])

    async def _fail(self, recording_id: str) -> None:
        try:
            await self._ledger.transact(partial(rows.fail, recording_id=recording_id))
        except LedgerUnavailable as error:
            log.warning("recording_not_noted", recording=recording_id, error=str(error))

    # --- upkeep ------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Fetch what a crash left behind, let go what has been kept long enough, remove files.

        Raises `LedgerUnavailable`.
        """
        now = self._clock.now()
        async with self._ledger.read() as conn:
            lost = await rows.unfinished(
                conn, started_before_ms=to_ms(now - UNFINISHED_AFTER), limit=ROUND_ITEMS
            )
        alive = {call.call_id for call in self._calls.live()}
        for row in lost:
            if CallId(row.attempt_id) not in alive:
                await self._fetch(row, Basis(row.basis), None)
        await self._expire()
        await remove_erased(self._ledger, self._files)
        await self._copies.sweep()

    async def _expire(self) -> None:
        now = self._clock.now()
        least = now - timedelta(days=self._config.keep_days)
        async with self._ledger.read() as conn:
            aged = await rows.without_hold(conn, started_before_ms=to_ms(least), limit=ROUND_ITEMS)
        periods = schedule(self._packs, now)
        over = []
        for recording in aged:
            started = {
                RetentionStart.CREATED: from_ms(recording.started_ms),
                RetentionStart.LAST_ACTIVITY: from_ms(recording.last_activity_ms),
            }
            until = keep_until(periods, ARTEFACT, started)
            if until is None or until <= now:
                over.append(recording.recording_id)
        if over:
            await self._ledger.transact(partial(rows.expire, recording_ids=over, now_ms=to_ms(now)))

    async def close(self) -> None:
        """Keep what is complete, as far as a moment allows; the next start fetches the rest."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._tasks.wait()
        except TimeoutError:
            log.warning("recordings_left", tasks=len(self._tasks))
        await self._tasks.cancel()


async def remove_erased(ledger: Ledger, files: RecordingFiles) -> int:
    """Remove the sound of erased recordings; how many files had to go."""
    async with ledger.read() as conn:
        gone = await rows.files_to_remove(conn, ROUND_ITEMS)
    for recording_id, sha256 in gone:
        if sha256 is not None:
            await asyncio.to_thread(files.remove, sha256)
        await ledger.transact(partial(rows.file_removed, recording_id=recording_id))
    return len(gone)
