"""`marcador doctor`: is everything here that Marcador needs, and if not, how to get it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import typer
from rich.table import Table
from sqlalchemy import text as sql

from compliance.packs import PackSet
from compliance.types import PackStatus
from compliance.zones import tzdata_version
from dialer.bootstrap import data_folder, load_rule_packs
from dialer.cli.calendar_ends import ends_of
from dialer.cli.doctor_carrier import carrier_findings
from dialer.cli.doctor_messages import messages_findings
from dialer.cli.doctor_speech import speech_finding
from dialer.cli.exits import ExitCode
from dialer.cli.findings import Finding, State, problem
from dialer.cli.init_command import KEY_FILE, shown_ledger
from dialer.cli.shell import Shell
from dialer.cli.stores import missing_ledger
from dialer.cli.texts import Texts
from dialer.config import Config
from dialer.core.records import to_ms
from dialer.stores.ledger import migrations
from dialer.stores.ledger.bulk import Dialect
from dialer.stores.ledger.checkpoints import load_or_create_key
from dialer.stores.ledger.database import SQLITE_LEAST, Ledger, open_ledger
from dialer.stores.ledger.users import Role, list_users
from dialer.stores.redis.client import RedisClient, as_list, as_text, connect_url, parse_info
from dialer.stores.redis.embedded import EmbeddedRedis, find_binary
from dialer.stores.redis.errors import RedisUnavailable

PYTHON_LEAST: Final = (3, 11)
SPACE_LEAST_MB: Final = 200
SPACE_GOOD_MB: Final = 2_000
TZDATA_AGE: Final = timedelta(days=550)
CLOCKS_APART_S: Final = 5.0


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What `marcador doctor --json` prints."""

    healthy: bool
    """No problem; there may be warnings."""
    findings: tuple[Finding, ...]


def run_doctor(shell: Shell) -> None:
    """Look at everything. Exits with `NO` where something keeps Marcador from working."""
    config = shell.config
    findings = tuple(shell.run(_examine(config, shell)))
    healthy = all(finding.state is not State.PROBLEM for finding in findings)
    if shell.json:
        shell.answer(Diagnosis(healthy=healthy, findings=findings))
    else:
        _tell(shell, findings, healthy=healthy)
    if not healthy:
        raise typer.Exit(ExitCode.NO)


async def _examine(config: Config, shell: Shell) -> list[Finding]:
    texts = shell.texts
    findings = [_configuration(config, shell), _python(texts), _sqlite(texts)]
    findings += _data_folder(config, texts)
    findings += [finding async for finding in _ledger(config, texts)]
    findings += [finding async for finding in _redis(config, texts)]
    findings += await asyncio.to_thread(lambda: list(_packs(config, texts)))
    findings += [_own_clock(datetime.now(UTC), texts), _tzdata(texts)]
    findings.append(_port(config, texts))
    findings += [finding async for finding in carrier_findings(config, texts)]
    findings.append(await speech_finding(config, texts))
    findings += [finding async for finding in messages_findings(config, texts)]
    return findings


# --- this machine -----------------------------------------------------------------------------


def _configuration(config: Config, shell: Shell) -> Finding:
    path = shell.config_path
    none = shell.texts.say("sin archivo: valores por defecto", "no file: defaults")
    found = f"{path or none}, sha256 {config.sha256()[:12]}"
    return Finding(check="configuration", state=State.OK, found=found)


def _python(texts: Texts) -> Finding:
    found = sys.version.split()[0]
    if sys.version_info >= PYTHON_LEAST:
        return Finding(check="python", state=State.OK, found=found)
    least = ".".join(map(str, PYTHON_LEAST))
    mend = texts.say(f"instale Python {least} o más nuevo", f"install Python {least} or newer")
    return Finding(check="python", state=State.PROBLEM, found=found, mend=mend)


def _sqlite(texts: Texts) -> Finding:
    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= SQLITE_LEAST:
        return Finding(check="sqlite", state=State.OK, found=found)
    least = ".".join(map(str, SQLITE_LEAST))
    mend = texts.say(
        f"instale un Python con SQLite {least} o más nuevo, o use PostgreSQL (ledger.url)",
        f"install a Python with SQLite {least} or newer, or use PostgreSQL (ledger.url)",
    )
    return Finding(check="sqlite", state=State.PROBLEM, found=found, mend=mend)


def _data_folder(config: Config, texts: Texts) -> list[Finding]:
    try:
        folder = data_folder(config)
        free_mb = shutil.disk_usage(folder).free // 1_000_000
    except Exception as error:
        return [problem("data_folder", error, texts)]
    found = texts.say(f"{folder}, {free_mb:,} MB libres", f"{folder}, {free_mb:,} MB free")
    state = State.OK
    if free_mb < SPACE_GOOD_MB:
        state = State.PROBLEM if free_mb < SPACE_LEAST_MB else State.WARNING
    mend = "" if state is State.OK else texts.say("libere espacio", "free some space")
    return [
        Finding(check="data_folder", state=state, found=found, mend=mend),
        _signing_key(folder / KEY_FILE, texts),
    ]


def _signing_key(path: Path, texts: Texts) -> Finding:
    if not path.exists():
        return Finding(
            check="signing_key",
            state=State.WARNING,
            found=texts.say(f"{path}: no existe", f"{path}: there is none"),
            mend=texts.say("`marcador init` la crea", "`marcador init` makes it"),
        )
    try:
        key = load_or_create_key(path)
    except Exception as error:
        return problem("signing_key", error, texts)
    return Finding(check="signing_key", state=State.OK, found=f"{path}, {key.public_hex[:12]}")


def _tzdata(texts: Texts) -> Finding:
    found = tzdata_version()
    age = datetime.now(UTC).date() - _year_of(found)
    if age <= TZDATA_AGE:
        return Finding(check="tzdata", state=State.OK, found=found)
    mend = texts.say("actualice el paquete tzdata", "update the package tzdata")
    return Finding(check="tzdata", state=State.WARNING, found=found, mend=mend)


def _year_of(release: str) -> date:
    return date(int(release[:4]), 1, 1)


def _own_clock(now: datetime, texts: Texts) -> Finding:
    """A clock that is behind the data of this release is wrong for certain."""
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.date() >= _year_of(tzdata_version()):
        return Finding(check="clock", state=State.OK, found=found)
    mend = texts.say("ponga el reloj en hora (NTP)", "set the clock (NTP)")
    return Finding(check="clock", state=State.PROBLEM, found=found, mend=mend)


def _port(config: Config, texts: Texts) -> Finding:
    where = f"{config.http.host}:{config.http.port}"
    try:
        try_port(config.http.host, config.http.port)
    except OSError as error:
        return Finding(
            check="port",
            state=State.PROBLEM,
            found=f"{where}: {os.strerror(error.errno or 0)}",
            mend=texts.say(
                "cierre el otro programa (¿otro Marcador?), o cambie http.port",
                "end the other program (another Marcador?), or change http.port",
            ),
        )
    return Finding(check="port", state=State.OK, found=where)


def try_port(host: str, port: int) -> None:
    """Listen there for a moment. Raises `OSError` where that is not possible."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)


# --- stores -------------------------------------------------------------------------------------


async def _ledger(config: Config, texts: Texts) -> AsyncIterator[Finding]:
    try:
        missing = await asyncio.to_thread(missing_ledger, config)
        if missing is not None:
            yield Finding(
                check="ledger",
                state=State.PROBLEM,
                found=texts.say(f"{missing}: no existe", f"{missing}: there is none"),
                mend=texts.say("`marcador init` lo crea", "`marcador init` makes it"),
            )
            return
        ledger = await open_ledger(config.ledger_url, now_ms=to_ms(datetime.now(UTC)))
    except Exception as error:
        yield problem("ledger", error, texts)
        return
    try:
        found = f"{shown_ledger(config)}, {texts.say('esquema', 'schema')} {migrations.HEAD}"
        yield Finding(check="ledger", state=State.OK, found=found)
        yield await _admin(ledger, texts)
        if ledger.dialect is Dialect.POSTGRESQL:
            async with ledger.read() as conn:
                seconds = (
                    await conn.execute(sql("SELECT extract(epoch FROM clock_timestamp())"))
                ).scalar_one()
            yield _clock("ledger_clock", float(seconds), texts)
    except Exception as error:
        yield problem("ledger", error, texts)
    finally:
        await ledger.close()


async def _admin(ledger: Ledger, texts: Texts) -> Finding:
    async with ledger.read() as conn:
        users = await list_users(conn)
    admins = [user.username for user in users if user.role is Role.ADMIN and user.active]
    if admins:
        return Finding(check="admin", state=State.OK, found=", ".join(admins))
    return Finding(
        check="admin",
        state=State.WARNING,
        found=texts.say("ningún administrador", "no administrator"),
        mend=texts.say("`marcador init` crea el primero", "`marcador init` makes the first one"),
    )


async def _redis(config: Config, texts: Texts) -> AsyncIterator[Finding]:
    if config.redis.url is None:
        try:
            found = str(find_binary())
        except RedisUnavailable as error:
            yield problem("redis_binary", error, texts)
            return
        yield Finding(check="redis_binary", state=State.OK, found=found)
    try:
        async with _opened_redis(config) as client:
            yield await _redis_version(client)
            yield await _redis_clock(client, texts)
    except Exception as error:
        yield problem("redis", error, texts)


@asynccontextmanager
async def _opened_redis(config: Config) -> AsyncIterator[RedisClient]:
    """The Redis of the configuration. Embedded: the one that a running Marcador has, or our own
    for a moment."""
    if config.redis.url is not None:
        async with await connect_url(config.redis.url) as client:
            yield client
        return
    server = EmbeddedRedis(data_folder(config) / "redis")
    running = await _running(server)
    if running is not None:
        async with running:
            yield running
        return
    async with server, await connect_url(server.url) as client:
        yield client


async def _running(server: EmbeddedRedis) -> RedisClient | None:
    try:
        return await connect_url(server.url)
    except RedisUnavailable:
        return None


async def _redis_version(client: RedisClient) -> Finding:
    info = parse_info(as_text(await client.execute("INFO", "server")))
    found = f"{client.where}, Redis {info.get('redis_version', '?')}"
    return Finding(check="redis", state=State.OK, found=found)


async def _redis_clock(client: RedisClient, texts: Texts) -> Finding:
    seconds, micros = (int(as_text(part)) for part in as_list(await client.execute("TIME")))
    return _clock("redis_clock", seconds + micros / 1e6, texts)


def _clock(check: str, theirs_s: float, texts: Texts) -> Finding:
    apart_s = abs(datetime.now(UTC).timestamp() - theirs_s)
    found = texts.say(f"{apart_s:.1f} s de diferencia", f"{apart_s:.1f} s apart")
    if apart_s <= CLOCKS_APART_S:
        return Finding(check=check, state=State.OK, found=found)
    mend = texts.say("sincronice los relojes (NTP)", "synchronise the clocks (NTP)")
    return Finding(check=check, state=State.PROBLEM, found=found, mend=mend)


# --- rules --------------------------------------------------------------------------------------


def _packs(config: Config, texts: Texts) -> list[Finding]:
    try:
        packs = load_rule_packs(config)
    except Exception as error:
        return [problem("packs", error, texts)]
    drafts = sum(pack.doc.status is PackStatus.DRAFT for pack in packs.packs)
    rules = sum(len(pack.rules) for pack in packs.packs)
    found = texts.say(
        f"{len(packs.packs)} paquetes, {rules} reglas, {drafts} borradores",
        f"{len(packs.packs)} packs, {rules} rules, {drafts} drafts",
    )
    return [
        Finding(check="packs", state=State.OK, found=found),
        _calendars(packs, datetime.now(UTC).date(), texts),
    ]


def _calendars(packs: PackSet, today: date, texts: Texts) -> Finding:
    """Past `verified_through` the rules that need a calendar fail closed: nobody is called."""
    ends = ends_of(packs.packs)
    ending = [end for end in ends if end.ends_soon(today)]
    if not ending:
        first = min((end.through for end in ends), default=today)
        found = texts.say(
            f"{len(ends)} países, verificados hasta {first} al menos",
            f"{len(ends)} countries, verified through {first} at least",
        )
        return Finding(check="calendars", state=State.OK, found=found)
    listed = "; ".join(end.told(texts) for end in ending)
    over = any(end.is_over(today) for end in ending)
    return Finding(
        check="calendars",
        state=State.PROBLEM if over else State.WARNING,
        found=texts.say(
            f"feriados verificados sólo hasta {listed}", f"holidays verified only through {listed}"
        ),
        mend=texts.say(
            "actualice Marcador, o dé add y verified_through en un paquete propio",
            "update Marcador, or give add and verified_through in a pack of your own",
        ),
    )


# --- telling ------------------------------------------------------------------------------------


_MARKS: Final = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red bold"}


def _tell(shell: Shell, findings: tuple[Finding, ...], *, healthy: bool) -> None:
    texts = shell.texts
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for finding in findings:
        mend = f"\n→ {finding.mend}" if finding.mend else ""
        style = _MARKS[finding.state]
        state = f"[{style}]{finding.state}[/{style}]"
        table.add_row(state, finding.check, _escaped(finding.found + mend))
    shell.out.print(table)
    shell.say(
        texts.say("Todo listo.", "All is well.")
        if healthy
        else texts.say("Hay problemas que resolver.", "There are problems to solve."),
        style="green" if healthy else "red bold",
    )


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")
