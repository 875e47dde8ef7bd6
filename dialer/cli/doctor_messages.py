"""What `marcador doctor` looks at for written messages: providers, safety catch, mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dialer.bootstrap import smtp_settings
from dialer.cli.findings import Finding, State
from dialer.cli.texts import Texts
from dialer.config import Config, ConfigError
from telephony_adapters.errors import TelephonyError
from telephony_adapters.smtp.checkup import look_at_inbox, look_at_server
from telephony_adapters.smtp.settings import SmtpSettings


async def messages_findings(config: Config, texts: Texts) -> AsyncIterator[Finding]:
    """Which provider carries what, whom it may reach, and whether it is ready."""
    chosen = config.messages
    found = f"sms: {chosen.sms}, whatsapp: {chosen.whatsapp}, email: {chosen.email}"
    yield Finding(check="messages", state=State.OK, found=found)
    if chosen.email == "smtp":
        async for finding in _smtp(config, texts):
            yield finding


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
