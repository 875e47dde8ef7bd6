"""`marcador init`: configuration file, data folder, ledger, signing key and first admin."""

from __future__ import annotations

import asyncio
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import typer

from dialer.bootstrap import data_folder, load_rule_packs, open_stores
from dialer.cli.config_docs import template
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import CONFIG_FILE, Shell
from dialer.config import Config
from dialer.core.records import to_ms
from dialer.stores.ledger.checkpoints import load_or_create_key
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.users import (
    Language,
    create_first_admin,
    hash_password,
    list_users,
)

KEY_FILE: Final = "ledger-key.pem"
GENERATED_BYTES: Final = 15


class InitOptions(msgspec.Struct, frozen=True, kw_only=True):
    username: str = "admin"
    password_stdin: bool = False
    generate_password: bool = False
    force: bool = False


class InitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `marcador init --json` prints."""

    config_file: str
    config_written: bool
    data_dir: str
    ledger: str
    public_key: str
    """Hex, Ed25519: verifies the checkpoints of this ledger. Keep a copy elsewhere."""
    admin: str | None
    """Name of the administrator that was made; None when there were users already."""
    password: str | None = None
    """Shown once, where it was generated."""


def run_init(shell: Shell, options: InitOptions) -> None:
    """Make everything that is missing; leave alone what is there. Safe to run again."""
    texts = shell.texts
    path = shell.options.config or shell.config_path or CONFIG_FILE
    exists = path.exists()
    config = shell.load(path if exists and not options.force else None)
    load_rule_packs(config)
    data_folder(config)
    key = load_or_create_key(data_folder(config) / KEY_FILE)
    admin, password = shell.run(_first_admin(shell, config, options))
    written = not exists or options.force
    if written:
        _write(path, template(config, _chosen(shell)))
    answer = InitAnswer(
        config_file=str(path),
        config_written=written,
        data_dir=str(config.data_path),
        ledger=shown_ledger(config),
        public_key=key.public_hex,
        admin=admin,
        password=password,
    )
    if shell.json:
        shell.answer(answer)
        return
    _tell(shell, answer)
    shell.say(
        texts.say(
            "Siguiente: `marcador doctor`, luego `marcador import ARCHIVO --portfolio NOMBRE` "
            "o `marcador run --sample`.",
            "Next: `marcador doctor`, then `marcador import FILE --portfolio NAME` "
            "or `marcador run --sample`.",
        )
    )


def shown_ledger(config: Config) -> str:
    """Where the ledger is, without a password."""
    from sqlalchemy.engine import make_url

    return make_url(config.ledger_url).render_as_string(hide_password=True)


def _chosen(shell: Shell) -> frozenset[str]:
    """Keys given on the command line: they stand uncommented in the file."""
    chosen = {given.partition("=")[0].strip() for given in shell.options.overrides}
    if shell.options.data_dir is not None:
        chosen.add("data_dir")
    if shell.options.language is not None:
        chosen.add("language")
    return frozenset(chosen)


async def _first_admin(
    shell: Shell, config: Config, options: InitOptions
) -> tuple[str | None, str | None]:
    """Name of the new administrator, and the password if it was generated."""
    async with open_stores(config) as ledger:
        if await _has_users(ledger):
            return None, None
        password, generated = ask_password(
            shell, stdin=options.password_stdin, generate=options.generate_password
        )
        hashed = await asyncio.to_thread(hash_password, password)
        async with ledger.write() as conn:
            made = await create_first_admin(
                conn,
                username=options.username,
                password_hash=hashed,
                language=Language(config.language),
                now_ms=to_ms(datetime.now(UTC)),
            )
    return made.username, password if generated else None


async def _has_users(ledger: Ledger) -> bool:
    async with ledger.read() as conn:
        return bool(await list_users(conn))


def ask_password(shell: Shell, *, stdin: bool, generate: bool) -> tuple[str, bool]:
    """A password, and whether it was made up here: from standard input, by asking, or random."""
    texts = shell.texts
    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CliError(
                ExitCode.BAD_INPUT,
                texts.say("No llegó ninguna contraseña", "No password came"),
                texts.say("envíela en una línea por la entrada", "send it as one line of input"),
            )
        return password, False
    if generate or not sys.stdin.isatty():
        return secrets.token_urlsafe(GENERATED_BYTES), True
    asked = texts.say("Contraseña", "Password")
    again = texts.say("Otra vez", "Again")
    typed: str = typer.prompt(asked, hide_input=True, confirmation_prompt=again, err=True)
    return typed, False


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _tell(shell: Shell, answer: InitAnswer) -> None:
    say, texts = shell.say, shell.texts
    state = (
        texts.say("escrita", "written")
        if answer.config_written
        else texts.say("ya estaba; no se tocó (--force la reemplaza)", "kept (--force replaces it)")
    )
    say(f"{texts.say('Configuración', 'Configuration')}: {answer.config_file} ({state})")
    say(f"{texts.say('Carpeta de datos', 'Data folder')}: {answer.data_dir}")
    say(f"{texts.say('Libro', 'Ledger')}: {answer.ledger}")
    say(
        texts.say(
            f"Clave pública del libro: {answer.public_key} (guarde una copia en otro lugar)",
            f"Public key of the ledger: {answer.public_key} (keep a copy somewhere else)",
        )
    )
    if answer.admin is None:
        say(texts.say("Usuarios: ya existen", "Users: there are some already"))
        return
    say(f"{texts.say('Administrador', 'Administrator')}: {answer.admin}")
    if answer.password is not None:
        say(
            texts.say(
                f"Contraseña (se muestra sólo ahora): {answer.password}",
                f"Password (shown only now): {answer.password}",
            )
        )
