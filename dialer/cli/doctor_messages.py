"""What `marcador doctor` looks at for written messages: providers, safety catch, mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator

from compliance.types import Channel
from dialer.bootstrap import smtp_settings, twilio_message_settings
from dialer.cli.doctor_twilio import account, door
from dialer.cli.findings import Finding, State
from dialer.cli.texts import Texts
from dialer.config import Config, ConfigError
from dialer.runtime.clock import WallClock
from telephony_adapters.errors import TelephonyError
from telephony_adapters.smtp.checkup import look_at_inbox, look_at_server
from telephony_adapters.smtp.settings import SmtpSettings
from telephony_adapters.twilio.checkup import inbound_url_of
from telephony_adapters.twilio.settings import TwilioSettings, can_be_answered
from telephony_adapters.twilio.twiml import Addresses


async def messages_findings(config: Config, texts: Texts) -> AsyncIterator[Finding]:
    """Which provider carries what, whom it may reach, and whether it is ready."""
    chosen = config.messages
    found = f"sms: {chosen.sms}, whatsapp: {chosen.whatsapp}, email: {chosen.email}"
    yield Finding(check="messages", state=State.OK, found=found)
    if "twilio" in (chosen.sms, chosen.whatsapp):
        async for finding in _twilio(config, texts):
            yield finding
    if chosen.email == "smtp":
        async for finding in _smtp(config, texts):
            yield finding


# --- Twilio -------------------------------------------------------------------------------------


async def _twilio(config: Config, texts: Texts) -> AsyncIterator[Finding]:
    chosen = config.messages
    named = {Channel.SMS: chosen.sms, Channel.WHATSAPP: chosen.whatsapp}
    channels = frozenset(channel for channel, name in named.items() if name == "twilio")
    try:
        settings = twilio_message_settings(config, channels)
    except ConfigError as error:
        what, _, mend = str(error).partition("; ")
        yield Finding(check="messages_twilio", state=State.PROBLEM, found=what, mend=mend)
        return
    fake = texts.say(
        f"{settings.api_url}: un Twilio de prueba en esta máquina; no escribe a nadie",
        f"{settings.api_url}: a fake Twilio on this machine; it writes to nobody",
    )
    yield reach("messages_twilio", config, texts, nobody=fake if settings.is_loopback else None)
    if config.telephony.adapter != "twilio":  # otherwise the carrier's checks have looked
        yield await account(settings, texts)
        yield await door(settings, texts)
    if Channel.SMS in channels:
        yield await _sms_sender(settings, texts)


async def _sms_sender(settings: TwilioSettings, texts: Texts) -> Finding:
    """Can people answer, and does Twilio tell us when they do?"""
    check = "twilio_sms_sender"
    due = Addresses(settings.public_url).message_in
    tell = texts.say(
        f"ponga {due} (HTTP POST) en la consola de Twilio, en `A message comes in`",
        f"set {due} (HTTP POST) in the Twilio console, at `A message comes in`",
    )
    if settings.messaging_service_sid is not None:
        found = texts.say("no se puede comprobar su webhook", "its webhook cannot be checked")
        return Finding(
            check=check,
            state=State.OK,
            found=f"{settings.messaging_service_sid}: {found}",
            mend=tell,
        )
    sender = settings.sms_from or ""
    if not can_be_answered(sender):
        return Finding(
            check=check,
            state=State.WARNING,
            found=texts.say(
                f"{sender}: nadie puede responderle BAJA", f"{sender}: nobody can answer it STOP"
            ),
            mend=texts.say(
                "use un número en twilio.sms_from, o dé otra salida en cada texto",
                "use a number as twilio.sms_from, or give another way out in every text",
            ),
        )
    try:
        url = await inbound_url_of(settings, WallClock(), sender)
    except TelephonyError as error:
        return Finding(check=check, state=State.PROBLEM, found=str(error))
    if url is None:
        return Finding(
            check=check,
            state=State.PROBLEM,
            found=texts.say(
                f"{sender} no es un número de la cuenta", f"{sender} is no number of the account"
            ),
            mend=texts.say("corrija twilio.sms_from", "mend twilio.sms_from"),
        )
    if url == due:
        return Finding(check=check, state=State.OK, found=f"{sender} → {due}")
    return Finding(
        check=check,
        state=State.WARNING,
        found=texts.say(
            f"lo que se escribe a {sender} llega a {url or '(nadie)'}: se oye con hasta "
            f"{settings.catch_up_s:g} s de retraso",
            f"what is written to {sender} goes to {url or '(nobody)'}: it is heard up to "
            f"{settings.catch_up_s:g} s late",
        ),
        mend=tell,
    )


# --- SMTP ---------------------------------------------------------------------------------------


async def _smtp(config: Config, texts: Texts) -> AsyncIterator[Finding]:
    try:
        settings = smtp_settings(config)
    except ConfigError as error:
        what, _, mend = str(error).partition("; ")
        yield Finding(check="smtp_settings", state=State.PROBLEM, found=what, mend=mend)
        return
    nobody = texts.say("un laboratorio; no escribe a nadie", "a laboratory; it writes to nobody")
    yield reach("smtp_reach", config, texts, nobody=nobody if settings.reaches_nobody else None)
    yield await _server(settings, texts)
    yield await _inbox(settings, texts)


def reach(check: str, config: Config, texts: Texts, *, nobody: str | None) -> Finding:
    """Whom a provider may write to, by the safety catch; `nobody` says why it reaches none."""
    if nobody is not None:
        return Finding(check=check, state=State.OK, found=nobody)
    if config.messages.allow_real_sending:
        found = texts.say("escribe a personas reales", "writes to real people")
        return Finding(check=check, state=State.WARNING, found=found)
    return Finding(
        check=check,
        state=State.PROBLEM,
        found=texts.say(
            "escribe a personas reales y el envío real está impedido",
            "writes to real people, and real sending is prevented",
        ),
        mend=texts.say(
            "messages.allow_real_sending = true lo permite",
            "messages.allow_real_sending = true allows it",
        ),
    )


async def _server(settings: SmtpSettings, texts: Texts) -> Finding:
    """Connect, greet, encrypt, log in; no mail."""
    check = "smtp_server"
    where = f"{settings.host}:{settings.the_port}, {settings.security}"
    try:
        extensions = await look_at_server(settings)
    except TelephonyError as error:
        return Finding(
            check=check,
            state=State.PROBLEM,
            found=str(error),
            mend=texts.say(
                "revise smtp.host, smtp.port, smtp.security, smtp.user y smtp.password, y la "
                "salida de red",
                "check smtp.host, smtp.port, smtp.security, smtp.user and smtp.password, and the "
                "way through the network",
            ),
        )
    if settings.user:
        where += texts.say(", sesión aceptada", ", login accepted")
    if "dsn" in extensions:
        return Finding(check=check, state=State.OK, found=where)
    return Finding(
        check=check,
        state=State.OK,
        found=where
        + texts.say(
            ", sin DSN: los rebotes se reconocen por smtp.return_path o por sus cabeceras",
            ", no DSN: bounces are known by smtp.return_path or by their headers",
        ),
    )


async def _inbox(settings: SmtpSettings, texts: Texts) -> Finding:
    check = "smtp_inbox"
    try:
        waiting = await look_at_inbox(settings)
    except TelephonyError as error:
        what, _, mend = str(error).partition("; ")
        return Finding(check=check, state=State.PROBLEM, found=what, mend=mend)
    if waiting is None:
        return Finding(
            check=check,
            state=State.WARNING,
            found=texts.say(
                "sin smtp.inbox_dir: los rebotes y las respuestas no se leen",
                "no smtp.inbox_dir: bounces and replies are not read",
            ),
            mend=texts.say(
                "haga llegar smtp.from_address y smtp.return_path a una Maildir y póngala en "
                "smtp.inbox_dir; quien responda BAJA debe ser oído",
                "have smtp.from_address and smtp.return_path delivered into a Maildir and name it "
                "in smtp.inbox_dir; whoever answers STOP must be heard",
            ),
        )
    found = texts.say(f"{waiting} correos por leer", f"{waiting} mails to be read")
    return Finding(check=check, state=State.OK, found=f"{settings.inbox_dir}: {found}")
