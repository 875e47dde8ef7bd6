"""`marcador prompts`: recordings of what flows say, and whether the rest can be spoken."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.table import Table

from dialer.bootstrap import data_folder
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import to_ms
from dialer.core.wav import BadRecording, telephone_wav
from dialer.runtime.recordings import Recording, RecordingRefused, Recordings
from dialer.runtime.speech import SpeechUnavailable, engine_of
from dialer.stores.ledger.audit import record_audit


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    duration_ms: int


def add_recording(shell: Shell, file: Path, *, name: str, says: str) -> None:
    """Keep a recording of words that flows say, in the language of the command line."""
    language = shell.texts.language
    raw = _read(file)
    now = datetime.now(UTC)

    async def work() -> Recording:
        async with existing_ledger(shell) as ledger:
            made = await asyncio.to_thread(
                lambda: Recordings(shell.config.prompts_path).add(
                    raw, name=name, language=language, says=says, actor=actor_name(), at=now
                )
            )
            async with ledger.write() as conn:
                await record_audit(
                    conn,
                    at_ms=to_ms(now),
                    actor=actor_name(),
                    action="prompt.add",
                    target=f"{made.name}/{made.language}",
                    detail={"audio": made.audio, "duration_ms": made.duration_ms},
                )
        return made

    try:
        made = shell.run(work())
    except (BadRecording, RecordingRefused) as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            f"{file}: {shell.texts.say(error.es, error.en)}",
            shell.texts.say("vea docs/ivr.md", "see docs/ivr.md"),
        ) from error
    if shell.json:
        shell.answer(made)
        return
    shell.say(f"{made.name} ({made.language}): {made.duration_ms / 1000:.1f} s, {made.audio[:12]}")


def show_recordings(shell: Shell) -> None:
    """All recordings, and the words they stand for."""
    found = Recordings(shell.config.prompts_path).list()
    if shell.json:
        shell.answer(list(found))
        return
    texts = shell.texts
    table = Table()
    for title in (
        texts.say("nombre", "name"),
        texts.say("idioma", "language"),
        "s",
        texts.say("dice", "says"),
    ):
        table.add_column(title)
    for recording in found:
        seconds = f"{recording.duration_ms / 1000:.1f}"
        table.add_row(recording.name, recording.language, seconds, recording.says)
    shell.out.print(table)


def say_words(shell: Shell, words: str, *, file: Path) -> None:
    """Speak words into a file, as a call would hear them."""
    language = shell.texts.language
    engine = engine_of(shell.config.prompts)

    async def work() -> Spoken:
        if engine is None:
            raise SpeechUnavailable(
                "prompts.engine es none; póngalo en espeak",
                "prompts.engine is none; set it to espeak",
            )
        wav = telephone_wav(await engine.speak(words, language))
        await asyncio.to_thread(file.write_bytes, wav.data)
        return Spoken(file=str(file), duration_ms=wav.duration_ms)

    data_folder(shell.config)
    made = shell.run(work())
    if shell.json:
        shell.answer(made)
    else:
        shell.say(f"{made.file}: {made.duration_ms / 1000:.1f} s")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(ExitCode.BAD_INPUT, f"{file}: {error.strerror}", "") from error
