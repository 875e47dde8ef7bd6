"""What every command shares: global options, configuration, where to print, the event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import tomllib
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
import typer
import uvloop
from rich.console import Console

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.texts import Texts
from dialer.config import Config, load_config

T = TypeVar("T")

CONFIG_FILE: Final = Path("marcador.toml")
"""Read from the current folder when neither `--config` nor `MARCADOR_CONFIG` names a file."""
PLAIN_WIDTH: Final = 160
"""Columns of tables where there is no terminal."""


class GlobalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options that every command takes, before or after its name."""

    config: Path | None = None
    data_dir: str | None = None
    language: str | None = None
    overrides: tuple[str, ...] = ()
    """`key=value` with dotted keys, as given."""
    json: bool = False
    debug: bool = False


class Shell:
    """One run of the program. Made by the root of the command tree, found by every command."""

    def __init__(
        self, options: GlobalOptions = GlobalOptions(), environ: Mapping[str, str] | None = None
    ) -> None:
        self.options = options
        self._environ = os.environ if environ is None else environ
        self._config: Config | None = None
        self.out = _console(stderr=False)
        """Standard output: what a program would read."""
        self.err = _console(stderr=True)
        """Standard error: progress and complaints."""

    @property
    def json(self) -> bool:
        return self.options.json

    @property
    def told(self) -> Console:
        """Where words for people go: standard output, unless that carries JSON."""
        return self.err if self.json else self.out

    @property
    def config_path(self) -> Path | None:
        """The configuration file in use; None when there is none."""
        if self.options.config is not None:
            return self.options.config
        named = self._environ.get("MARCADOR_CONFIG")
        if named:
            return Path(named)
        return CONFIG_FILE if CONFIG_FILE.is_file() else None

    @property
    def config(self) -> Config:
        """The configuration, read at the first use. Raises `ConfigError`, `CliError`."""
        if self._config is None:
            self._config = self.load(self.config_path)
            self._log_quietly(self._config)
        return self._config

    def _log_quietly(self, config: Config) -> None:
        """A command at work tells what it does itself; of the log only warnings are shown."""
        from dialer.bootstrap import set_up_logging

        level: Literal["debug", "warning", "error"] = "warning"
        if self.options.debug:
            level = "debug"
        elif config.log.level == "error":
            level = "error"
        set_up_logging(msgspec.structs.replace(config.log, level=level))

    def load(self, path: Path | None) -> Config:
        """The configuration from a file (None: without one). Raises `ConfigError`, `CliError`."""
        return load_config(path, self._environ, self._overrides())

    @property
    def texts(self) -> Texts:
        """Words in the user's language, which is known even where the configuration is bad."""
        if self._config is not None:
            return Texts(self._config.language)
        chosen = self.options.language or self._environ.get("MARCADOR_LANGUAGE")
        return Texts(chosen or self._language_on_file() or "es")

    def say(self, text: str, *, style: str | None = None) -> None:
        """A line for people, as it is: neither wrapped nor interpreted."""
        self.told.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def answer(self, value: msgspec.Struct | Mapping[str, object] | list[Any]) -> None:
        """The JSON answer on standard output."""
        write_json(msgspec.json.encode(value))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run asynchronous work to its end. Ctrl-C cancels it and raises `KeyboardInterrupt`."""
        try:
            return uvloop.run(work)
        except asyncio.CancelledError as error:
            raise KeyboardInterrupt from error

    def _overrides(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for given in self.options.overrides:
            key, mark, value = given.partition("=")
            if not mark or not key.strip():
                raise CliError(
                    ExitCode.USAGE,
                    self.texts.say(
                        f"--set {given}: se espera clave=valor", f"--set {given}: key=value is due"
                    ),
                    self.texts.say(
                        "por ejemplo --set engine.batch_size=128",
                        "for example --set engine.batch_size=128",
                    ),
                )
            found[key.strip()] = value
        if self.options.data_dir is not None:
            found["data_dir"] = self.options.data_dir
        if self.options.language is not None:
            found["language"] = self.options.language
        return found

    def _language_on_file(self) -> str | None:
        path = self.config_path
        if path is None:
            return None
        try:
            found = tomllib.loads(path.read_text("utf-8")).get("language")
        except (OSError, ValueError):
            return None
        return found if isinstance(found, str) else None


def shell_of(ctx: typer.Context) -> Shell:
    """The run that a command belongs to."""
    found = ctx.find_object(Shell)
    if found is None:
        raise AssertionError("commands run below the root, which makes the shell")
    return found


def write_json(encoded: bytes) -> None:
    """One JSON document on standard output, spread over lines for people who look at it."""
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")
    sys.stdout.flush()


def write_page(shell: Shell, file: Path, render_page: Callable[[], str]) -> None:
    """Write a page that stands alone, and say where. Raises `OSError`."""
    file.write_text(render_page(), encoding="utf-8")
    where = shell.texts.say(f"Página: {file}", f"Page: {file}")
    shell.err.print(where, markup=False, highlight=False, soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(stderr=stderr, width=width, highlight=False)
