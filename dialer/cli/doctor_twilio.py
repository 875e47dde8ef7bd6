"""What `marcador doctor` looks at when calls leave through Twilio."""

from __future__ import annotations

from dialer.bootstrap import twilio_settings
from dialer.cli.findings import Finding, State
from dialer.cli.texts import Texts
from dialer.config import Config, ConfigError
from dialer.runtime.clock import WallClock
from telephony_adapters.errors import TelephonyError
from telephony_adapters.twilio.checkup import (
    Door,
    account_status,
    knock_at_public_url,
    numbers_of,
)
from telephony_adapters.twilio.settings import TwilioSettings
from telephony_adapters.twilio.twiml import Addresses
from telephony_adapters.twilio.voice_api import NumberInfo


async def twilio_findings(config: Config, texts: Texts) -> list[Finding]:
    """Settings, safety catch, credentials, the way back to us, and the rate."""
    try:
        settings = twilio_settings(config)
    except ConfigError as error:
        what, _, mend = str(error).partition("; ")
        return [Finding(check="twilio_settings", state=State.PROBLEM, found=what, mend=mend)]
    return [
        _reach(config, settings, texts),
        await account(settings, texts),
        await door(settings, texts),
        _rate(config, texts),
        *await _inbound(settings, texts),
    ]


def _reach(config: Config, settings: TwilioSettings, texts: Texts) -> Finding:
    """Whom this account may call, by the safety catch."""
    check = "twilio_reach"
    if settings.is_loopback:
        found = texts.say(
            f"{settings.api_url}: un Twilio de prueba en esta máquina; no llama a nadie",
            f"{settings.api_url}: a fake Twilio on this machine; it calls nobody",
        )
        return Finding(check=check, state=State.OK, found=found)
    if config.telephony.allow_real_dialing:
        found = texts.say("llama a personas reales", "calls real people")
        return Finding(check=check, state=State.OK, found=found)
    return Finding(
        check=check,
        state=State.PROBLEM,
        found=texts.say(
            "Twilio llama a personas reales y la marcación real está impedida",
            "Twilio calls real people, and real dialing is prevented",
        ),
        mend=texts.say(
            "telephony.allow_real_dialing = true la permite",
            "telephony.allow_real_dialing = true allows it",
        ),
    )


async def account(settings: TwilioSettings, texts: Texts) -> Finding:
    """Do the credentials open the account?"""
    try:
        status = await account_status(settings, WallClock())
    except TelephonyError as error:
        return Finding(
            check="twilio_account",
            state=State.PROBLEM,
            found=str(error),
            mend=texts.say(
                "revise twilio.account_sid, twilio.auth_token y twilio.api_url, y la salida a "
                "internet",
                "check twilio.account_sid, twilio.auth_token and twilio.api_url, and the way to "
                "the internet",
            ),
        )
    active = status == "active"
    return Finding(
        check="twilio_account",
        state=State.OK if active else State.PROBLEM,
        found=f"{settings.account_sid}, {status}",
        mend="" if active else texts.say("vea la consola de Twilio", "see the Twilio console"),
    )


async def door(settings: TwilioSettings, texts: Texts) -> Finding:
    """Does a request to the public URL arrive at our door?"""
    check = "twilio_webhooks"
    where = f"{settings.public_url} → {settings.listen_host}:{settings.listen_port}"
    found = await knock_at_public_url(settings)
    if found is Door.OURS:
        return Finding(check=check, state=State.OK, found=where)
    if found is Door.SOMEBODY_ELSE:
        return Finding(
            check=check,
            state=State.PROBLEM,
            found=texts.say(
                f"{where}: responde otro programa", f"{where}: another program answers"
            ),
            mend=texts.say(
                "haga que twilio.public_url lleve a twilio.listen_host y twilio.listen_port",
                "let twilio.public_url lead to twilio.listen_host and twilio.listen_port",
            ),
        )
    return Finding(
        check=check,
        state=State.WARNING,
        found=texts.say(
            f"{where}: no se alcanza desde esta máquina", f"{where}: not reached from this machine"
        ),
        mend=texts.say(
            "compruebe twilio.public_url y el proxy; si esta máquina no puede llamarse a sí misma "
            "desde fuera, pruébelo desde otra",
            "check twilio.public_url and the proxy; if this machine cannot call itself from "
            "outside, try it from another one",
        ),
    )


async def _inbound(settings: TwilioSettings, texts: Texts) -> list[Finding]:
    """Do the numbers tell us of calls, and of their end? Silent where the API cannot be asked:
    the check of the account has said why."""
    try:
        numbers = await numbers_of(settings, WallClock())
    except TelephonyError:
        return []
    return [_number(number, info, settings, texts) for number, info in numbers]


def _number(
    number: str, info: NumberInfo | None, settings: TwilioSettings, texts: Texts
) -> Finding:
    check = "twilio_inbound"
    due = Addresses(settings.public_url)
    if info is None:
        return Finding(
            check=check,
            state=State.OK,
            found=texts.say(
                f"{number} no es un número de la cuenta: quien lo llame no llega aquí",
                f"{number} is no number of the account: whoever calls it does not arrive here",
            ),
        )
    if info.voice_url != due.voice_in or info.voice_method != "POST":
        return Finding(
            check=check,
            state=State.WARNING,
            found=texts.say(
                f"quien llama a {number} llega a {info.voice_url or '(nadie)'}",
                f"whoever calls {number} goes to {info.voice_url or '(nobody)'}",
            ),
            mend=texts.say(
                f"ponga {due.voice_in} (HTTP POST) en la consola de Twilio, en `A call comes in`",
                f"set {due.voice_in} (HTTP POST) in the Twilio console, at `A call comes in`",
            ),
        )
    if info.status_url != due.voice_status:
        return Finding(
            check=check,
            state=State.WARNING,
            found=texts.say(
                f"el fin de las llamadas a {number} llega a {info.status_url or '(nadie)'}: "
                "se nota tarde",
                f"the end of calls to {number} goes to {info.status_url or '(nobody)'}: "
                "it is noticed late",
            ),
            mend=texts.say(
                f"ponga {due.voice_status} en la consola de Twilio, en `Call status changes`",
                f"set {due.voice_status} in the Twilio console, at `Call status changes`",
            ),
        )
    return Finding(check=check, state=State.OK, found=f"{number} → {due.voice_in}")


def _rate(config: Config, texts: Texts) -> Finding:
    ours, theirs = config.telephony.originates_per_s, config.twilio.calls_per_s
    found = f"telephony.originates_per_s = {ours:g}, twilio.calls_per_s = {theirs:g}"
    if ours <= theirs:
        return Finding(check="twilio_rate", state=State.OK, found=found)
    return Finding(
        check="twilio_rate",
        state=State.WARNING,
        found=found,
        mend=texts.say(
            "Twilio pondría en cola lo que exceda, y las llamadas en cola se cancelan: baje "
            "telephony.originates_per_s, o pida más a Twilio y súbalo en twilio.calls_per_s",
            "Twilio would queue what is above, and queued calls are cancelled: lower "
            "telephony.originates_per_s, or ask Twilio for more and raise twilio.calls_per_s",
        ),
    )
