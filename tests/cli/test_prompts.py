"""`prompts`: add, list, say."""

from __future__ import annotations

from dialer.cli.exits import ExitCode
from dialer.core.wav import telephone_wav
from telephony_adapters.lab.speech import espeak_program
from tests.cli.conftest import Cli
from tests.cli.world import Made
from tests.support.tones import a_wav


def test_a_recording_is_kept_and_listed(english: Cli, made: Made) -> None:
    path = english.folder / "hello.wav"
    path.write_bytes(a_wav(0.5, 44_100, 2))
    options = ("--name", "saludo", "--language", "es", "--says", "Buenos días.")
    added = english("prompts", "add", path, *options, "--json").json
    assert added["duration_ms"] == 500
    (listed,) = english("prompts", "list", "--json").json
    assert (listed["name"], listed["says"]) == ("saludo", "Buenos días.")
    assert listed["language"] == "es"
    assert listed["audio"] == added["audio"]
    stored = english.folder / "var" / "prompts" / f"{added['audio']}.wav"
    assert telephone_wav(stored.read_bytes()).duration_ms == 500
    assert "saludo" in english("prompts", "list").out


def test_a_file_that_is_no_recording_is_refused(english: Cli, made: Made) -> None:
    path = english.folder / "hello.mp3"
    path.write_bytes(b"ID3 and so on")
    ran = english("prompts", "add", path, "--name", "a", "--says", "Hola")
    assert ran.code == ExitCode.BAD_INPUT
    assert "no PCM WAV" in ran.err
    ran = english("prompts", "add", path, "--name", "a", "--says", "Hola", "--language", "fr")
    assert ran.code == ExitCode.USAGE
    nowhere = english("prompts", "add", english.folder / "no.wav", "--name", "a", "--says", "Hola")
    assert nowhere.code == ExitCode.BAD_INPUT


def test_words_are_spoken_into_a_file(english: Cli) -> None:
    path = english.folder / "said.wav"
    program = f"prompts.command={espeak_program(english.folder)}"
    ran = english("prompts", "say", "Buenos días.", path, "--json", "--set", program)
    assert ran.json["duration_ms"] == telephone_wav(path.read_bytes()).duration_ms > 300


def test_without_the_program_it_says_how_to_get_it(english: Cli) -> None:
    path = english.folder / "said.wav"
    ran = english("prompts", "say", "Hola.", path, "--set", "prompts.command=espeak-nope")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "apt-get install espeak-ng" in ran.err
    off = english("prompts", "say", "Hola.", path, "--set", "prompts.engine=none")
    assert "prompts.engine" in off.err


def test_the_doctor_misses_text_to_speech_where_the_carrier_needs_it(
    english: Cli, made: Made
) -> None:
    lacking = ("--set", "prompts.command=espeak-nope", "--set", "http.port=0")
    for adapter, state in (("simulator", "ok"), ("asterisk", "warning")):
        ran = english("doctor", "--json", *lacking, "--set", f"telephony.adapter={adapter}")
        (found,) = [f for f in ran.json["findings"] if f["check"] == "speech"]
        assert found["state"] == state
        assert ("apt-get install espeak-ng" in found.get("mend", "")) is (state == "warning")
