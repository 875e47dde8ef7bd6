"""Prompts: recordings first, then the carrier's voice, then text to speech; made once."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialer.config import PromptsConfig
from dialer.core.wav import telephone_wav
from dialer.runtime.prompting import PERSONAL_LIFE_S, Prompter
from dialer.runtime.recordings import RecordingRefused, Recordings, audio_path
from dialer.runtime.speech import Espeak, SpeechUnavailable
from telephony_adapters.lab.speech import espeak_program
from tests.support.tones import a_wav

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


class Counting:
    """An engine that counts how often it was asked."""

    def __init__(self) -> None:
        self.spoke: list[str] = []

    def voice(self, language: str) -> str:
        return f"counting {language}"

    def missing(self) -> SpeechUnavailable | None:
        return None

    async def speak(self, text: str, language: str) -> bytes:
        self.spoke.append(text)
        await asyncio.sleep(0)
        return a_wav(0.2, 22_050)


async def test_words_are_spoken_once_however_many_ask(tmp_path: Path) -> None:
    engine = Counting()
    prompter = Prompter(tmp_path, engine, carrier_speaks=False)
    made = await asyncio.gather(*(prompter.prompt("Hola.", "es") for _ in range(20)))
    assert engine.spoke == ["Hola."]
    assert len({prompt.audio for prompt in made}) == 1
    again = Prompter(tmp_path, engine, carrier_speaks=False)
    assert (await again.prompt("Hola.", "es")).audio == made[0].audio
    assert engine.spoke == ["Hola."]
    other = await again.prompt("Hola.", "en")
    assert other.audio != made[0].audio
    audio = audio_path(tmp_path, made[0].audio or "")
    assert telephone_wav(audio.read_bytes()).data == audio.read_bytes()


async def test_a_carrier_with_a_voice_needs_no_audio(tmp_path: Path) -> None:
    prompter = Prompter(tmp_path, None, carrier_speaks=True)
    prompt = await prompter.prompt("Hola.", "es", whole=True)
    assert (prompt.audio, prompt.text, prompt.whole) == (None, "Hola.", True)


async def test_a_recording_of_the_words_is_played_in_place_of_both(tmp_path: Path) -> None:
    made = Recordings(tmp_path).add(
        a_wav(0.5, 44_100, 2),
        name="saludo",
        language="es",
        says="Buenos días.\n",
        actor="ana",
        at=NOW,
    )
    engine = Counting()
    for speaks in (True, False):
        prompter = Prompter(tmp_path, engine, carrier_speaks=speaks)
        assert (await prompter.prompt("¡Buenos  días!", "es")).audio == made.audio
        assert (await prompter.prompt("Buenas tardes.", "es")).audio != made.audio
        assert (await prompter.prompt("Buenos días.", "en")).audio != made.audio
    assert engine.spoke == ["Buenas tardes.", "Buenos días."]


async def test_a_recording_added_by_another_process_is_seen(tmp_path: Path) -> None:
    prompter = Prompter(tmp_path, None, carrier_speaks=True)
    assert (await prompter.prompt("Hola", "es")).audio is None
    adder = Recordings(tmp_path)
    first = adder.add(a_wav(0.3), name="a", language="es", says="Hola", actor="ana", at=NOW)
    assert (await prompter.prompt("Hola", "es")).audio == first.audio
    other = adder.add(a_wav(0.4), name="a", language="es", says="Hola", actor="ana", at=NOW)
    assert (await prompter.prompt("Hola", "es")).audio == other.audio != first.audio


@pytest.mark.parametrize(
    ("name", "language", "says"),
    [("../up", "es", "Hola"), ("", "es", "Hola"), ("a", "fr", "Bonjour"), ("a", "es", " ... ")],
)
def test_a_recording_with_a_bad_name_or_no_words_is_refused(
    tmp_path: Path, name: str, language: str, says: str
) -> None:
    with pytest.raises(RecordingRefused):
        Recordings(tmp_path).add(
            a_wav(0.3), name=name, language=language, says=says, actor="ana", at=NOW
        )
    assert list(tmp_path.iterdir()) == []


async def test_audio_that_names_a_person_is_erased_and_the_rest_is_kept(tmp_path: Path) -> None:
    prompter = Prompter(tmp_path, Counting(), carrier_speaks=False)
    everybody = await prompter.prompt("Hola.", "es")
    one = await prompter.prompt("Hola, Ana.", "es", personal=True)
    assert prompter.tidy(time.time()) == 0
    assert prompter.tidy(time.time() + PERSONAL_LIFE_S + 1) == 1
    assert audio_path(tmp_path, everybody.audio or "").exists()
    assert not audio_path(tmp_path, one.audio or "").exists()
    assert (await prompter.prompt("Hola, Ana.", "es", personal=True)).audio == one.audio


async def test_without_an_engine_every_text_needs_a_recording(tmp_path: Path) -> None:
    prompter = Prompter(tmp_path, None, carrier_speaks=False)
    with pytest.raises(SpeechUnavailable, match="marcador prompts add"):
        await prompter.prompt("Hola.", "es")


async def test_a_missing_program_is_told_with_the_way_to_get_it(tmp_path: Path) -> None:
    engine = Espeak(PromptsConfig(command=str(tmp_path / "espeak-ng")))
    with pytest.raises(SpeechUnavailable, match="apt-get install espeak-ng"):
        await Prompter(tmp_path, engine, carrier_speaks=False).prompt("Hola.", "es")


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    prompter = Prompter(tmp_path / "file" / "in", Counting(), carrier_speaks=False)
    with pytest.raises(SpeechUnavailable, match=r"prompts\.folder"):
        await prompter.prompt("Hola.", "es")


async def test_espeak_speaks_both_languages(tmp_path: Path) -> None:
    engine = Espeak(PromptsConfig(command=espeak_program(tmp_path)))
    prompter = Prompter(tmp_path, engine, carrier_speaks=False)
    for language, text in (("es", "Buenos días. Le llamamos de Servicios."), ("en", "Hello.")):
        prompt = await prompter.prompt(text, language)
        wav = telephone_wav(audio_path(tmp_path, prompt.audio or "").read_bytes())
        assert wav.duration_ms > 300


async def test_a_voice_that_espeak_does_not_have_is_told(tmp_path: Path) -> None:
    config = PromptsConfig(command=espeak_program(tmp_path), voice_es="xx-none")
    prompter = Prompter(tmp_path, Espeak(config), carrier_speaks=False)
    with pytest.raises(SpeechUnavailable, match=r"prompts\.voice_es"):
        await prompter.prompt("Hola.", "es")
