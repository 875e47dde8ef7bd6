"""The one place where Marcador is put together from its parts."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from compliance.packs import BUNDLED, PackSet, load_packs
from compliance.types import Channel
from dialer.config import Config, ConfigError, LogConfig
from dialer.core.records import to_ms
from dialer.runtime.blasts.opt_outs import load_or_create_link_key
from dialer.runtime.clock import Clock, WallClock
from dialer.runtime.engine import Engine
from dialer.runtime.safety import check_messenger
from dialer.stores.ledger.checkpoints import Checkpoints, load_or_create_key
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.embedded import EmbeddedRedis, connect
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.messaging import MessagingAdapter
from telephony_adapters.nodes.settings import NodeLimits, NodesSettings
from telephony_adapters.port import TelephonyAdapter
from telephony_adapters.settings import SettingsProblem
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.correspondents import SeededCorrespondents
from telephony_adapters.simulator.messenger import SimulatedMessenger
from telephony_adapters.simulator.world import SeededWorld
from telephony_adapters.smtp.settings import Security, SmtpSettings
from telephony_adapters.smtp.settings import check as check_smtp
from telephony_adapters.twilio.settings import TwilioSettings, check, check_messages

if TYPE_CHECKING:
    from telephony_adapters.asterisk.nodes import AsteriskNode


class DataFolderUnusable(Exception):
    """The data folder cannot be made or written to."""


class Marcador(msgspec.Struct, frozen=True):
    """All parts of one running Marcador."""

    config: Config
    clock: Clock
    ledger: Ledger
    redis: RedisClient
    adapter: TelephonyAdapter
    packs: PackSet
    engine: Engine


def set_up_logging(config: LogConfig) -> None:
    """Structured logs on standard error, for people or as JSON lines."""
    renderer: structlog.types.Processor
    if config.format == "json":
        renderer = structlog.processors.JSONRenderer(serializer=json.dumps)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.level.upper())),
        # Asked for at each line: standard error may have been redirected since.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def data_folder(config: Config) -> Path:
    """The data folder, made if it is missing. Raises `DataFolderUnusable`."""
    path = config.data_path
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderUnusable(
            f"data_dir {path}: {error.strerror}; choose a folder that this user may write to"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise DataFolderUnusable(f"data_dir {path}: this user may not write there")
    return path


def load_rule_packs(config: Config) -> PackSet:
    """Bundled packs and the house's own. Raises `PackError`; nothing is dialed without them."""
    folders = [BUNDLED]
    if config.house_packs is not None:
        folders.append(Path(config.house_packs))
    return load_packs(folders, production=config.production)


@asynccontextmanager
async def open_stores(config: Config, *, mapped: bool = True) -> AsyncIterator[Ledger]:
    """The ledger alone, for commands that need neither Redis nor a carrier.

    `mapped`: see `open_ledger`.
    """
    data_folder(config)
    now_ms = to_ms(datetime.now(UTC))
    ledger = await open_ledger(config.ledger_url, now_ms=now_ms, mapped=mapped)
    try:
        yield ledger
    finally:
        await ledger.close()


Revive = Callable[[], Awaitable[None]]
"""Brings an embedded Redis back when it has died; for any other Redis there is nothing to do."""


async def _nothing_to_revive() -> None:
    return None


@asynccontextmanager
async def open_redis(config: Config) -> AsyncIterator[tuple[RedisClient, Revive]]:
    """The Redis of the configuration, or an embedded one that lives as long as this."""
    async with contextlib.AsyncExitStack() as stack:
        if config.redis.url is not None:
            client = await stack.enter_async_context(await connect(config.redis.url))
            yield client, _nothing_to_revive
            return
        folder = data_folder(config) / "redis"
        embedded = await stack.enter_async_context(EmbeddedRedis(folder))
        client = await stack.enter_async_context(await connect(embedded))
        yield client, embedded.start


@asynccontextmanager
async def open_marcador(
    config: Config,
    *,
    clock: Clock | None = None,
    adapter: TelephonyAdapter | None = None,
    messengers: Mapping[Channel, MessagingAdapter] | None = None,
) -> AsyncIterator[Marcador]:
    """Put everything together; the engine is made, and started by the caller.

    Raises what its parts raise when they cannot be used: `PackError`, `DataFolderUnusable`,
    `LedgerUnavailable`, `RedisUnavailable`, `ConfigError`.
    """
    packs = load_rule_packs(config)
    the_clock = clock or WallClock()
    async with open_stores(config) as ledger, open_redis(config) as (redis, revive):
        carrier = adapter or carrier_of(config, the_clock)
        key = load_or_create_key(data_folder(config) / "ledger-key.pem")
        engine = Engine(
            config=config,
            clock=the_clock,
            ledger=ledger,
            redis=redis,
            adapter=carrier,
            packs=packs,
            checkpoints=Checkpoints(ledger, key),
            revive_redis=revive,
            messengers=(
                messengers_of(config, the_clock, carrier) if messengers is None else messengers
            ),
            link_key=load_or_create_link_key(data_folder(config) / "opt-out-link-key"),
        )
        yield Marcador(config, the_clock, ledger, redis, carrier, packs, engine)


def carrier_of(config: Config, clock: Clock) -> TelephonyAdapter:
    """The carrier that `telephony.adapter` names. Raises `ConfigError`."""
    if config.telephony.adapter == "twilio":
        from telephony_adapters.twilio.adapter import TwilioAdapter

        return TwilioAdapter(twilio_settings(config), clock, notes=data_folder(config))
    if config.telephony.adapter == "asterisk":
        from telephony_adapters.asterisk import nodes
        from telephony_adapters.asterisk.adapter import AsteriskCarrier

        several = asterisk_nodes(config)
        if several:
            return nodes.carrier(several, nodes_settings(config), clock)
        return AsteriskCarrier(asterisk_settings(config), clock)
    return simulated_carrier(config, clock)


def twilio_settings(config: Config) -> TwilioSettings:
    """The section `[twilio]` as calls take it. Raises `ConfigError` naming the key."""
    return _twilio(config, check)


def twilio_message_settings(config: Config, channels: frozenset[Channel]) -> TwilioSettings:
    """The section `[twilio]` as messages take it. Raises `ConfigError` naming the key."""
    return _twilio(config, lambda settings: check_messages(settings, channels))


def _twilio(config: Config, checked: Callable[[TwilioSettings], TwilioSettings]) -> TwilioSettings:
    given = msgspec.structs.asdict(config.twilio)
    given["caller_ids"] = tuple(filter(None, re.split(r"[\s,;]+", config.twilio.caller_ids)))
    try:
        return checked(TwilioSettings(**given))
    except SettingsProblem as problem:
        raise ConfigError(f"`twilio.{problem.key}`: {problem.what}; {problem.mend}") from problem


def asterisk_settings(config: Config) -> AsteriskSettings:
    """The section `[asterisk]` as the adapter takes it. Raises `ConfigError` naming the key."""
    settings = _asterisk(config)
    faults = settings.faults()
    if faults:
        raise ConfigError("; ".join(f"asterisk.{fault}" for fault in faults))
    return settings


def asterisk_nodes(config: Config) -> list[AsteriskNode]:
    """The sections `[asterisk.nodes.NAME]`; none where there is one Asterisk.

    Raises `ConfigError` naming the key.
    """
    from telephony_adapters.asterisk.nodes import AsteriskNode, faults

    nodes = []
    for name, section in config.asterisk.nodes.items():
        given = {
            "url": section.url,
            "user": section.user,
            "password": section.password,
            "dial": section.dial,
            "agent_dial": section.agent_dial,
        }
        changes = {key: value for key, value in given.items() if value is not None}
        limits = NodeLimits(
            name=name,
            max_originates_per_s=section.max_originates_per_s,
            max_lines=section.max_lines,
            max_legs=section.max_legs,
            trunks=frozenset(filter(None, re.split(r"[\s,;]+", section.trunks))),
            drain=section.drain,
        )
        settings = msgspec.structs.replace(_asterisk(config), **changes)
        nodes.append(AsteriskNode(limits=limits, settings=settings, link_dial=section.link_dial))
    found = faults(nodes)
    if found:
        raise ConfigError("; ".join(f"asterisk.{fault}" for fault in found))
    return nodes


def nodes_settings(config: Config) -> NodesSettings:
    """What several Asterisks share."""
    return NodesSettings(
        trunk=config.telephony.trunk,
        down_s=config.asterisk.node_down_s,
        lost_s=config.asterisk.node_lost_s,
    )


def _asterisk(config: Config) -> AsteriskSettings:
    section = config.asterisk
    return AsteriskSettings(
        url=section.url,
        user=section.user,
        password=section.password,
        app=section.app,
        dial=section.dial,
        agent_dial=section.agent_dial,
        trunk=config.telephony.trunk,
        caller_id=section.caller_id,
        amd_context=section.amd_context,
        prompts_media=section.prompts_media or f"sound:{config.prompts_path}/{{audio}}",
        hold_music=section.hold_music,
        laboratory=section.laboratory,
        agent_ring_timeout_s=section.agent_ring_timeout_s,
        command_timeout_s=section.command_timeout_s,
    )


def messengers_of(
    config: Config, clock: Clock, carrier: TelephonyAdapter | None = None
) -> dict[Channel, MessagingAdapter]:
    """The provider of each channel that has one, as `[messages]` names them.

    One adapter may carry several channels: start it once. Where calls go through Twilio too,
    `carrier` is their adapter, whose door for webhooks is shared. Raises `ConfigError`, and
    `UnsafeDialing` for one that reaches real people without `messages.allow_real_sending`.
    """
    chosen: dict[Channel, str] = {
        Channel.SMS: config.messages.sms,
        Channel.WHATSAPP: config.messages.whatsapp,
        Channel.EMAIL: config.messages.email,
    }
    adapters: dict[str, MessagingAdapter] = {}
    for provider in sorted(set(chosen.values()) - {"none"}):
        channels = frozenset(channel for channel, name in chosen.items() if name == provider)
        adapters[provider] = _messenger(provider, channels, config, clock, carrier)
        check_messenger(config, adapters[provider])
    return {
        channel: adapters[provider] for channel, provider in chosen.items() if provider != "none"
    }


def _messenger(
    provider: str,
    channels: frozenset[Channel],
    config: Config,
    clock: Clock,
    carrier: TelephonyAdapter | None,
) -> MessagingAdapter:
    if provider == "twilio":
        from telephony_adapters.twilio.adapter import TwilioAdapter
        from telephony_adapters.twilio.messages import TwilioMessenger

        return TwilioMessenger(
            twilio_message_settings(config, channels),
            clock,
            channels=channels,
            door=carrier.door if isinstance(carrier, TwilioAdapter) else None,
        )
    if provider == "smtp":
        from telephony_adapters.smtp.adapter import SmtpMessenger

        return SmtpMessenger(smtp_settings(config), clock)
    numbers = SeededWorld(config.simulator.seed)
    return SimulatedMessenger(
        clock=clock,
        world=SeededCorrespondents(
            config.simulator.seed, owner_of=lambda number: numbers.traits(number).owner
        ),
        channels=channels,
    )


def smtp_settings(config: Config) -> SmtpSettings:
    """The section `[smtp]` as the adapter takes it. Raises `ConfigError` naming the key."""
    given = msgspec.structs.asdict(config.smtp)
    try:
        return check_smtp(SmtpSettings(**{**given, "security": Security(config.smtp.security)}))
    except SettingsProblem as problem:
        raise ConfigError(f"`smtp.{problem.key}`: {problem.what}; {problem.mend}") from problem


def simulated_carrier(config: Config, clock: Clock) -> SimulatedCarrier:
    """The carrier of the default configuration: seeded people, nobody real."""
    return SimulatedCarrier(clock=clock, world=SeededWorld(config.simulator.seed))
