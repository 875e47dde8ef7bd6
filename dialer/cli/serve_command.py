"""`marcador serve`: the engine and the HTTP API in the foreground, until a signal ends them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import structlog

from dialer.bootstrap import Marcador, asterisk_nodes, open_marcador, set_up_logging
from dialer.cli.doctor import try_port
from dialer.cli.exits import CliError
from dialer.cli.shell import Shell
from dialer.cli.texts import Texts
from dialer.config import Config, ConfigError
from dialer.console.server import serve
from dialer.runtime.clock import Clock, SimulatedClock, WallClock
from dialer.runtime.services import EngineServices
from telephony_adapters.nodes.carrier import NodesCarrier
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What `marcador serve --json` prints once it serves: one line."""

    url: str
    pid: int
    real_dialing: bool


def run_serve(shell: Shell) -> None:
    """Serve until SIGTERM or Ctrl-C; then calls in progress may end. A second signal ends now.

    Where the carrier has several nodes, SIGHUP makes it look which of them are to be drained.
    """
    config = shell.config
    set_up_logging(config.log)
    # Before the engine starts: a taken port should not cost a start of everything.
    if config.http.port:
        try_port(config.http.host, config.http.port)
    shell.run(_serve(shell, config))


async def _serve(shell: Shell, config: Config) -> None:
    texts = shell.texts
    stop = asyncio.Event()
    with _signals(stop):
        async with (
            _working(config) as marcador,
            serve(EngineServices(marcador), config.http) as url,
        ):
            _greet(shell, config, texts, url)
            with _drains(shell, marcador.adapter):
                await stop.wait()
            shell.say(texts("draining"))
            await marcador.engine.drain(float(config.engine.drain_s))
    shell.say(texts.say("Terminado.", "Ended."))


@asynccontextmanager
async def _working(config: Config) -> AsyncIterator[Marcador]:
    async with open_marcador(config, clock=_clock(config)) as marcador:
        await marcador.engine.start()
        try:
            yield marcador
        finally:
            await marcador.engine.stop()


def _clock(config: Config) -> Clock:
    """The wall clock, unless a simulation is told to run faster."""
    if config.simulator.speed == 1 or config.telephony.adapter != "simulator":
        return WallClock()
    return SimulatedClock(datetime.now(UTC), config.simulator.speed)


def _greet(shell: Shell, config: Config, texts: Texts, url: str) -> None:
    real = config.telephony.allow_real_dialing
    if shell.json:
        started = Started(url=url, pid=os.getpid(), real_dialing=real)
        print(msgspec.json.encode(started).decode(), flush=True)
        return
    if real:
        shell.say(texts("real_dialing"), style="white on red bold")
    elif config.telephony.adapter == "simulator":
        shell.say(texts("simulated"), style="green")
    else:
        shell.say(texts("laboratory"), style="green")
    shell.say(texts("serving", url=url))


@contextlib.contextmanager
def _drains(shell: Shell, adapter: TelephonyAdapter) -> Iterator[None]:
    """On SIGHUP the configuration is read again, for `drain` of each node and nothing else."""
    if not isinstance(adapter, NodesCarrier):
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, lambda: drain_as_told(shell, adapter))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def drain_as_told(shell: Shell, carrier: NodesCarrier) -> None:
    """Drain the nodes that the file says, or say why not; what else has changed waits."""
    try:
        nodes = asterisk_nodes(shell.load(shell.config_path))
    except (ConfigError, CliError) as error:
        log.error("config_not_read_again", error=str(error))
        return
    known = {node.name for node in carrier.figures()}
    for node in nodes:
        if node.name in known:
            carrier.drain(node.name, on=node.limits.drain)
        else:
            log.warning("node_needs_a_restart", node=node.name)


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """The first signal asks for an end in order; the second one interrupts."""
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()
    names = (signal.SIGINT, signal.SIGTERM)

    def asked() -> None:
        if stop.is_set() and me is not None:
            me.cancel()
        stop.set()

    for name in names:
        loop.add_signal_handler(name, asked)
    try:
        yield
    finally:
        for name in names:
            loop.remove_signal_handler(name)
