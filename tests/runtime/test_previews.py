"""Preview: nobody is called whom an agent has not looked at and chosen, and who may be called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import ColumnElement, RowMapping, Table, select

from campaigns.campaign import (
    CampaignAction,
    CampaignSettings,
    PreviewSettings,
)
from campaigns.dispositions import DispositionCode
from compliance.types import AccountId, Channel, Mode, PersonId, SuppressionScope
from dialer.core.agent import AgentState, PauseReason
from dialer.core.desk_messages import (
    AnyServerMessage,
    CallConnected,
    CallOver,
    DialPreview,
    Dispose,
    Disposed,
    PreviewEnd,
    PreviewOffered,
    PreviewOver,
    PreviewView,
    Refused,
    SkipPreview,
    SkipReason,
    Snapshot,
)
from dialer.core.pacing.messages import Decision
from dialer.core.records import AttemptPlanned, SubjectChanged, to_ms
from dialer.core.writes import AddSuppression
from dialer.stores.ledger.database import LedgerUnavailable, Trouble
from dialer.stores.ledger.pacing_log import PacingLog
from dialer.stores.ledger.schema import attempt, audit_event, enrolment
from dialer.stores.ledger.streams import AppendResult, NewEvent
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.heard import Intent
from telephony_adapters.simulator.world import DialPlan
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import DeskAgent, House, open_house


def everybody_answers(command: Originate) -> DialPlan:
    return answered(command.call_id, after_s=8.0, talk_s=30.0, intent=Intent.WILLING)


def preview(**changes: object) -> CampaignSettings:
    settings = PreviewSettings(**changes)  # type: ignore[arg-type]  # test shorthand
    return CampaignSettings(mode=Mode.PREVIEW, preview=settings)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def rows(house: House, table: Table, *where: ColumnElement[bool]) -> list[RowMapping]:
    async with house.marcador.ledger.read() as conn:
        return list((await conn.execute(select(table).where(*where))).mappings().all())


async def offered(agent: DeskAgent) -> PreviewView:
    return (await agent.hear(PreviewOffered)).preview


def account_of(house: House, offer_id: str) -> AccountId:
    (campaign_id,) = house.engine.fleet.ids()
    offers = house.engine.floor.offers.of(campaign_id)
    return next(offer.account_id for offer in offers if offer.offer_id == offer_id)


def drained(agent: DeskAgent) -> list[AnyServerMessage]:
    return [agent.inbox.get_nowait() for _ in range(agent.inbox.qsize())]


async def cease(house: House, person_id: PersonId) -> None:
    """The person forbids every call."""
    at_ms = to_ms(house.engine.clock.now())
    stop = AddSuppression(
        person_id=person_id,
        suppression_id=f"stop-{person_id}",
        scope=SuppressionScope.CHANNEL,
        channel=Channel.VOICE,
        reason="cease",
        starts_ms=at_ms,
        created_by="test",
    )
    body = SubjectChanged(change="cease", source="test")
    event = NewEvent(person_id=person_id, at_ms=at_ms, body=body, writes=(stop,))
    await house.engine.store.append([event])


async def test_an_agent_looks_and_calls(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign(settings=preview())
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        assert view.person_name
        assert "*" in view.number_masked
        assert view.attempts == 1
        assert not hasattr(view, "debts")
        assert await rows(house, attempt) == []
        seat = house.engine.desk.seat("ana")
        assert seat is not None
        assert seat.session.state is AgentState.RESERVED
        await agent.say(DialPreview(offer_id=view.offer_id))
        call = (await agent.hear(CallConnected)).call
        assert call.number_masked == view.number_masked
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=call.call_id, code=DispositionCode.NOT_VERIFIED))
        await agent.hear(Disposed)
        (row,) = await rows(house, attempt)
        (read,) = await house.engine.reader.read_accounts(None, [row["account_id"]], 0)
        bodies = [event.body for person in read.people for event in person.rows]
        (planned,) = [body for body in bodies if isinstance(body, AttemptPlanned)]
        assert planned.mode is Mode.PREVIEW
        following = await offered(agent)
        assert following.offer_id != view.offer_id
        runner = house.engine.fleet.runner(campaign.campaign_id)
        assert runner is not None
        figures = await runner.figures()
        assert (figures.dialed, figures.connected, figures.abandoned) == (1, 1, 0)
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0


async def test_a_colleagues_call_takes_nobodys_turn(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        campaign = await house.campaign(settings=preview())
        ana, bea = await house.agent("ana"), await house.agent("bea")
        decided: list[Decision] = []
        runner = house.engine.runner_of(campaign.campaign_id)
        await ana.ready()
        view = await offered(ana)
        with patch.object(PacingLog, "add", lambda _, __, decision: decided.append(decision)):
            await ana.say(DialPreview(offer_id=view.offer_id))
            await house.until("the call", lambda: house.carrier.placed == 1)
            await bea.ready()
            await offered(bea)
            await runner.tick()
        with_bea = [d for d in decided if d.estimates.idle == 1]
        assert {d.calls_to_place for d in with_bea} == {1}


async def test_an_account_that_is_skipped_rests(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign(settings=preview(skip_wait_s=86_400))
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        left = account_of(house, view.offer_id)
        await agent.say(SkipPreview(offer_id=view.offer_id, reason=SkipReason.KNOWS_PERSON))
        over = await agent.hear(PreviewOver)
        assert (over.offer_id, over.why) == (view.offer_id, PreviewEnd.SKIPPED)
        following = await offered(agent)
        assert account_of(house, following.offer_id) != left
        (place,) = await rows(house, enrolment, enrolment.c.account_id == left)
        assert (place["state"], place["reason"]) == ("waiting", "skipped")
        (entry,) = await rows(house, audit_event, audit_event.c.action == "preview.skip")
        assert (entry["actor"], entry["target"]) == ("ana", left)
        assert "knows_person" in str(entry["detail"])
        assert await rows(house, attempt) == []


async def test_nothing_is_skipped_where_a_campaign_forbids_it(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign(settings=preview(may_skip=False))
        agent = await house.agent("ana")
        other = await house.agent("eva")
        await agent.ready()
        view = await offered(agent)
        assert not view.may_skip
        await agent.say(SkipPreview(offer_id=view.offer_id))
        assert (await agent.hear(Refused)).code == "may_not_skip"
        await other.say(DialPreview(offer_id=view.offer_id))
        assert (await other.hear(Refused)).code == "no_such_offer"
        await agent.say(DialPreview(offer_id=view.offer_id))
        await agent.say(DialPreview(offer_id=view.offer_id))
        assert (await agent.hear(Refused)).code == "no_such_offer"
        await agent.hear(CallConnected)
        assert len(await rows(house, attempt)) == 1


async def test_who_does_not_choose_is_away(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign(settings=preview(limit_s=30))
        agent = await house.agent("ana")
        other = await house.agent("eva")
        await agent.ready()
        view = await offered(agent)
        left = account_of(house, view.offer_id)
        over = await agent.hear(PreviewOver)
        assert over.why is PreviewEnd.EXPIRED
        seat = house.engine.desk.seat("ana")
        assert seat is not None
        await house.until("ana is paused", lambda: seat.session.state is AgentState.PAUSED)
        assert seat.session.pause_reason is PauseReason.PRESENCE_LOST
        await other.ready()
        again = await offered(other)
        assert account_of(house, again.offer_id) == left
        assert await rows(house, attempt) == []


async def test_who_may_not_be_called_any_more_is_not_called(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign(settings=preview())
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        left = account_of(house, view.offer_id)
        (read,) = await house.engine.reader.read_accounts(None, [left], 0)
        for one in read.people:
            await cease(house, one.person_id)
        await agent.say(DialPreview(offer_id=view.offer_id))
        over = await agent.hear(PreviewOver)
        assert (over.offer_id, over.why) == (view.offer_id, PreviewEnd.NOT_NOW)
        following = await offered(agent)
        assert account_of(house, following.offer_id) != left
        assert await rows(house, attempt) == []
        (place,) = await rows(house, enrolment, enrolment.c.account_id == left)
        assert place["state"] in ("waiting", "done")


async def test_a_campaign_that_is_paused_offers_nothing(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign(settings=preview())
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        await house.engine.act(campaign.campaign_id, CampaignAction.PAUSE, actor="test")
        assert (await agent.hear(PreviewOver)).why is PreviewEnd.WITHDRAWN
        await agent.say(DialPreview(offer_id=view.offer_id))
        assert (await agent.hear(Refused)).code == "no_such_offer"
        await house.engine.act(campaign.campaign_id, CampaignAction.RESUME, actor="test")
        again = await offered(agent)
        assert again.offer_id != view.offer_id


async def test_each_idle_agent_has_an_account_of_his_own(tmp_path: Path, redis_url: str) -> None:
    """Calls that have their agent already take nobody's turn."""
    world = FixedWorld()  # it rings, and nobody answers
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign(settings=preview(limit_s=600))
        agents = [await house.agent(name) for name in ("ana", "eva", "luz", "sol")]
        views = []
        for agent in agents[:3]:
            await agent.ready()
            views.append(await offered(agent))
            await agent.say(DialPreview(offer_id=views[-1].offer_id))
        await house.until("three calls ring", lambda: len(house.engine.calls) == 3)
        await agents[3].ready()
        views.append(await offered(agents[3]))
        assert len({view.offer_id for view in views}) == 4


async def test_a_client_that_comes_back_finds_its_offer(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign(settings=preview())
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        house.engine.desk.connect("ana", agent.inbox.put_nowait, 0)
        assert (await agent.hear(Snapshot)).preview == view
        await agent.say(DialPreview(offer_id=view.offer_id))
        await agent.hear(CallConnected)
        house.engine.desk.connect("ana", agent.inbox.put_nowait, 0)
        snapshot = await agent.hear(Snapshot)
        assert (snapshot.preview, snapshot.call is not None) == (None, True)


async def test_a_skip_and_an_expiry_cost_nothing_of_the_day(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        settings = CampaignSettings(mode=Mode.PREVIEW, daily_cap=1)
        await house.campaign(settings=settings)
        agent = await house.agent("ana")
        await agent.ready()
        for _ in range(3):
            await agent.say(SkipPreview(offer_id=(await offered(agent)).offer_id))
        await agent.say(DialPreview(offer_id=(await offered(agent)).offer_id))
        call = (await agent.hear(CallConnected)).call
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=call.call_id, code=DispositionCode.NOT_VERIFIED))
        await agent.hear(Disposed)
        await house.engine.clock.sleep(30.0)
        assert not [m for m in drained(agent) if isinstance(m, PreviewOffered)]


def test_preview_settings_belong_to_the_mode() -> None:
    with pytest.raises(ValueError, match="`preview` must come with mode preview"):
        CampaignSettings(mode=Mode.PREDICTIVE, preview=PreviewSettings())


async def test_a_drain_takes_back_what_is_offered(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign(settings=preview())
        agent = await house.agent("ana")
        await agent.ready()
        await offered(agent)
        queue = house.engine.queue_of(campaign.campaign_id)
        before = await queue.counts(0)
        assert before.leased == 1
        await house.engine.drain(5.0)
        assert (await agent.hear(PreviewOver)).why is PreviewEnd.WITHDRAWN
        await house.engine.fleet.let_all_go()
        after = await queue.counts(0)
        assert (after.leased, after.ready) == (0, before.ready + 1)


async def test_a_store_that_is_away_gives_agent_and_account_back(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign(settings=preview())
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        append = house.engine.store.append
        failed: list[int] = []

        async def away(events: Sequence[NewEvent]) -> list[AppendResult]:
            if not failed and any(isinstance(one.body, AttemptPlanned) for one in events):
                failed.append(1)
                raise LedgerUnavailable(Trouble.UNREACHABLE, "test", "away")
            return await append(events)

        monkeypatch.setattr(house.engine.store, "append", away)
        await agent.say(DialPreview(offer_id=view.offer_id))
        over = await agent.hear(PreviewOver)
        assert (over.offer_id, over.why) == (view.offer_id, PreviewEnd.NOT_NOW)
        again = await offered(agent)
        await agent.say(DialPreview(offer_id=again.offer_id))
        await agent.hear(CallConnected)
        assert len(await rows(house, attempt)) == 1


async def test_what_a_lost_owner_had_offered_is_ready_again(tmp_path: Path, redis_url: str) -> None:
    """The next owner frees every lease; whoever looked at the account still calls once at most."""
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign(settings=preview())
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        queue = house.engine.queue_of(campaign.campaign_id)
        before = await queue.counts(0)
        await house.engine.sweeps.reap(campaign.campaign_id, queue, all_leases=True)
        after = await queue.counts(0)
        assert (after.leased, after.ready) == (0, before.ready + 1)
        await agent.say(DialPreview(offer_id=view.offer_id))
        await agent.hear(CallConnected)
        assert len(await rows(house, attempt)) == 1
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0


async def test_an_account_that_is_looked_at_for_long_stays_leased(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, overrides={"engine.lease_s": 60}) as house:
        await house.campaign(settings=preview(limit_s=600))
        agent = await house.agent("ana")
        await agent.ready()
        view = await offered(agent)
        await house.engine.clock.sleep(180.0)
        assert house.engine.sweeps.counts.leases_reaped == 0
        await agent.say(DialPreview(offer_id=view.offer_id))
        await agent.hear(CallConnected)
