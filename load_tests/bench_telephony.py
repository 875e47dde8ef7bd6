"""Calls a second through a real Asterisk against SIPp, beside raw ARI and raw SIPp.

    python -m load_tests.bench_telephony [--rates 25,50,100,200] [--seconds 6]

On loopback, in one run, on the same machine:

- *SIPp alone*: SIPp calls SIPp, no Asterisk between them;
- *raw ARI*: the least that can be said to Asterisk, one POST a call and a reader of its events;
- *the adapter*: what the engine uses, every call with its permit, every outcome checked;
- *a campaign*: the whole engine with ledger and Redis, at the best rate of the adapter and below;
- *answer to agent*: 20 answers a second, each bridged to an agent's open leg.

A rate counts as sustained when every call was offered in time, was heard of again, and was told
for what the called number did.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from campaigns.campaign import CampaignAction
from compliance.permit import ContactPermit
from dialer.bootstrap import open_marcador
from dialer.core.call import Call
from dialer.runtime.clock import Clock, SimulatedClock, WallClock
from dialer.stores.ledger.ids import new_id
from load_tests.bench_engine import bench_config, campaign_of, midday, prepare
from load_tests.report import Figure, plot_bars, print_json, results_folder, write_table
from load_tests.sip_load import Load, Result, is_right, numbers
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.lab.debian import install
from telephony_adapters.lab.far_end import SIPP
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.lab.pbx import USER
from telephony_adapters.messages import (
    AgentLegUp,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    HangupCause,
    LegId,
    Originate,
)
from tests.support.permits import permit_for

RATES = (25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0)
SIPP_RATES = (200.0, 400.0, 800.0)
GOAL_PER_S = 200.0
GOAL_OF_RAW_ARI = 0.8
GOAL_CONNECT_P99_MS = 150.0
ANSWERS_PER_S = 20.0
RING_TIMEOUT_S = 20
TICK_S = os.sysconf("SC_CLK_TCK")


def settings_of(network: Network, app: str) -> AsteriskSettings:
    return AsteriskSettings(
        url=network.pbx.url,
        user=USER,
        password=network.pbx.password,
        app=app,
        dial=network.dial,
        agent_dial=network.agent_dial,
        laboratory=True,
        max_originates_per_s=0.0,
    )


def asterisk_cpu_s(network: Network) -> float:
    """CPU time of the laboratory's Asterisk so far."""
    fields = Path(f"/proc/{network.pbx.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK_S


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """All rates of one way of dialing."""

    results: list[Result]
    cpu_us_per_call: float
    asterisk_cpu_us_per_call: float

    @property
    def best_per_s(self) -> float:
        """The highest rate that was sustained; 0 when none was."""
        return max((r.wanted_per_s for r in self.results if r.sustained), default=0.0)


async def climb(
    network: Network,
    rates: Sequence[float],
    seconds: float,
    run: Callable[[float, float], Awaitable[Result]],
) -> Measured:
    """One rate after the other, until one is not sustained."""
    own_s, pbx_s = time.process_time(), asterisk_cpu_s(network)
    results: list[Result] = []
    for rate in rates:
        results.append(await run(rate, seconds))
        if not results[-1].sustained:
            break
    calls = sum(result.offered for result in results)
    return Measured(
        results=results,
        cpu_us_per_call=1e6 * (time.process_time() - own_s) / calls,
        asterisk_cpu_us_per_call=1e6 * (asterisk_cpu_s(network) - pbx_s) / calls,
    )


# --- SIPp alone -------------------------------------------------------------------------------


def sipp_best_per_s(network: Network, seconds: float) -> float:
    """The highest rate at which SIPp calls the laboratory's SIPp without a failed call."""
    found = shutil.which("sipp")
    command = [found] if found else install(SIPP).command("usr/bin/sipp")
    best = 0.0
    for rate in SIPP_RATES:
        count = round(rate * seconds)
        with tempfile.TemporaryDirectory() as folder:
            ran = subprocess.run(
                [
                    *command,
                    *("-sn", "uac", "-s", "13050000097", f"127.0.0.1:{network.carrier.port}"),
                    *("-i", "127.0.0.1", "-r", str(rate), "-m", str(count), "-d", "100"),
                    *("-nostdin", "-timeout", str(round(seconds + 20)), "-timeout_error"),
                    *("-l", str(count)),
                ],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds + 40,
                check=False,
            )
        if ran.returncode != 0:
            break
        best = rate
    return best


# --- raw ARI ----------------------------------------------------------------------------------

_CAUSES = {
    16: HangupCause.NORMAL_CALLEE,
    17: HangupCause.BUSY,
    1: HangupCause.NOT_IN_SERVICE,
    21: HangupCause.REJECTED,
}


class _Channel(msgspec.Struct, frozen=True):
    id: str = ""


class _Told(msgspec.Struct, frozen=True):
    type: str
    cause: int = 0
    channel: _Channel = _Channel()


async def raw_ari(network: Network, rates: Sequence[float], seconds: float) -> Measured:
    """One POST a call and a reader of events; what the cause is, nobody looks at closely."""
    login = base64.b64encode(f"{USER}:{network.pbx.password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"}
    base, app = f"{network.pbx.url}/ari", "raw"
    decoder = msgspec.json.Decoder(_Told)
    connector = aiohttp.TCPConnector(limit=64)
    async with (
        aiohttp.ClientSession(headers=headers, connector=connector) as session,
        session.ws_connect(f"{base}/events?app={app}", max_msg_size=0) as events,
    ):
        load: Load | None = None

        async def listen() -> None:
            async for message in events:
                told = decoder.decode(message.data)
                if told.type == "ChannelDestroyed" and load is not None:
                    load.ended(told.channel.id, lambda number: True)

        async def dial(call_id: str, number: str) -> None:
            query = {
                "endpoint": network.dial.format(number=number),
                "app": app,
                "channelId": call_id,
                "timeout": str(RING_TIMEOUT_S),
            }
            async with session.post(f"{base}/channels", params=query) as reply:
                await reply.read()

        async def run(rate: float, seconds: float) -> Result:
            nonlocal load
            load = Load(dial)
            return await load.run(rate, seconds, new_id, to)

        to = numbers()
        listening = asyncio.create_task(listen())
        try:
            return await climb(network, rates, seconds, run)
        finally:
            listening.cancel()


# --- the adapter ------------------------------------------------------------------------------


async def adapter(network: Network, rates: Sequence[float], seconds: float) -> Measured:
    """Originates with permits; every outcome is held against what the number does."""
    clock = WallClock()
    carrier = AsteriskCarrier(settings_of(network, "bench"), clock)
    load: Load | None = None

    def sink(event: AnyCarrierEvent) -> None:
        if isinstance(event, CallEnded) and load is not None:
            cause = event.cause
            load.ended(event.call_id, lambda number: is_right(number, cause))

    async def dial(call_id: str, number: str) -> None:
        command = Originate(
            call_id=CallId(call_id),
            to=number,
            caller_id=None,
            trunk="main",
            ring_timeout_s=RING_TIMEOUT_S,
        )
        await carrier.originate(command, permit_for(number, clock.now()))

    async def run(rate: float, seconds: float) -> Result:
        nonlocal load
        load = Load(dial)
        return await load.run(rate, seconds, new_id, to)

    to = numbers()
    await carrier.start(sink)
    try:
        return await climb(network, rates, seconds, run)
    finally:
        await carrier.stop()


# --- answer to agent --------------------------------------------------------------------------


async def answer_to_agent(network: Network, seconds: float) -> list[float]:
    """Milliseconds from the answer to the agent's bridge, for each of 20 answers a second."""
    clock = WallClock()
    carrier = AsteriskCarrier(settings_of(network, "agents"), clock)
    legs = [LegId(f"leg-{n:026d}") for n in range(round(ANSWERS_PER_S * 2))]
    free = list(legs)
    legs_up, all_met = asyncio.Event(), asyncio.Event()
    count = round(ANSWERS_PER_S * seconds)
    waited: list[float] = []
    answered_s: dict[CallId, float] = {}
    leg_of: dict[CallId, LegId] = {}
    up: set[LegId] = set()
    tasks: set[asyncio.Task[None]] = set()

    def do(work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def sink(event: AnyCarrierEvent) -> None:
        match event:
            case AgentLegUp():
                up.add(event.leg_id)
                if len(up) == len(legs):
                    legs_up.set()
            case CallAnswered():
                answered_s[event.call_id] = time.perf_counter()
                leg_of[event.call_id] = free.pop(0)
                do(carrier.bridge(event.call_id, leg_of[event.call_id]))
            case CallBridged():
                waited.append((time.perf_counter() - answered_s[event.call_id]) * 1000)
                do(carrier.hangup(event.call_id))
                if len(waited) == count:
                    all_met.set()
            case CallEnded():
                leg = leg_of.pop(event.call_id, None)
                if leg is not None:
                    free.append(leg)

    await carrier.start(sink)
    try:
        for n, leg in enumerate(legs):
            await carrier.open_agent_leg(leg, f"agent:agent-{n}")
        async with asyncio.timeout(30):
            await legs_up.wait()
        began_s = time.perf_counter()
        for n in range(count):
            wait_s = began_s + n / ANSWERS_PER_S - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            number = f"+13056{n:05d}99"
            command = Originate(
                call_id=CallId(new_id()),
                to=number,
                caller_id=None,
                trunk="main",
                ring_timeout_s=RING_TIMEOUT_S,
            )
            do(carrier.originate(command, permit_for(number, clock.now())))
        async with asyncio.timeout(20):
            await all_met.wait()
        return waited
    finally:
        await carrier.stop()


# --- a campaign -------------------------------------------------------------------------------


class WatchedCarrier(AsteriskCarrier):
    """Remembers which number each call went to."""

    def __init__(self, settings: AsteriskSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.to: dict[CallId, str] = {}

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        self.to[command.call_id] = command.to
        await super().originate(command, permit)


class Finishes:
    """Hears of every call that the engine finished."""

    def __init__(self, carrier: WatchedCarrier) -> None:
        self._carrier = carrier
        self.finished = self.wrong = 0

    def call_moved(self, before: Call | None, after: Call) -> None:
        pass

    def call_connected(self, call: Call) -> None:
        pass

    def call_finished(self, call: Call) -> None:
        self.finished += 1
        number = self._carrier.to.get(call.call_id, "")
        if call.cause is not None and not ends_as_it_should(number, call):
            self.wrong += 1


def ends_as_it_should(number: str, call: Call) -> bool:
    """By the last two digits; see `telephony_adapters.lab.network.people`."""
    if call.given_up_by == "drain":
        return True
    ending = int(number[-2:])
    if ending < 45 or ending >= 97:
        return call.answered_at is not None
    for limit, causes in _ENDS:
        if ending < limit:
            return call.cause in causes
    return True


_ENDS: tuple[tuple[int, frozenset[HangupCause | None]], ...] = (
    (75, frozenset({HangupCause.NO_ANSWER, HangupCause.CANCELLED})),
    (85, frozenset({HangupCause.BUSY})),
    (90, frozenset({HangupCause.UNAVAILABLE})),
    (93, frozenset({HangupCause.NOT_IN_SERVICE})),
    (94, frozenset({HangupCause.REJECTED})),
    (96, frozenset({HangupCause.CONGESTION})),
)


async def campaign(
    network: Network, per_s: float, seconds: float, folder: Path
) -> dict[str, Figure]:
    """The whole engine at a rate: claim, gate, ledger, Asterisk, outcome, ledger."""
    config = bench_config(folder)
    portfolio = (await prepare(config, max(2_000, round(per_s * seconds * 6)))).portfolio
    # Whatever the hour is here: the laboratory's people are called at midday.
    clock = SimulatedClock(midday(), 1.0)
    carrier = WatchedCarrier(settings_of(network, "campaign"), clock)
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        made = await campaign_of(marcador, portfolio, "calls")
        engine = marcador.engine
        finishes = Finishes(carrier)
        engine.calls.observe(finishes)
        await engine.start()
        await engine.act(made.campaign_id, CampaignAction.START, actor="bench")
        await engine.own_campaigns()
        pump = engine.runner_of(made.campaign_id).pump
        placed = 0
        own_s, pbx_s = time.process_time(), asterisk_cpu_s(network)
        began_s = time.perf_counter()
        while (spent_s := time.perf_counter() - began_s) < seconds:
            due = round(per_s * spent_s) - placed
            if due > 0:
                report = await pump.run(due)
                placed += report.placed
                if report.claimed == 0:
                    break
            await asyncio.sleep(0.02)
        offered_s = time.perf_counter() - began_s
        await engine.drain(5.0)
        await engine.stop()
    own_s, pbx_s = time.process_time() - own_s, asterisk_cpu_s(network) - pbx_s
    return {
        "placed": placed,
        "placed_per_s": placed / offered_s,
        "unfinished": placed - finishes.finished,
        "wrong": finishes.wrong,
        "cpu_us_per_call": 1e6 * own_s / max(placed, 1),
        "asterisk_cpu_us_per_call": 1e6 * pbx_s / max(placed, 1),
    }


# --- all together -----------------------------------------------------------------------------


def p_of(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def tell_rates(name: str, measured: Measured) -> None:
    """Every rate of one way of dialing, for whoever watches."""
    for r in measured.results:
        held = "held" if r.sustained else "not held"
        print(
            f"{name}: {r.wanted_per_s:g}/s offered at {r.offered_per_s:.1f}/s, "
            f"{r.lost} lost, {r.wrong} wrong: {held}",
            flush=True,
        )


def measure(network: Network, rates: Sequence[float], seconds: float) -> dict[str, Figure]:
    sipp = sipp_best_per_s(network, seconds)
    print(f"SIPp alone: {sipp:g}/s", flush=True)
    raw = uvloop.run(raw_ari(network, rates, seconds))
    tell_rates("raw ARI", raw)
    through = uvloop.run(adapter(network, rates, seconds))
    tell_rates("adapter", through)
    connect_ms = uvloop.run(answer_to_agent(network, seconds))
    with tempfile.TemporaryDirectory() as folder:
        rate = through.best_per_s or rates[0]
        whole = uvloop.run(campaign(network, rate, seconds, Path(folder)))
    return {
        "sipp_per_s": sipp,
        "raw_ari_per_s": raw.best_per_s,
        "adapter_per_s": through.best_per_s,
        "adapter_of_raw_ari": through.best_per_s / max(raw.best_per_s, 1e-9),
        "raw_ari_cpu_us_per_call": raw.cpu_us_per_call,
        "adapter_cpu_us_per_call": through.cpu_us_per_call,
        "asterisk_cpu_us_per_call": through.asterisk_cpu_us_per_call,
        "connect_p50_ms": p_of(connect_ms, 0.5),
        "connect_p99_ms": p_of(connect_ms, 0.99),
        **{f"campaign_{key}": value for key, value in whole.items()},
    }


BESIDE = {
    "sipp_per_s": f"the highest rate tried is {SIPP_RATES[-1]:g}",
    "adapter_per_s": f"{GOAL_PER_S:g}, none lost, none wrong",
    "adapter_of_raw_ari": f"at least {GOAL_OF_RAW_ARI:g}",
    "connect_p99_ms": f"at most {GOAL_CONNECT_P99_MS:g} at {ANSWERS_PER_S:g} answers/s",
    "campaign_unfinished": "0",
    "campaign_wrong": "0",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Calls a second through a real Asterisk")
    parser.add_argument("--rates", default=",".join(f"{rate:g}" for rate in RATES))
    parser.add_argument("--seconds", type=float, default=6.0, help="of each rate")
    options = parser.parse_args(arguments)
    rates = [float(rate) for rate in options.rates.split(",")]
    with running_network() as network:
        figures = measure(network, rates, options.seconds)
    folder = results_folder("bench-telephony")
    rows = [(name, value, BESIDE.get(name, "")) for name, value in figures.items()]
    write_table(folder, "Calls through a real Asterisk", rows)
    bars = {
        "SIPp alone": float(figures["sipp_per_s"]),
        "raw ARI": float(figures["raw_ari_per_s"]),
        "adapter": float(figures["adapter_per_s"]),
        "whole campaign": float(figures["campaign_placed_per_s"]),
    }
    plot_bars(folder, "rates", "Calls a second that were sustained", bars, "calls/s")
    print_json({name: round(v, 3) if isinstance(v, float) else v for name, v in figures.items()})


if __name__ == "__main__":
    main()
