"""`marcador users`: who may log in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
from rich.table import Table

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.init_command import ask_password
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import to_ms
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.users import (
    Language,
    Role,
    User,
    create_user,
    hash_password,
    list_users,
    set_active,
    set_password,
    set_team,
    team_name,
)


def add_user(
    shell: Shell, username: str, *, role: str, name: str, team: str, password_stdin: bool
) -> None:
    """Make a user. Without a terminal or --password-stdin a password is made and shown once."""
    config = shell.config
    chosen = _role(shell, role)

    async def work() -> tuple[User, str | None]:
        password, generated = ask_password(shell, stdin=password_stdin, generate=False)
        hashed = await asyncio.to_thread(hash_password, password)
        async with existing_ledger(shell) as ledger, ledger.write() as conn:
            made = await create_user(
                conn,
                username=username,
                display_name=name,
                role=chosen,
                language=Language(config.language),
                team=team,
                password_hash=hashed,
                actor=actor_name(),
                now_ms=_now_ms(),
            )
        return made, password if generated else None

    made, password = shell.run(work())
    if shell.json:
        shell.answer({"user": made, "password": password})
        return
    shell.say(f"{made.username} ({made.role}) {made.user_id}")
    _show_password(shell, password)


def show_users(shell: Shell) -> None:
    """All users."""

    async def work() -> list[User]:
        async with existing_ledger(shell) as ledger, ledger.read() as conn:
            return await list_users(conn)

    found = shell.run(work())
    if shell.json:
        shell.answer(list(found))
        return
    texts = shell.texts
    table = Table()
    for title in (
        texts.say("usuario", "user"),
        texts.say("nombre", "name"),
        texts.say("rol", "role"),
        texts.say("equipo", "team"),
        texts.say("activo", "active"),
        "id",
    ):
        table.add_column(title)
    for user in found:
        active = texts.say("sí", "yes") if user.active else "no"
        table.add_row(user.username, user.display_name, user.role, user.team, active, user.user_id)
    shell.out.print(table)


def deactivate_user(shell: Shell, username: str) -> None:
    """Shut a user out, with all their sessions and tokens. One active admin must be left."""

    async def work() -> User:
        async with existing_ledger(shell) as ledger:
            user = await _named(ledger, username)
            async with ledger.write() as conn:
                await set_active(
                    conn, user.user_id, active=False, actor=actor_name(), now_ms=_now_ms()
                )
        return user

    user = shell.run(work())
    if shell.json:
        shell.answer({"user_id": user.user_id, "active": False})
        return
    shell.say(shell.texts.say(f"{user.username} ya no entra", f"{user.username} is shut out"))


def change_team(shell: Shell, username: str, team: str) -> None:
    """Put a user in a team, from their next login on."""

    async def work() -> User:
        async with existing_ledger(shell) as ledger:
            user = await _named(ledger, username)
            async with ledger.write() as conn:
                await set_team(conn, user.user_id, team, actor=actor_name(), now_ms=_now_ms())
        return msgspec.structs.replace(user, team=team_name(team))

    user = shell.run(work())
    if shell.json:
        shell.answer(user)
        return
    none = shell.texts.say("sin equipo", "no team")
    shell.say(f"{user.username}: {user.team or none}")


def change_password(shell: Shell, username: str, *, password_stdin: bool) -> None:
    """Give a user another password."""

    async def work() -> tuple[User, str | None]:
        async with existing_ledger(shell) as ledger:
            user = await _named(ledger, username)
            text, generated = ask_password(shell, stdin=password_stdin, generate=False)
            hashed = await asyncio.to_thread(hash_password, text)
            async with ledger.write() as conn:
                await set_password(conn, user.user_id, hashed, actor=actor_name(), now_ms=_now_ms())
        return user, text if generated else None

    user, made = shell.run(work())
    if shell.json:
        shell.answer({"user_id": user.user_id, "password": made})
        return
    shell.say(
        shell.texts.say(f"Contraseña cambiada: {user.username}", f"Password set: {user.username}")
    )
    _show_password(shell, made)


def _role(shell: Shell, name: str) -> Role:
    try:
        return Role(name)
    except ValueError as error:
        raise CliError(
            ExitCode.USAGE,
            shell.texts.say(f"No hay rol {name!r}", f"There is no role {name!r}"),
            shell.texts.say(f"los que hay: {', '.join(Role)}", f"there are: {', '.join(Role)}"),
        ) from error


async def _named(ledger: Ledger, username: str) -> User:
    """Raises `LookupError`."""
    async with ledger.read() as conn:
        for user in await list_users(conn):
            if user.username == username.strip().casefold():
                return user
    raise LookupError(f"there is no user {username!r}; see `marcador users list`")


def _show_password(shell: Shell, password: str | None) -> None:
    if password is not None:
        shell.say(
            shell.texts.say(
                f"Contraseña (se muestra sólo ahora): {password}",
                f"Password (shown only now): {password}",
            )
        )


def _now_ms() -> int:
    return to_ms(datetime.now(UTC))
