"""`marcador doctor`: whether what flows say can be spoken."""

from __future__ import annotations

from dialer.cli.findings import Finding, State, problem
from dialer.cli.texts import Texts
from dialer.config import Config
from dialer.core.wav import BadRecording, telephone_wav
from dialer.runtime.recordings import Recordings
from dialer.runtime.speech import SpeechUnavailable, engine_of

TRIED = {"es": "Hola.", "en": "Hello."}


async def speech_finding(config: Config, texts: Texts) -> Finding:
    """Speaks a word in each language. Only a carrier without a voice of its own needs it."""
    needed = config.telephony.adapter == "asterisk"
    engine = engine_of(config.prompts)
    recordings = len(Recordings(config.prompts_path).list())
    told = texts.say(f"{recordings} grabaciones", f"{recordings} recordings")
    if engine is None:
        return Finding(check="speech", state=State.OK, found=f"prompts.engine = none, {told}")
    try:
        for language, word in TRIED.items():
            telephone_wav(await engine.speak(word, language))
    except SpeechUnavailable as error:
        state = State.WARNING if needed else State.OK
        mend = texts.say(error.es, error.en) if needed else ""
        missing = texts.say("no hay texto a voz", "no text to speech")
        unused = "" if needed else texts.say(" (no se necesita)", " (not needed)")
        return Finding(check="speech", state=state, found=f"{missing}{unused}, {told}", mend=mend)
    except BadRecording as error:
        return problem("speech", error, texts)
    voices = " / ".join(engine.voice(language) for language in TRIED)
    return Finding(check="speech", state=State.OK, found=f"{voices}, {told}")
