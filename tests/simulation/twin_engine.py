"""One seeded world, worked by the live engine and by the twin's floor."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from campaigns.campaign import CampaignAction, CampaignSettings
from compliance.types import Mode
from dialer.bootstrap import open_marcador
from dialer.core.desk_messages import (
    AnyServerMessage,
    CallConnected,
    CallOver,
    DialPreview,
    Dispose,
    Disposed,
    PreviewOffered,
    SetReady,
)
from dialer.core.figures import LiveFigures
from dialer.core.pacing import Decision, make_pacer
from dialer.core.pacing.laws import pacing_config
from dialer.core.records import to_ms
from dialer.runtime.pacing_feed import MIX_CALLS
from dialer.simulation.floor import Ending, Fate, Floor
from dialer.simulation.pacing import lognormal
from dialer.simulation.twin.run import floor_settings
from dialer.stores.ledger.campaigns import create_campaign, enrol
from dialer.stores.ledger.pacing_reads import PacingReader
from telephony_adapters.messages import AmdVerdict, HangupCause, Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Heard, Intent, Speaker
from telephony_adapters.simulator.timings import CarrierTimings
from telephony_adapters.simulator.world import NEVER, DialPlan, Past, PickUp
from tests.support.house import NOON_IN_CHILE, House, house_config, import_sample
from tests.support.virtual_loop import LoopClock, VirtualLoop, counted

DRAIN_S = 120.0
BRIDGE_S = 0.0
HANGUP_S = 0.0
"""The carrier's own delays: the twin has none."""


class Shape(NamedTuple):
    """The world of both sides."""

    agents: int
    minutes: float
    seed: int = 1
    mode: Mode = Mode.PREDICTIVE
    live_rate: float = 0.40
    failed_rate: float = 0.10
    talk_s: float = 60.0
    wrap_up_s: float = 10.0
    look_s: float = 0.0
    """Preview only: a whole number, as the engine serves what agents chose at its ticks."""

    @property
    def settings(self) -> CampaignSettings:
        return CampaignSettings(mode=self.mode, ring_timeout_s=25, timezone="America/Santiago")


class Person(NamedTuple):
    """What one dial meets."""

    ending: Ending
    after_s: float
    talk_s: float
    wrap_up_s: float


class Deck:
    """People in a fixed order: the n-th dial of either side meets the n-th of them."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self._shape = shape
        self._random = Random(f"{seed}:deck")
        self._people: list[Person] = []
        self.segments: list[str] = []
        """Of the accounts, in the order in which the engine dialed them."""

    def __getitem__(self, number: int) -> Person:
        while len(self._people) <= number:
            self._people.append(self._draw())
        return self._people[number]

    def _draw(self) -> Person:
        shape, random = self._shape, self._random
        chance = random.random()
        ring_s = 2.0 + lognormal(random, 6.0, 0.6)
        talk_s = lognormal(random, shape.talk_s, 1.0)
        wrap_up_s = lognormal(random, shape.wrap_up_s, 0.5)
        if chance < shape.live_rate and ring_s < 24.0:
            return Person(Ending.PERSON, ring_s, talk_s, wrap_up_s)
        if chance > 1.0 - shape.failed_rate:
            return Person(Ending.FAILED, 1.0 + 2.0 * random.random(), 0.0, 0.0)
        return Person(Ending.RANG_OUT, float(shape.settings.ring_timeout_s), 0.0, 0.0)


class Outcome(NamedTuple):
    """What a side came to. Shares are of 1."""

    occupancy: float
    abandoned_share: float
    dials: int
    answered: int
    abandoned: int
    decisions: tuple[Decision, ...] = ()


# --- the twin -----------------------------------------------------------------------------------


class DeckPeople:
    """The deck on the twin's floor.

    Nobody is dialed in the first second: the engine's bucket of trunk tokens begins empty.
    """

    def __init__(self, deck: Deck, shape: Shape) -> None:
        self._deck = deck
        self._looks = shape.mode is Mode.PREVIEW
        self._look_s = shape.look_s
        self._dialed = 0
        self._mix: Counter[str] = Counter()

    def shares(self, now_s: float) -> Mapping[str, float]:
        total = self._mix.total()
        return {name: n / total for name, n in self._mix.items()}

    def caps(self, now_s: float) -> dict[str, int]:
        return {}

    def dial(self, now_s: float, idle: Collection[str]) -> Fate | None:
        agent = next(iter(idle), None) if self._looks else None
        if now_s < 1.0 or (self._looks and agent is None):
            return None
        person = self._deck[self._dialed]
        known = self._deck.segments
        segment = known[self._dialed % len(known)] if known else ""
        self._mix[segment] += 1
        if self._mix.total() > MIX_CALLS:
            self._mix = Counter({k: n // 2 for k, n in self._mix.items() if n > 1})
        self._dialed += 1
        who = self._dialed - 1
        return Fate(person.ending, person.after_s, segment, who, agent=agent, look_s=self._look_s)

    def detection(self, fate: Fate) -> tuple[float, bool]:
        raise AssertionError("there is no detection here")

    def talk_s(self, fate: Fate) -> float:
        return self._deck[fate.who].talk_s

    def wrap_up_s(self, fate: Fate) -> float:
        return self._deck[fate.who].wrap_up_s

    def ended(self, fate: Fate, now_s: float, *, abandoned: bool) -> None:
        return None


class AllThere:
    """Everybody to the last moment; some of them a moment after the first decision."""

    def __init__(self, agents: int, at_first: int) -> None:
        self._agents = agents
        self._at_first = at_first

    def begin(self, floor: Floor) -> None:
        for number in range(self._agents):
            at_s = 0.0 if number < self._at_first else 0.001
            floor.clock.at(at_s, floor.come, f"agent-{number}")

    def came(self, floor: Floor, agent: str) -> None:
        return None

    def left(self, floor: Floor, agent: str) -> None:
        return None


def twin(shape: Shape, deck: Deck, at_first: int | None = None) -> Outcome:
    """The world on the twin's floor; `at_first` agents are there at the first decision."""
    decisions: list[Decision] = []
    floor = Floor(
        floor_settings(shape.settings, 60.0 * shape.minutes),
        DeckPeople(deck, shape),
        AllThere(shape.agents, shape.agents if at_first is None else at_first),
        make_pacer(pacing_config(shape.settings)),
        decisions.append,
    )
    floor.run()
    tally = floor.tally
    return Outcome(
        sum(tally.busy_s) / sum(tally.staffed_s),
        floor.abandoned / max(1, floor.answered),
        floor.dialed,
        floor.answered,
        floor.abandoned,
        tuple(decisions),
    )


# --- the engine ---------------------------------------------------------------------------------


class DeckWorld:
    """The deck behind the simulated carrier."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._dialed = 0
        self.wrap_up_s: dict[str, float] = {}

    def dial(self, command: Originate, at: datetime, past: Past) -> DialPlan:
        person = self._deck[self._dialed]
        self._deck.segments.append(command.segment)
        self._dialed += 1
        if person.ending is Ending.FAILED:
            return DialPlan(
                progress_s=0.1, ringing_s=None, final_s=person.after_s, cause=HangupCause.BUSY
            )
        if person.ending is Ending.RANG_OUT:
            return DialPlan(progress_s=0.1, ringing_s=0.5, final_s=NEVER)
        self.wrap_up_s[command.call_id] = person.wrap_up_s
        heard = _heard(command, person.talk_s, person.wrap_up_s)
        pick_up = PickUp(heard=heard, patience_s=math.inf, amd_verdict=AmdVerdict.HUMAN, amd_s=1.0)
        return DialPlan(progress_s=0.1, ringing_s=0.5, final_s=person.after_s, pick_up=pick_up)

    def conversation(self, command: Originate, past: Past) -> Heard:
        return _heard(command, 0.0, 0.0)


def _heard(command: Originate, talk_s: float, wrap_up_s: float) -> Heard:
    return Heard(
        call_id=command.call_id,
        speaker=Speaker.WRONG_PARTY,
        intent=Intent.WRONG_NUMBER,
        talk_s=talk_s,
        wrap_up_s=wrap_up_s,
    )


async def _work(house: House, world: DeckWorld, name: str, look_s: float) -> None:
    """An agent who looks, talks, wraps up as long as the deck says, and takes the next call."""
    service = house.engine.agents
    inbox: asyncio.Queue[AnyServerMessage] = asyncio.Queue()
    await service.join(agent_id=name, username=name, name=name, language="es")
    house.engine.desk.connect(name, inbox.put_nowait, 0)
    await service.handle(name, SetReady())
    while True:
        message = await inbox.get()
        if isinstance(message, PreviewOffered):
            await asyncio.sleep(look_s - 0.5)
            await service.handle(name, DialPreview(offer_id=message.preview.offer_id))
        if not isinstance(message, CallConnected):
            continue
        call_id = message.call.call_id
        while not isinstance(message, CallOver):
            message = await inbox.get()
        await asyncio.sleep(world.wrap_up_s[call_id])
        await service.handle(name, Dispose(call_id=call_id, code="CI-TN"))
        while not isinstance(message, Disposed):
            message = await inbox.get()


async def _engine(shape: Shape, deck: Deck, folder: Path, redis_url: str, accounts: int) -> Outcome:
    clock = LoopClock(NOON_IN_CHILE)
    world = DeckWorld(deck)
    carrier = SimulatedCarrier(
        clock=clock, world=world, timings=CarrierTimings(bridge_s=BRIDGE_S, hangup_s=HANGUP_S)
    )
    config = house_config(
        folder,
        redis_url,
        engine__tick_ms=1_000,
        engine__sweep_s=600.0,
        engine__presence_s=36_000,
        engine__checkpoint_s=36_000,
        engine__replay_sample=0,
        telephony__max_lines=100_000,
        telephony__originates_per_s=10_000.0,
    )
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        portfolio, _ = await import_sample(marcador, folder, accounts)
        house = House(marcador, portfolio)
        now_ms = to_ms(clock.now())
        async with marcador.ledger.write() as conn:
            campaign = await create_campaign(
                conn,
                name="twin",
                portfolio_id=portfolio.portfolio_id,
                settings=shape.settings,
                actor="test",
                now_ms=now_ms,
            )
        await enrol(marcador.ledger, campaign, now_ms=now_ms)
        await marcador.engine.start()
        agents = [
            asyncio.create_task(_work(house, world, f"agent-{n}", shape.look_s))
            for n in range(shape.agents)
        ]
        await asyncio.sleep(1.0)
        await marcador.engine.act(campaign.campaign_id, CampaignAction.START, actor="test")
        await marcador.engine.own_campaigns()
        await asyncio.sleep(60.0 * shape.minutes)
        figures = await marcador.engine.figures(campaign.campaign_id)
        assert figures is not None
        for agent in agents:
            agent.cancel()
        await asyncio.gather(*agents, return_exceptions=True)
        await marcador.engine.drain(DRAIN_S)
        await marcador.engine.stop()
        reader = PacingReader(marcador.ledger)
        decisions = [
            logged.decision
            async for page in reader.decisions(campaign.campaign_id, 0, 2**60)
            for logged in page
        ]
    return _outcome(figures, decisions)


def _outcome(figures: LiveFigures, decisions: list[Decision]) -> Outcome:
    return Outcome(
        figures.occupancy_pct / 100.0,
        figures.abandoned / max(1, figures.answered),
        figures.dialed,
        figures.answered,
        figures.abandoned,
        tuple(decisions),
    )


def engine(
    shape: Shape,
    deck: Deck,
    folder: Path,
    redis_url: str,
    accounts: int,
    patch: pytest.MonkeyPatch,
) -> Outcome:
    """The world under the live engine, with real Redis and a real ledger, in virtual time."""
    with counted(patch), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_engine(shape, deck, folder, redis_url, accounts))
