"""Campaigns of messages on a whole engine: real SQLite, real Redis, a simulated provider."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from campaigns.campaign import CampaignAction
from campaigns.content.lifecycle import ContentAction
from campaigns.content.samples import sample_templates
from compliance.types import Channel, DebtStatus, SuppressionScope
from dialer.core.records import AttemptPlanned, PaymentPosted, SubjectChanged
from dialer.core.writes import AddSuppression, SetDebtStatus
from dialer.runtime.replaying import replay_sample
from dialer.runtime.safety import CannotSend
from dialer.stores.ledger.content import ContentKind, act_on_version
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import (
    attempt,
    contact_point,
    debt,
    enrolment,
    ledger_event,
    suppression,
)
from dialer.stores.ledger.streams import AppendResult, EventStore, NewEvent
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messaging import DeliveryState, Refusal
from telephony_adapters.simulator.message_script import MessageFault, MessageRule, MessageScript
from telephony_adapters.simulator.script import Doubt, Outage
from tests.support.letters import FixedLetters, blast, comes_to, contact_request
from tests.support.post import WritingHouse, open_writing_house

FAST = 2_000.0
"""An hour in less than two seconds."""
NIGHT_IN_CHILE = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
"""22:00 of Tuesday in Santiago."""


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


OVERDUE_VALUES = {"payment_methods": "sucursal", "claim_route": "reclamos@x.example"}


def taken(house: WritingHouse) -> list[str]:
    """Addresses that messages went to, in order."""
    return [message.to for message in house.house.messenger.taken]


async def test_a_campaign_writes_once_to_each_and_the_chain_keeps_no_text(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_writing_house(tmp_path, redis_url) as house:
        campaign = await house.blast(blast())
        await house.worked(campaign)
        sent = await house.messages(direction="out")
        assert len(sent) > 10
        assert Counter(row["state"] for row in sent) == {"delivered": len(sent)}
        assert {m.message_id for m in house.house.messenger.taken} == {
            row["message_id"] for row in sent
        }
        assert len({row["person_id"] for row in sent}) == len(sent)
        attempts = {row["attempt_id"]: row for row in await house.rows(attempt)}
        events = await house.rows(ledger_event)
        planned = [e for e in events if e["kind"] == "attempt_planned"]
        assert {e["decision_id"] for e in planned} == {row["message_id"] for row in sent}
        told = "\n".join(str(e["body"]) + str(e["record"]) for e in events)
        for row in sent:
            assert row["text"].startswith("Servicios BP: hola, ")
            assert row["text_sha256"] == hashlib.sha256(row["text"].encode()).hexdigest()
            assert row["text_sha256"] in told
            assert row["text"] not in told
            assert row["address"] not in told
            assert attempts[row["message_id"]]["outcome"] == "message_delivered"
            assert attempts[row["message_id"]]["mode"] == "blast"
        said = await house.said(campaign)
        assert (said.messages, said.states) == (len(sent), {"delivered": len(sent)})
        counts = await house.engine.queue_of(campaign.campaign_id).counts(0)
        assert counts.conserved
        report = await verify_ledger(house.ledger)
        assert report.holds, report.problems
        again = await replay_sample(house.ledger, sample=1_000, seed=1)
        assert again.holds, again.findings
        assert again.same == again.replayed == again.decisions > len(sent)


async def test_what_is_not_approved_is_not_sent(tmp_path: Path, redis_url: str) -> None:
    async with open_writing_house(tmp_path, redis_url, channels=()) as house:
        with pytest.raises(CannotSend, match="is not approved"):
            await house.blast(blast())
        await house.house.approve(contact_request(channel=Channel.WHATSAPP))
        with pytest.raises(CannotSend, match="is for whatsapp"):
            await house.blast(blast(), "other")
        assert taken(house) == []


async def test_a_text_that_is_retired_stops_its_campaign(tmp_path: Path, redis_url: str) -> None:
    async with open_writing_house(tmp_path, redis_url, speed=FAST) as house:
        campaign = await house.blast(blast(max_per_hour=3))
        await house.house.until("three leave", lambda: len(taken(house)) == 3)
        await act_on_version(
            house.ledger,
            ContentKind.TEMPLATE,
            "contact-request-es",
            1,
            ContentAction.RETIRE,
            actor="approver",
            now_ms=0,
        )
        await house.engine.clock.sleep(3_700)
        figures = await house.runner(campaign).figures()
        assert figures.pacing_reason == "template_not_approved"
        assert len(taken(house)) == 3


class Interposed(EventStore):
    """Before a batch of intents is appended, something happens to the first people in it."""

    def __init__(self, ledger: Ledger, what: str) -> None:
        super().__init__(ledger)
        self._what = what
        self.struck: set[str] = set()

    async def append(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        for event in events:
            body = event.body
            is_new = event.person_id not in self.struck and len(self.struck) < 8
            if isinstance(body, AttemptPlanned) and is_new:
                self.struck.add(event.person_id)
                await super().append([self._blow(event, body)])
        return await super().append(events)

    def _blow(self, event: NewEvent, planned: AttemptPlanned) -> NewEvent:
        person_id = event.person_id
        if self._what == "opt_out":
            stop = AddSuppression(
                person_id=person_id,
                suppression_id=f"stop-{person_id}",
                scope=SuppressionScope.CHANNEL,
                channel=Channel.SMS,
                reason="opt_out",
                starts_ms=event.at_ms,
                created_by="test",
            )
            body = SubjectChanged(change="opt_out", source="test")
            return NewEvent(person_id=person_id, at_ms=event.at_ms, body=body, writes=(stop,))
        debt_id = planned.debt_ids[0]
        paid = SetDebtStatus(person_id=person_id, debt_id=debt_id, status=DebtStatus.PAID)
        return NewEvent(
            person_id=person_id,
            at_ms=event.at_ms,
            body=PaymentPosted(payment_id=f"pay-{person_id}", debt_id=debt_id, settles=True),
            writes=(paid,),
        )


@pytest.mark.parametrize("what", ["opt_out", "payment"])
async def test_what_lands_between_facts_and_intent_wins(
    tmp_path: Path, redis_url: str, what: str
) -> None:
    async with open_writing_house(tmp_path, redis_url, accounts=40) as house:
        campaign = await house.house.campaign(settings=blast(), start=False)
        engine = house.engine
        for action in (CampaignAction.START, CampaignAction.PAUSE):
            await engine.act(campaign.campaign_id, action, actor="test")
        await engine.own_campaigns()
        store = Interposed(house.ledger, what)
        house.runner(campaign).pump._store = store
        await engine.act(campaign.campaign_id, CampaignAction.RESUME, actor="test")
        await house.worked(campaign)
        assert len(store.struck) == 8
        sent = await house.messages(direction="out")
        assert len(sent) > 5
        struck = {row["person_id"] for row in sent} & store.struck
        if what == "payment":
            # Who has other debts may be written to about those.
            texts = await house.rows(debt, status="paid")
            paid = {row["debt_id"] for row in texts}
            for row in await house.rows(ledger_event, kind="attempt_planned"):
                assert not any(debt_id in str(row["body"]) for debt_id in paid)
        else:
            assert not struck


async def test_nobody_is_written_to_at_night(tmp_path: Path, redis_url: str) -> None:
    async with open_writing_house(tmp_path, redis_url, start=NIGHT_IN_CHILE) as house:
        campaign = await house.blast(blast())
        await house.worked(campaign)
        assert taken(house) == []
        waits = await house.rows(enrolment, reason="cl/hours_other_media")
        assert len(waits) > 10
        opening = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)  # 08:00 in Santiago
        instants = {row["not_before_ms"] for row in waits}
        # Two hours later on Easter Island.
        assert min(instants) == round(opening.timestamp() * 1000)
        assert max(instants) - min(instants) in (0, 2 * 3_600_000)
        assert {row["state"] for row in waits} == {"waiting"}


async def test_a_missing_value_skips_that_person_only(tmp_path: Path, redis_url: str) -> None:
    async with open_writing_house(tmp_path, redis_url, accounts=20, channels=()) as house:
        body = contact_request().body.replace("{{first_name}}", "{{first_name}} {{product}}")
        template = contact_request(body=body)
        await house.house.approve(
            *(t for t in sample_templates() if t.name == "first-overdue-es"),
            contact_request(),
        )
        assert "{{product}}" in template.body
        async with house.ledger.write() as conn:
            await conn.execute(update(debt).values(overdue_cents=None))
        mails = blast(Channel.EMAIL, templates=("first-overdue-es",), values=OVERDUE_VALUES)
        campaign = await house.blast(mails, "mails")
        await house.worked(campaign)
        assert taken(house) == []
        said = await house.said(campaign)
        assert said.waiting.get("text:missing_value:overdue", 0) > 0


async def test_an_old_balance_is_told_to_nobody(tmp_path: Path, redis_url: str) -> None:
    async with open_writing_house(tmp_path, redis_url, accounts=20, channels=()) as house:
        await house.house.approve(*(t for t in sample_templates() if t.name == "first-overdue-es"))
        async with house.ledger.write() as conn:
            await conn.execute(
                update(debt).values(overdue_cents=debt.c.total_cents, balance_as_of_ms=0)
            )
        campaign = await house.blast(
            blast(
                Channel.EMAIL,
                templates=("first-overdue-es",),
                values=OVERDUE_VALUES,
            )
        )
        await house.worked(campaign)
        assert taken(house) == []
        assert (await house.said(campaign)).waiting.get("text:balance_too_old:balance_as_of", 0) > 0


async def test_no_more_leave_in_an_hour_than_answers_can_be_coped_with(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_writing_house(tmp_path, redis_url, speed=FAST) as house:
        nobody = await house.blast(blast(per_agent_hour=20.0))
        await house.engine.clock.sleep(600)
        assert taken(house) == []
        assert (await house.runner(nobody).figures()).pacing_reason == "reply_capacity"
        await house.engine.act(nobody.campaign_id, CampaignAction.ABORT, actor="test")
        few = await house.blast(blast(max_per_hour=4), "few")
        await house.house.until("four leave", lambda: len(taken(house)) == 4)
        await house.engine.clock.sleep(600)
        assert len(taken(house)) == 4
        assert (await house.runner(few).figures()).pacing_reason == "reply_capacity"
        await house.house.until("an hour later four more leave", lambda: len(taken(house)) == 8)


async def test_refusals_feed_back_into_addresses(tmp_path: Path, redis_url: str) -> None:
    letters = FixedLetters()
    async with open_writing_house(tmp_path, redis_url, accounts=40, letters=letters) as house:
        points = await house.rows(contact_point, kind="phone", line="mobile")
        fates = {
            Refusal.INVALID_ADDRESS: DeliveryState.BOUNCED,
            Refusal.NOT_MOBILE: DeliveryState.BOUNCED,
            Refusal.OPTED_OUT: DeliveryState.FAILED,
            Refusal.FILTERED: DeliveryState.FAILED,
        }
        for index, row in enumerate(points):
            refusal = list(fates)[index % len(fates)]
            letters.by_address[row["address"]] = comes_to(fates[refusal], refusal)
        campaign = await house.blast(blast())
        await house.worked(campaign)
        sent = await house.messages(direction="out")
        sent = [row for row in sent if row["refusal"] is not None]
        refused = Counter(row["refusal"] for row in sent)
        assert set(refused) == {str(refusal) for refusal in fates}
        now = {row["contact_point_id"]: row for row in await house.rows(contact_point)}
        stops = await house.rows(suppression)
        for row in sent:
            point = now[row["thread_id"].partition(":")[2]]
            own = [s for s in stops if s["person_id"] == row["person_id"]]
            match row["refusal"]:
                case "invalid_address":
                    assert point["validity"] == "disconnected"
                case "not_mobile":
                    assert any(s["target_id"] == point["contact_point_id"] for s in own)
                    assert point["validity"] != "disconnected"
                case "opted_out":
                    assert any(s["channel"] == "sms" and s["reason"] == "opt_out" for s in own)
        places = {row["account_id"]: row for row in await house.rows(enrolment)}
        for row in sent:
            state = places[row["account_id"]]["state"]
            assert state == ("done" if row["refusal"] == "opted_out" else "waiting")


@pytest.mark.parametrize("doubt", list(Doubt))
async def test_a_sending_in_doubt_is_asked_for_and_never_repeated_blindly(
    tmp_path: Path, redis_url: str, doubt: Doubt
) -> None:
    fault = MessageFault(doubt=doubt, silent=True)
    script = MessageScript(rules=tuple(MessageRule(fault=fault, nth=n) for n in range(1, 5)))
    async with open_writing_house(
        tmp_path,
        redis_url,
        script=script,
        speed=200.0,
        overrides={"engine.unknown_grace_s": 1},
    ) as house:
        # By default it waits until a permit of real seconds has lapsed.
        house.engine.post._unknown_grace = timedelta(seconds=60)
        campaign = await house.blast(blast())
        await house.worked(campaign)
        await house.house.until(
            "the doubts are cleared up", lambda: house.engine.post.deliveries.reconciled >= 4
        )
        if doubt is Doubt.NOT_PLACED:
            # Certainly never taken: tried again after the ladder's quarter of an hour.
            await house.engine.clock.sleep(1_000)
        await house.worked(campaign)
        went = Counter(taken(house))
        assert set(went.values()) == {1}
        sent = await house.messages(direction="out")
        states = Counter(row["state"] for row in sent)
        assert states["planned"] == 0
        if doubt is Doubt.PLACED:
            assert states == {"delivered": len(sent)}
            assert len(sent) == len(went)
        else:
            assert states["not_sent"] == 4
            assert states["delivered"] == len(went) == len(sent) - 4


async def test_receipts_that_come_twice_late_and_out_of_order_are_told_once(
    tmp_path: Path, redis_url: str
) -> None:
    script = MessageScript(
        rules=(MessageRule(fault=MessageFault(repeats=2, out_of_order=True, late_s=1.0)),)
    )
    async with open_writing_house(tmp_path, redis_url, script=script) as house:
        campaign = await house.blast(blast())
        await house.worked(campaign)
        sent = await house.messages(direction="out")
        progress = await house.rows(ledger_event, kind="message_progress")
        assert {row["state"] for row in sent} == {"delivered"}
        assert len(progress) == len(sent)


async def test_a_provider_that_is_away_costs_nobody_their_message(
    tmp_path: Path, redis_url: str
) -> None:
    script = MessageScript(outages=(Outage(after_s=0.0, for_s=30 * 86_400.0),))
    async with open_writing_house(tmp_path, redis_url, script=script, speed=FAST) as house:
        campaign = await house.blast(blast())
        outcomes = house.tally(campaign).outcomes
        await house.house.until("some are refused", lambda: outcomes.total() > 3)
        assert taken(house) == []
        house.house.messenger.restore_connection()
        await house.house.until("it comes back", lambda: len(taken(house)) > 5)
        await house.worked(campaign)
        # Who was refused comes again later, perhaps just now: what was taken by this moment counts.
        by_now = {message.message_id for message in house.house.messenger.taken}
        await house.settled()
        sent = await house.messages(direction="out")
        reached = {row["message_id"] for row in sent if row["state"] in ("sent", "delivered")}
        assert by_now <= reached <= {one.message_id for one in house.house.messenger.taken}
        assert len(set(taken(house))) == len(taken(house))


async def test_messages_of_each_channel_go_to_points_of_its_kind(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_writing_house(
        tmp_path, redis_url, channels=(Channel.EMAIL,), overrides={
            "http.public_url": "https://portal.example"}
    ) as house:  # fmt: skip
        campaign = await house.blast(blast(Channel.EMAIL, templates=("request-email",)))
        await house.worked(campaign)
        mails = house.house.messenger.taken
        assert len(mails) > 3
        for mail in mails:
            assert "@" in mail.to
            assert mail.html is not None
            assert mail.subject == "Un mensaje para usted de Servicios BP"
            assert (mail.unsubscribe_url or "").startswith("https://portal.example/u/email.")


async def test_the_state_of_a_message_never_goes_back(tmp_path: Path, redis_url: str) -> None:
    async with open_writing_house(tmp_path, redis_url, accounts=6) as house:
        campaign = await house.blast(blast())
        await house.worked(campaign)
        (first, *_) = house.house.messenger.taken
        for state in (DeliveryState.READ, DeliveryState.DELIVERED, DeliveryState.FAILED):
            house.house.messenger.moves(first.message_id, state)
        await house.engine.post.settled()
        (row,) = await house.messages(message_id=first.message_id)
        assert row["state"] == "read"
        async with house.ledger.read() as conn:
            query = select(attempt.c.outcome).where(attempt.c.attempt_id == first.message_id)
            assert (await conn.execute(query)).scalar_one() == "message_read"
