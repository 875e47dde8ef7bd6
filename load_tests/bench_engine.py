"""The engine beside its limits: contacts, decisions, appends, queue, latency (`make bench`).

Everything runs in this process, pinned to one core; redis-server runs on another where there is
one. The ledger is SQLite in WAL with full sync, as in production.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import uvloop
from sqlalchemy import case, distinct, func, select

from campaigns.campaign import CampaignAction, CampaignSettings
from campaigns.sample.generator import SampleSettings, generate
from campaigns.sample.numbers import NumberSource
from compliance import gate
from compliance.messages import Collector, ContactRequest, Facts
from compliance.permit import Allowed
from compliance.types import (
    AccountId,
    Channel,
    CollectorRole,
    CreditorId,
    DebtClass,
    DecisionId,
    Mode,
)
from dialer.bootstrap import Marcador, open_marcador, open_stores
from dialer.config import Config, load_config
from dialer.core.desk_messages import AnyServerMessage, CallConnected, CallOver, Dispose, SetReady
from dialer.core.records import fold_history, to_ms
from dialer.runtime.campaign_runner import CampaignRunner
from dialer.runtime.clock import SimulatedClock, WallClock
from dialer.runtime.importing import ImportJob
from dialer.runtime.shift import working_moment
from dialer.stores.ledger.campaigns import Campaign, create_campaign, enrol
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.portfolios import Portfolio, ensure_portfolio
from dialer.stores.ledger.schema import contact_point
from dialer.stores.redis.client import as_text, parse_info
from dialer.stores.redis.queue import READY, CampaignQueue, Entry, Settlement
from load_tests.own_numbers import OwnNumbers
from load_tests.report import Figure, plot_bars, print_json, results_folder, write_table
from load_tests.where_time_goes import CpuTimes, cpu_times
from telephony_adapters.messages import AmdVerdict, HangupCause, Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Heard, Intent, Speaker
from telephony_adapters.simulator.null import NullCarrier
from telephony_adapters.simulator.world import DialPlan, Past, PickUp

BATCH = 256
COUNTRY = "US"
"""The strictest packs: federal and state, counters by person and debt."""


def midday() -> datetime:
    """When the simulated day begins: three in the afternoon in New York, ten in Honolulu.

    Inside the hours of every state, so that figures of different days, taken at whatever hour and
    on whatever holiday, can be compared; what is blocked then is blocked for other reasons.
    """
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0) + timedelta(days=1)
    opening, _ = working_moment(COUNTRY, tomorrow)
    return opening + timedelta(hours=3)


def bench_config(folder: Path) -> Config:
    return load_config(
        environ={},
        overrides={
            "data_dir": str(folder),
            "log.level": "error",
            "engine.batch_size": 2 * BATCH,
            "engine.tick_ms": 50,
            "telephony.originates_per_s": 10_000.0,
            "telephony.max_lines": 100_000,
        },
    )


def bench_portfolio(country: str, currency: str) -> Portfolio:
    """The portfolio that benchmarks import into: invented people of one country."""
    return Portfolio(
        portfolio_id="bench",
        name="bench",
        creditor_id=CreditorId("bench"),
        creditor_name="Bench Bank",
        creditor_name_neutral="BB",
        collector_role=CollectorRole.THIRD_PARTY,
        country=country,
        currency=currency,
        debt_class=DebtClass.CONSUMER,
        synthetic=True,
        created_ms=to_ms(datetime.now(UTC)),
    )


class Prepared(NamedTuple):
    """A portfolio to dial, as it turned out."""

    portfolio: Portfolio
    rows_per_s: float
    """Of its import."""
    shared: float
    """Share of its telephone numbers that several records of people have."""


async def prepare(config: Config, accounts: int, *, numbers_are_shared: bool = False) -> Prepared:
    """A generated portfolio in a new ledger.

    With `numbers_are_shared` there are so few telephone numbers that strangers have the same ones,
    as in no real portfolio: the hardest case. Else 6 % are several people's.
    """
    path = config.data_path / "sample.csv"
    today = datetime.now(UTC).date()
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = SampleSettings(country=COUNTRY, accounts=accounts, seed=1, today=today)
    with path.open("w", encoding="utf-8", newline="") as text:
        generate(text, settings, numbers=NumberSource if numbers_are_shared else OwnNumbers)
    portfolio = bench_portfolio(COUNTRY, "USD")
    async with open_stores(config) as ledger:
        async with ledger.write() as conn:
            portfolio = await ensure_portfolio(conn, portfolio)
        job = ImportJob(
            ledger,
            portfolio,
            path,
            reports_dir=config.data_path / "reports",
            now_ms=lambda: to_ms(datetime.now(UTC)),
        )
        summary = await job.run()
        async with ledger.read() as conn:
            numbers = select(func.count(distinct(contact_point.c.person_id)).label("people"))
            numbers = numbers.where(contact_point.c.kind == "phone")
            counted = numbers.group_by(contact_point.c.address).subquery()
            several = func.avg(case((counted.c.people > 1, 1.0), else_=0.0))
            shared = (await conn.execute(select(several).select_from(counted))).scalar_one()
    return Prepared(portfolio, summary.rows_per_s, float(shared))


async def campaign_of(marcador: Marcador, portfolio: Portfolio, name: str) -> Campaign:
    now_ms = to_ms(marcador.clock.now())
    async with marcador.ledger.write() as conn:
        campaign = await create_campaign(
            conn,
            name=name,
            portfolio_id=portfolio.portfolio_id,
            settings=CampaignSettings(mode=Mode.PROGRESSIVE),
            actor="bench",
            now_ms=now_ms,
        )
    await enrol(marcador.ledger, campaign, now_ms=now_ms)
    return campaign


async def unpin_redis(marcador: Marcador) -> None:
    """The engine is measured on one core; redis-server, its child, may use any."""
    info = parse_info(as_text(await marcador.redis.execute("INFO", "server")))
    os.sched_setaffinity(int(info["process_id"]), range(os.cpu_count() or 1))


def runner_of(marcador: Marcador, campaign: Campaign) -> CampaignRunner:
    return marcador.engine.runner_of(campaign.campaign_id)


# --- contacts a second --------------------------------------------------------------------------


async def bench_contacts(
    config: Config, portfolio: Portfolio, seconds: float, *, profile: bool = False
) -> tuple[dict[str, Figure], CpuTimes]:
    """From claim to recorded outcome, on a carrier that costs nothing; and where the time went."""
    start = midday()
    clock = SimulatedClock(start, 1.0)
    carrier = NullCarrier(clock=clock, outcome=HangupCause.NO_ANSWER)
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        await unpin_redis(marcador)
        campaign = await campaign_of(marcador, portfolio, "contacts")
        engine = marcador.engine
        await engine.start()
        await engine.act(campaign.campaign_id, CampaignAction.START, actor="bench")
        await engine.own_campaigns()
        await engine.checkpoint()  # of the import; it is no part of a contact
        pump = runner_of(marcador, campaign).pump
        placed = blocked = 0
        began = time.perf_counter()
        with cpu_times(profile=profile) as times:
            while time.perf_counter() - began < seconds:
                report = await pump.run(BATCH)
                placed += report.placed
                blocked += report.blocked
                if report.claimed == 0:
                    break
            await engine.recorder.flush()
            spent = time.perf_counter() - began
        await engine.stop()
    figures: dict[str, Figure] = {
        "contacts_per_s": placed / spent,
        "decisions_in_contacts_per_s": (placed + blocked) / spent,
        "contacts": placed,
        "cpu_us_per_contact": 1e6 * times.total_s / max(placed, 1),
    }
    return figures, times


# --- the gate alone -----------------------------------------------------------------------------


async def bench_gate(config: Config, portfolio: Portfolio, seconds: float) -> dict[str, Figure]:
    """Decisions on facts of real accounts, with every bundled pack loaded."""
    clock = WallClock()
    start = midday()
    async with open_marcador(config, clock=clock, adapter=NullCarrier(clock=clock)) as marcador:
        campaign = await campaign_of(marcador, portfolio, "gate")
        rows = await _account_ids(marcador, campaign, 2_000)
        since_ms = to_ms(start - timedelta(days=40))
        accounts = await marcador.engine.reader.read_accounts(campaign.campaign_id, rows, since_ms)
        packs = marcador.packs
    collector = Collector(collector_id="bench", role=CollectorRole.THIRD_PARTY)
    questions: list[tuple[ContactRequest, Facts]] = []
    for account in accounts:
        person = account.people[0]
        phones = [p for p in person.subject.contact_points if p.kind == "phone"]
        if not phones:
            continue
        facts = Facts(
            subject=person.subject,
            collector=collector,
            history=fold_history(person.history()),
            heads=person.heads,
        )
        request = ContactRequest(
            decision_id=DecisionId(account.account_id),
            person_id=person.person_id,
            contact_point_id=phones[0].contact_point_id,
            channel=Channel.VOICE,
            mode=Mode.PREDICTIVE,
            debt_ids=tuple(d.debt_id for d in person.subject.debts[:1]),
            caller_id_withheld=False,
            recorded=False,
        )
        questions.append((request, facts))
    decided = allowed = 0
    lags: list[float] = []
    cpu = time.process_time()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for request, facts in questions:
            before = time.perf_counter()
            verdict = gate.decide(request, facts, packs, start)
            lags.append(time.perf_counter() - before)
            allowed += isinstance(verdict, Allowed)
            decided += 1
    spent = time.perf_counter() - began
    cpu = time.process_time() - cpu
    return {
        "gate_decisions_per_s": decided / spent,
        "gate_cpu_us_per_decision": 1e6 * cpu / decided,
        "gate_p99_us": 1e6 * _quantile(lags, 0.99),
        "gate_allowed_share": allowed / decided,
    }


async def _account_ids(marcador: Marcador, campaign: Campaign, most: int) -> list[AccountId]:
    found: list[AccountId] = []
    async for page in marcador.engine.reader.iterate_enrolments(campaign.campaign_id):
        found += [row.account_id for row in page]
        if len(found) >= most:
            break
    return found[:most]


# --- the stores alone ---------------------------------------------------------------------------


def bench_raw_append(folder: Path, seconds: float) -> dict[str, Figure]:
    """What SQLite itself takes: the same bytes in bare transactions with full sync."""
    path = folder / "raw.db"
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=FULL")
    conn.execute(
        "CREATE TABLE e (n INTEGER PRIMARY KEY, person TEXT, seq INT, at INT, kind TEXT,"
        " body TEXT, record TEXT, hash TEXT, UNIQUE (person, seq))"
    )
    body, record, digest = "b" * 300, "r" * 3_000, "h" * 64
    ids = Ids()
    written = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        rows = [(ids(), 1, 1, "attempt_planned", body, record, digest) for _ in range(BATCH)]
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany(
            "INSERT INTO e (person, seq, at, kind, body, record, hash) VALUES (?,?,?,?,?,?,?)",
            rows,
        )
        conn.execute("COMMIT")
        written += BATCH
    spent = time.perf_counter() - began
    conn.close()
    return {"raw_append_per_s": written / spent}


async def bench_redis(config: Config, accounts: int, seconds: float) -> dict[str, Figure]:
    """Memory of a large queue, and claim + settle beside a bare EVALSHA."""
    clock = WallClock()
    async with open_marcador(config, clock=clock, adapter=NullCarrier(clock=clock)) as marcador:
        await unpin_redis(marcador)
        redis = marcador.redis
        queue = CampaignQueue(redis, "bench-million")
        ids = Ids()
        before = await redis.memory_bytes()
        await queue.begin_rebuild(ids())
        marker = ids()
        await queue.begin_rebuild(marker)
        began = time.perf_counter()
        for start in range(0, accounts, 50_000):
            count = min(50_000, accounts - start)
            await queue.load((Entry(ids(), i % 1_000_000) for i in range(count)), rebuild=marker)
        await queue.finish_rebuild(marker)
        load_s = time.perf_counter() - began
        used = await redis.memory_bytes() - before
        items = 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            now_ms = to_ms(clock.now())
            claims = await queue.claim(BATCH, now_ms=now_ms, lease_ms=60_000, token=ids())
            await queue.settle([Settlement(c.item, c.lease_token, READY) for c in claims])
            items += len(claims)
        claim_s = time.perf_counter() - began
        raw = 0
        sha = await redis.execute("SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])")
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            await redis.execute("EVALSHA", str(_text(sha)), 1, "marcador:bench")
            raw += 1
        raw_s = time.perf_counter() - began
        await queue.drop_all()
    return {
        "redis_bytes_per_account": used / accounts,
        "queue_accounts": accounts,
        "queue_load_per_s": accounts / load_s,
        "claims_settled_per_s": items / claim_s,
        "raw_evalsha_per_s": raw / raw_s,
    }


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# --- latency of a live answer -------------------------------------------------------------------


class Answering:
    """A world in which everybody answers at once and talks for a moment."""

    def conversation(self, command: Originate, past: Past) -> Heard:
        return Heard(
            call_id=command.call_id,
            speaker=Speaker.WRONG_PARTY,
            intent=Intent.WRONG_NUMBER,
            talk_s=0.5,
            wrap_up_s=0.1,
        )

    def dial(self, command: Originate, at: datetime, past: Past) -> DialPlan:
        heard = self.conversation(command, past)
        pick_up = PickUp(heard=heard, patience_s=10.0, amd_verdict=AmdVerdict.HUMAN, amd_s=1.0)
        return DialPlan(progress_s=0.05, ringing_s=0.1, final_s=0.4, pick_up=pick_up)


async def bench_connect(
    config: Config, portfolio: Portfolio, answers_per_s: int, seconds: float
) -> dict[str, Figure]:
    """Live answer to bridge command while so many people a second answer."""
    start = midday()
    clock = SimulatedClock(start, 1.0)
    carrier = SimulatedCarrier(clock=clock, world=Answering())
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        await unpin_redis(marcador)
        campaign = await campaign_of(marcador, portfolio, "connect")
        engine = marcador.engine
        await engine.start()
        await engine.act(campaign.campaign_id, CampaignAction.START, actor="bench")
        await engine.own_campaigns()
        agents = [
            asyncio.create_task(_agent(marcador, f"agent-{n}")) for n in range(answers_per_s * 2)
        ]
        await asyncio.sleep(0.5)
        await engine.own_campaigns()
        runner = runner_of(marcador, campaign)
        runner.carrier_is_up = False  # the pacer rests: the bench itself places the calls
        pump = runner.pump
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            tick = time.perf_counter()
            await pump.run(max(1, answers_per_s // 10))
            await asyncio.sleep(max(0.0, 0.1 - (time.perf_counter() - tick)))
        lags = sorted(runner.tally.connect_ms)
        answered = runner.tally.answered
        for agent in agents:
            agent.cancel()
        await engine.drain(5.0)
        await engine.stop()
    return {
        "connect_p50_ms": statistics.median(lags) if lags else 0,
        "connect_p99_ms": _quantile(lags, 0.99),
        "answers_per_s": answered / seconds,
    }


async def _agent(marcador: Marcador, name: str) -> None:
    service = marcador.engine.agents
    inbox: asyncio.Queue[AnyServerMessage] = asyncio.Queue()
    await service.join(agent_id=name, username=name, name=name, language="es")
    marcador.engine.desk.connect(name, inbox.put_nowait, 0)
    await service.handle(name, SetReady())
    while True:
        message = await inbox.get()
        if isinstance(message, CallConnected):
            call_id = message.call.call_id
            while not isinstance(message, CallOver):
                message = await inbox.get()
            await asyncio.sleep(0.05)
            await service.handle(name, Dispose(call_id=call_id, code="CI-TN"))


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * share))]) if ordered else 0.0


# --- all of it ----------------------------------------------------------------------------------


async def run(accounts: int, queue_accounts: int, seconds: float, *, profile: bool) -> None:
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory(prefix="marcador-bench-") as name:
        folder = Path(name)
        config = bench_config(folder / "data")
        prepared = await prepare(config, accounts)
        portfolio = prepared.portfolio
        figures["import_rows_per_s"] = prepared.rows_per_s
        figures["shared_numbers"] = prepared.shared
        figures |= await bench_gate(config, portfolio, seconds)
        contacts, times = await bench_contacts(config, portfolio, seconds * 3, profile=profile)
        figures |= contacts
        config_s = bench_config(folder / "shared")
        hardest = await prepare(config_s, accounts, numbers_are_shared=True)
        shared, _ = await bench_contacts(config_s, hardest.portfolio, seconds * 3)
        figures["shared_numbers_hardest"] = hardest.shared
        figures["contacts_per_s_shared_numbers"] = shared["contacts_per_s"]
        figures["cpu_us_per_contact_shared_numbers"] = shared["cpu_us_per_contact"]
        figures |= bench_raw_append(folder, seconds)
        figures |= await bench_redis(config, queue_accounts, seconds / 2)
        config_b = bench_config(folder / "latency")
        answering = await prepare(config_b, max(2_000, round(60 * seconds * 3)))
        figures |= await bench_connect(config_b, answering.portfolio, 50, seconds * 2)
    report(figures, times)


def report(figures: dict[str, Figure], times: CpuTimes) -> None:
    folder = results_folder("engine")
    rows: list[tuple[str, Figure, str]] = [
        ("contacts/s, claim to outcome", figures["contacts_per_s"], "aim 5,000; least 2,000"),
        (
            "of its numbers, % that several records of people have",
            100 * figures["shared_numbers"],
            "6 % by the file; four digits of an SSN identify nobody, so each account is a record",
        ),
        ("CPU µs a contact", figures["cpu_us_per_contact"], "one core"),
        (
            "contacts/s, the hardest case",
            figures["contacts_per_s_shared_numbers"],
            f"{figures['cpu_us_per_contact_shared_numbers']:.0f} µs each; "
            f"{figures['shared_numbers_hardest']:.0%} of numbers are in several records",
        ),
        ("gate decisions/s", figures["gate_decisions_per_s"], "aim 20,000; least 10,000"),
        ("gate CPU µs a decision", figures["gate_cpu_us_per_decision"], "one core"),
        ("gate p99 µs", figures["gate_p99_us"], "below 1,000"),
        ("raw SQLite rows/s, same bytes, full sync", figures["raw_append_per_s"], "the limit"),
        ("claims settled/s", figures["claims_settled_per_s"], "batches of 256"),
        ("raw EVALSHA/s, one at a time", figures["raw_evalsha_per_s"], "the limit"),
        ("Redis bytes an account", figures["redis_bytes_per_account"], "at most 300"),
        ("answer to bridge command, p50 ms", figures["connect_p50_ms"], "at 50 answers/s"),
        ("answer to bridge command, p99 ms", figures["connect_p99_ms"], "at most 50"),
        ("import rows/s", figures["import_rows_per_s"], "1M rows in 10 min = 1,667"),
    ]
    write_table(folder, "Engine", rows)
    report_times(folder, times, contacts=int(figures["contacts"]))
    names = ("contacts_per_s", "gate_decisions_per_s", "raw_append_per_s", "claims_settled_per_s")
    plot_bars(
        folder,
        "rates",
        "Engine beside its limits",
        {name: float(figures[name]) for name in names},
        "per second",
    )
    print_json({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()})


def report_times(folder: Path, times: CpuTimes, *, contacts: int) -> None:
    """Where a contact's CPU time goes: each thread's, and with `--profile` the loop's by part."""
    rows: list[tuple[str, Figure, str]] = [
        (f"thread {name}", 1e6 * seconds / max(contacts, 1), f"{seconds / times.total_s:.0%}")
        for name, seconds in sorted(times.threads_s.items(), key=lambda item: -item[1])
    ]
    in_parts_s = sum(times.parts_s.values())
    rows += [
        (
            f"loop: {part}",
            1e6 * seconds / max(contacts, 1),
            f"{seconds / in_parts_s:.0%} (profiled)",
        )
        for part, seconds in times.parts_s.items()
    ]
    write_table(folder, "CPU µs a contact", rows, name="where_time_goes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--queue-accounts", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument(
        "--profile", action="store_true", help="tell the contacts' time by part; they are slower"
    )
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    uvloop.run(
        run(options.accounts, options.queue_accounts, options.seconds, profile=options.profile)
    )


if __name__ == "__main__":
    main()
