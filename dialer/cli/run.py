"""`marcador run`: the whole of Marcador at work in one command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live

from campaigns.campaign import CampaignSettings, SpokenSettings
from campaigns.content.kinds import WRITTEN
from campaigns.sample.generator import SampleSettings
from compliance.types import Channel, CollectorRole, Mode
from dialer.bootstrap import (
    Marcador,
    carrier_of,
    data_folder,
    open_marcador,
    open_stores,
    set_up_logging,
)
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.import_command import ImportOptions, run_import
from dialer.cli.sample_command import write_sample
from dialer.cli.shift_view import draw
from dialer.cli.texts import Texts
from dialer.config import Config
from dialer.console.server import serve
from dialer.core.figures import LiveFigures
from dialer.core.records import to_ms
from dialer.runtime.blasts.sample import sample_blast, sample_links
from dialer.runtime.clock import SimulatedClock
from dialer.runtime.safety import check_simulated_agents, no_provider
from dialer.runtime.services import EngineServices
from dialer.runtime.shift import (
    Shift,
    ShiftSummary,
    last_event_at,
    working_moment,
    write_reports,
)
from dialer.stores.ledger.portfolios import Portfolio, list_portfolios, portfolio_named

SAMPLE_ACCOUNTS = 10_000
SHORT_SHIFT_MIN = 30
SHORT_SPEED = 30.0
SHORT_REAL_MIN = 3
"""Without a terminal, on telephones that ring in real time."""
TERMINAL_SPEED = 5.0
LEAST_TICK_MS = 25
PLAIN_LINE_S = 10.0
"""Without a terminal: real seconds between two lines of figures."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    portfolio: str | None = None
    sample: bool = False
    country: str = "CL"
    accounts: int = SAMPLE_ACCOUNTS
    seed: int = 1
    agents: int = 20
    speed: float | None = None
    minutes: int | None = None
    adapter: str | None = None
    mode: str = "predictive"
    flow: str | None = None
    json: bool = False


SPOKEN = SpokenSettings(
    return_number="+12025550100",
    agent_name="Ana Ruiz",
    hours_es="de lunes a viernes, de 9 a 18 horas",
    hours_en="Monday to Friday, 9 am to 6 pm",
)
"""What simulated people are told: a number that nobody has."""
CALLERS_FLOW = "inbound-return"
"""What simulated people hear who call back, in the mode ivr."""


class NothingToRun(Exception):
    """There is no portfolio, or several and none was named."""


async def run_shift(config: Config, options: RunOptions, console: Console) -> ShiftSummary:
    """Everything from an empty folder to a summary. See `marcador run --help`."""
    set_up_logging(config.log)
    texts = Texts(config.language)
    unattended = bool(os.environ.get("CI")) or not console.is_terminal
    if options.adapter is not None:
        telephony = msgspec.structs.replace(config.telephony, adapter=options.adapter)
        config = msgspec.structs.replace(config, telephony=telephony)
    speed, minutes = _pace(config, options, texts, unattended=unattended)
    portfolio = await _portfolio(config, options, console, texts)
    async with open_stores(config) as ledger:
        newest = await last_event_at(ledger)
    not_before = max(filter(None, (datetime.now(UTC), newest)))
    start, zone = working_moment(portfolio.country, not_before)
    clock = SimulatedClock(start, speed)
    config = paced_for(config, speed)
    carrier = carrier_of(config, clock)
    check_simulated_agents(carrier)
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        await marcador.engine.start()
        try:
            async with serve(EngineServices(marcador), config.http) as url:
                simulated = carrier.facts.simulated
                console.print(texts("simulated" if simulated else "laboratory"), style="green")
                told = "simulated_clock" if simulated else "shifted_clock"
                console.print(texts(told, at=start, zone=zone, speed=speed))
                return await _work(
                    marcador, portfolio, options, console, texts, url, speed, minutes
                )
        finally:
            await marcador.engine.stop()


def _pace(
    config: Config, options: RunOptions, texts: Texts, *, unattended: bool
) -> tuple[float, int | None]:
    """Speed of the clock and length of the shift in its minutes. Raises `CliError`."""
    adapter = config.telephony.adapter
    if adapter == "simulator":
        speed = options.speed or (SHORT_SPEED if unattended else TERMINAL_SPEED)
        return speed, options.minutes or (SHORT_SHIFT_MIN if unattended else None)
    if adapter == "asterisk" and options.speed not in (None, 1.0):
        raise CliError(
            ExitCode.USAGE,
            texts.say(
                f"--speed {options.speed:g}: los teléfonos reales timbran en tiempo real",
                f"--speed {options.speed:g}: real telephones ring in real time",
            ),
            texts.say(
                "quite --speed, o use --adapter simulator",
                "leave --speed out, or use --adapter simulator",
            ),
        )
    # The fake of Twilio runs at the speed that it was told when it was started.
    return options.speed or 1.0, options.minutes or (SHORT_REAL_MIN if unattended else None)


def paced_for(config: Config, speed: float) -> Config:
    """On a fast clock decisions come as often as on a slow one, as the simulated people see it."""
    tick_ms = min(config.engine.tick_ms, max(LEAST_TICK_MS, round(1_000 / speed)))
    engine = msgspec.structs.replace(config.engine, tick_ms=tick_ms)
    return msgspec.structs.replace(config, engine=engine)


async def _portfolio(
    config: Config, options: RunOptions, console: Console, texts: Texts
) -> Portfolio:
    """The portfolio to work: the named one, the only one, or a sample made now."""
    name = options.portfolio
    if options.sample and name is None:
        name = f"sample-{options.country.lower()}"
    async with open_stores(config) as ledger, ledger.read() as conn:
        found = await portfolio_named(conn, name) if name is not None else None
        known = await list_portfolios(conn)
    if found is not None:
        return found
    if options.sample:
        return await _sample(config, options, name or "sample", console, texts)
    if name is None and len(known) == 1:
        return known[0]
    if not known:
        raise NothingToRun(
            "there is no portfolio yet: `marcador import FILE --portfolio NAME`, "
            "or `marcador run --sample`"
        )
    names = ", ".join(p.name for p in known)
    raise NothingToRun(f"name one of the portfolios with --portfolio: {names}")


async def _sample(
    config: Config, options: RunOptions, name: str, console: Console, texts: Texts
) -> Portfolio:
    folder = data_folder(config) / "samples"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{options.accounts}-{options.seed}.csv"
    settings = SampleSettings(
        country=options.country,
        accounts=options.accounts,
        seed=options.seed,
        today=datetime.now(UTC).date(),
    )
    await asyncio.to_thread(write_sample, path, settings)
    console.print(f"{texts('sample_made')}: {path}")
    await run_import(
        config,
        ImportOptions(
            file=path,
            portfolio=name,
            country=options.country,
            collector_role=CollectorRole.THIRD_PARTY,
            synthetic=True,
        ),
        console,
    )
    async with open_stores(config) as ledger, ledger.read() as conn:
        made = await portfolio_named(conn, name)
    if made is None:
        raise NothingToRun(f"the sample portfolio {name} was not imported")
    return made


async def _work(
    marcador: Marcador,
    portfolio: Portfolio,
    options: RunOptions,
    console: Console,
    texts: Texts,
    url: str,
    speed: float,
    minutes: int | None,
) -> ShiftSummary:
    shift = Shift(marcador, portfolio, options.agents, url)
    settings = await _settings(marcador, options)
    await shift.begin(settings)
    until = None if minutes is None else marcador.clock.now() + timedelta(minutes=minutes)
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        async with _board(console, texts, url, speed) as show:
            watching = asyncio.create_task(shift.watch(until, show))
            stopping = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (watching, stopping):
                if task not in done:
                    task.cancel()
            if watching in done:
                watching.result()
        console.print(texts("draining"))
        summary = await shift.end(float(marcador.config.engine.drain_s))
    place = write_reports(summary, data_folder(marcador.config) / "reports")
    _tell(summary, console, texts, place)
    return summary


async def _settings(marcador: Marcador, options: RunOptions) -> CampaignSettings:
    if options.mode not in WRITTEN:
        settings = CampaignSettings(
            mode=Mode(options.mode),
            flow=options.flow,
            amd=options.flow is not None and marcador.adapter.facts.amd,
            spoken=SPOKEN,
        )
        return settings if options.flow is None else await _with_keys(marcador, settings)
    channel = Channel(options.mode)
    messenger = marcador.engine.post.sender.messengers.get(channel)
    if messenger is None:
        raise no_provider(channel)
    return await sample_blast(marcador.ledger, channel, messenger, to_ms(marcador.clock.now()))


async def _with_keys(marcador: Marcador, settings: CampaignSettings) -> CampaignSettings:
    """What people at their keys need beside the flow: texts to be sent, and a flow for callers."""
    messenger = marcador.engine.post.sender.messengers.get(Channel.SMS)
    links = None
    if messenger is not None and messenger.facts.simulated:  # what ships with flows is SMS
        links = await sample_links(
            marcador.ledger, settings.flow or "", to_ms(marcador.clock.now())
        )
    inbound = CALLERS_FLOW if marcador.adapter.facts.simulated else None
    return msgspec.structs.replace(settings, links=links, inbound_flow=inbound)


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    try:
        yield
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)


@asynccontextmanager
async def _board(
    console: Console, texts: Texts, url: str, speed: float
) -> AsyncIterator[Callable[[LiveFigures], Awaitable[None]]]:
    """A live board on a terminal; a line now and then elsewhere."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:

            async def draw_board(figures: LiveFigures) -> None:
                live.update(draw(figures, texts, url=url, speed=speed))

            yield draw_board
        return
    last_s = 0.0

    async def print_line(figures: LiveFigures) -> None:
        nonlocal last_s
        now_s = asyncio.get_running_loop().time()
        if now_s - last_s >= PLAIN_LINE_S:
            last_s = now_s
            console.print(_line(figures, texts))

    yield print_line


def _line(figures: LiveFigures, texts: Texts) -> str:
    if figures.channel is not Channel.VOICE:
        return _message_line(figures, texts)
    queue = " ".join(f"{texts(f'queue_{state}')}={count}" for state, count in figures.queue.items())
    return (
        f"{figures.at:%H:%M:%S} {texts('dialed')}={figures.dialed} "
        f"{texts('answered')}={figures.answered} {texts('connected')}={figures.connected} "
        f"{texts('abandoned')}={figures.abandoned_pct:.2f}% "
        f"{texts('occupancy')}={figures.occupancy_pct:.1f}% "
        f"{texts('blocked')}={figures.blocked} {queue}"
    )


def _message_line(figures: LiveFigures, texts: Texts) -> str:
    counts = " ".join(f"{code}={count}" for code, count in figures.outcomes.items())
    return (
        f"{figures.at:%H:%M:%S} {texts('messages_started')}={figures.dialed} {counts} "
        f"{texts('replies')}={figures.replies} {texts('opt_outs')}={figures.opt_outs} "
        f"{texts('blocked')}={figures.blocked}"
    )


def _tell(summary: ShiftSummary, console: Console, texts: Texts, place: Path) -> None:
    console.rule(texts("summary"))
    console.print(draw(summary.figures, texts, url="", speed=1))
    style = "green" if summary.queue_conserved else "red bold"
    console.print(texts("conserved" if summary.queue_conserved else "not_conserved"), style=style)
    if summary.ledger is not None:
        console.print(_ledger_line(summary, texts))
    console.print(f"{texts('reports')}: {place}")


def _ledger_line(summary: ShiftSummary, texts: Texts) -> str:
    report = summary.ledger
    if report is None:
        return ""
    if report.problem_count == 0:
        return texts("ledger_ok", events=report.events, people=report.people)
    return texts("ledger_bad", problem=report.problems[0])
