"""What a person says to a flow, made durable before the flow goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from campaigns.flows.messages import PromiseRecorded, RecordPromise
from campaigns.flows.model import Matter
from campaigns.model import Callback
from campaigns.next_contact import callback_life
from compliance.types import Channel, DebtId, SuppressionScope
from dialer.core.desk_messages import PromiseInput
from dialer.core.promising import Taken, promise_context, take_promise
from dialer.core.records import AnyBody, CallbackRequested, PromiseMade, SubjectChanged, to_ms
from dialer.core.writes import AddSuppression, SaveCallback, SaveNote, SetLanguage, Write
from dialer.runtime.flow_run import FlowRun
from dialer.runtime.outcomes import holidays_of
from dialer.runtime.recorder import Recorder
from dialer.runtime.verifying import verify
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.messages import people_of
from dialer.stores.ledger.screens import read_debts
from dialer.stores.ledger.streams import Appended, AppendResult, NewEvent


class NotRecorded(Exception):
    """The ledger refused an event: what the person said is not on record, and is not confirmed."""


class FlowRecords:
    """The writer of flows. Every method returns when its event is durable."""

    def __init__(self, ledger: Ledger, recorder: Recorder) -> None:
        self._ledger = ledger
        self._recorder = recorder

    async def identity(self, run: FlowRun, answers: Mapping[str, str], now: datetime) -> bool:
        """Whether the keys prove who it is."""
        return await verify(self._recorder, run.known, answers, run.on_file, by=run.by, now=now)

    async def promise(
        self, run: FlowRun, wish: RecordPromise, now: datetime
    ) -> tuple[PromiseRecorded, datetime | None]:
        """The promise, measured by the same rules as an agent's, and when it is to be judged."""
        contact = run.known.contact
        context = promise_context(contact, await read_debts(self._ledger, contact.debt_ids), now)
        if context is None or not run.known.verified:
            return PromiseRecorded(ok=False), None
        taken = take_promise(
            contact,
            context,
            PromiseInput(
                amount_cents=wish.amount_cents, due_date=wish.due_date, method=wish.method
            ),
            taken_by=run.by,
            promise_id=new_id(),
            now=now,
            is_holiday=holidays_of(contact.country),
        )
        if not isinstance(taken, Taken):
            return PromiseRecorded(ok=False), None
        body = PromiseMade(
            promise_id=taken.save.promise_id,
            attempt_id=contact.attempt_id,
            debt_ids=(DebtId(taken.save.debt_id),),
        )
        await self._write(run, body, (taken.save,), now)
        return PromiseRecorded(ok=True), taken.review_at

    async def language(self, run: FlowRun, language: str, now: datetime) -> None:
        """A verified person's own choice; one that says no more than what is on file changes
        nothing."""
        person_id = run.known.contact.person_id
        on_file = (run.person.language or "") if run.person is not None else ""
        if not run.is_verified or on_file.partition("-")[0].casefold() == language:
            return
        body = SubjectChanged(change="language", target=person_id, value=language, source=run.by)
        await self._write(run, body, (SetLanguage(person_id=person_id, language=language),), now)

    async def stop_calls(self, run: FlowRun, now: datetime) -> None:
        """No more calls: it binds every decision from here on."""
        if run.live is None:
            await self._stop_number(run, now)
            return
        contact = run.known.contact
        body = SubjectChanged(
            change="opt_out",
            target=contact.point.contact_point_id,
            value=Channel.VOICE,
            source=run.by,
        )
        stop = AddSuppression(
            person_id=contact.person_id,
            suppression_id=new_id(),
            scope=SuppressionScope.CHANNEL,
            channel=Channel.VOICE,
            reason="opt_out",
            starts_ms=to_ms(now),
            created_by=run.by,
            evidence=f"attempt {contact.attempt_id}",
        )
        await self._write(run, body, (stop,), now)

    async def _stop_number(self, run: FlowRun, now: datetime) -> None:
        """Whoever calls is nobody in particular: their number is not called any more, whoever of
        the people on file it may belong to."""
        if run.caller is None:
            return
        async with self._ledger.read() as conn:
            points = await people_of(conn, Channel.VOICE, run.caller)
        events = [
            NewEvent(
                person_id=person_id,
                at_ms=to_ms(now),
                body=SubjectChanged(
                    change="opt_out", target=point_id, value=Channel.VOICE, source=run.by
                ),
                writes=(
                    AddSuppression(
                        person_id=person_id,
                        suppression_id=new_id(),
                        scope=SuppressionScope.CONTACT_POINT,
                        target_id=point_id,
                        channel=Channel.VOICE,
                        reason="opt_out",
                        starts_ms=to_ms(now),
                        created_by=run.by,
                        evidence=f"call {run.call_id}",
                    ),
                ),
            )
            for person_id, point_id in sorted(points)
        ]
        if events:
            self._check(await self._recorder.record(events), "opt_out")

    async def callback(self, run: FlowRun, at: datetime, now: datetime) -> Callback:
        """The person wants to be called back, by any agent."""
        contact = run.known.contact
        callback_id = new_id()
        point_id = contact.point.contact_point_id
        body = CallbackRequested(
            attempt_id=contact.attempt_id,
            callback_id=callback_id,
            contact_point_id=point_id,
            due_ms=to_ms(at),
        )
        save = SaveCallback(
            callback_id=callback_id,
            person_id=contact.person_id,
            account_id=contact.account_id,
            campaign_id=contact.campaign_id,
            contact_point_id=point_id,
            due_ms=to_ms(at),
            expires_ms=to_ms(at + callback_life()),
            agent_id=None,
        )
        await self._write(run, body, (save,), now)
        return Callback(event_id=callback_id, due_at=at, contact_point_id=point_id)

    async def note(self, run: FlowRun, matter: Matter, now: datetime) -> None:
        """What the person said."""
        contact = run.known.contact
        body = SubjectChanged(change="said", target=contact.attempt_id, value=matter, source=run.by)
        note = SaveNote(
            note_id=new_id(),
            person_id=contact.person_id,
            account_id=contact.account_id,
            text=matter,
            author=run.by,
            at_ms=to_ms(now),
        )
        await self._write(run, body, (note,), now)

    async def _write(
        self, run: FlowRun, body: AnyBody, writes: tuple[Write, ...], now: datetime
    ) -> None:
        event = NewEvent(
            person_id=run.known.contact.person_id, at_ms=to_ms(now), body=body, writes=writes
        )
        self._check(await self._recorder.record([event]), type(body).__name__)

    @staticmethod
    def _check(results: Sequence[AppendResult], what: str) -> None:
        for result in results:
            if not isinstance(result, Appended):
                raise NotRecorded(f"{what}: {result}")
