"""Connections to the mail server, through aiosmtplib: kept open, shared, and opened again once.

What a failure means is decided here: until the letter itself goes out nothing was sent
(`CarrierUnavailable`, or `MessageRejected` with the server's reason); once it has gone out and no
reply has come, it may have been taken (`OutcomeUnknown`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Final

import structlog
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from telephony_adapters.errors import CarrierUnavailable, MessageRejected, OutcomeUnknown
from telephony_adapters.messaging import Refusal
from telephony_adapters.smtp.codes import Stage, provider_code, refusal_of
from telephony_adapters.smtp.letters import Letter
from telephony_adapters.smtp.settings import Security, SmtpSettings

log = structlog.get_logger()

GOODBYE: Final = 421
"""The server closes the connection after this reply."""
LEAST_REFUSAL: Final = 400
QUIT_S: Final = 2.0
_LOST: Final = (SMTPServerDisconnected, SMTPTimeoutError, OSError)


class _Lost(Exception):
    """The connection ended before the letter went out."""


class _Link:
    """One connection and how many letters it has carried."""

    def __init__(self, smtp: SMTP) -> None:
        self.smtp = smtp
        self.carried = 0


class Connections:
    """At most `settings.connections` at a time; a letter waits for a free one."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[_Link] = []
        self._tls: ssl.SSLContext | None = None
        self.opened = 0
        """Connections made since the start."""

    async def check(self) -> frozenset[str]:
        """Connect, greet, encrypt, log in; no mail. The server's extensions.

        Raises `CarrierUnavailable`.
        """
        async with self._slots:
            link = await self._connect()
            extensions = frozenset(link.smtp.esmtp_extensions)
            self._idle.append(link)
            return extensions

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for link in idle:
            await _quit(link)

    async def deliver(self, letter: Letter, may_leave: Callable[[], bool]) -> str:
        """Hand one letter over; what the server said to it. `may_leave` is asked when a server
        waits for it, which may be much later: a permit lives for seconds.

        Raises `MessageRejected`, `CarrierUnavailable`, `OutcomeUnknown`.
        """
        async with self._slots:
            link = await self._addressed(letter)
            if not may_leave():
                await self._reset(link)
                raise MessageRejected(
                    "the mail server was too slow: the permit has lapsed meanwhile",
                    refusal=Refusal.RATE,
                    provider_code="local:late",
                )
            try:
                reply = await link.smtp.data(letter.raw)
            except (*_LOST, SMTPException) as error:
                if isinstance(error, SMTPDataError) and error.code >= LEAST_REFUSAL:
                    await self._keep(link, error)
                    raise _rejected(error, Stage.CONTENT) from error
                link.smtp.close()
                raise OutcomeUnknown(
                    f"the mail server did not say whether it took {letter.message_id}: {error}"
                ) from error
            except BaseException:
                link.smtp.close()
                raise
            link.carried += 1
            await self._put_back(link)
            return reply.message

    # --- the envelope -----------------------------------------------------------------------------

    async def _addressed(self, letter: Letter) -> _Link:
        """A connection whose server waits for the letter; a stale one is replaced, once."""
        if self._idle:
            link = self._idle.pop()
            with contextlib.suppress(_Lost):
                await self._address(link, letter)
                return link
        link = await self._connect()
        try:
            await self._address(link, letter)
        except _Lost as error:
            raise CarrierUnavailable(f"the mail server hung up: {error}") from error
        return link

    async def _address(self, link: _Link, letter: Letter) -> None:
        """Raises `_Lost`, `MessageRejected`. The connection is closed or kept accordingly."""
        smtp = link.smtp
        notices = smtp.supports_extension("dsn")
        try:
            await smtp.mail(
                letter.envelope_from,
                options=["RET=HDRS", f"ENVID={letter.header_id}"] if notices else [],
            )
            await smtp.rcpt(letter.to, options=["NOTIFY=FAILURE"] if notices else [])
        except (SMTPSenderRefused, SMTPRecipientRefused) as error:
            if error.code == GOODBYE:
                smtp.close()
                raise _Lost(str(error)) from error
            await self._keep(link, error)
            stage = Stage.SENDER if isinstance(error, SMTPSenderRefused) else Stage.RECIPIENT
            raise _rejected(error, stage) from error
        except (*_LOST, SMTPException) as error:
            smtp.close()
            raise _Lost(str(error)) from error
        except BaseException:
            smtp.close()
            raise

    async def _keep(self, link: _Link, error: SMTPResponseException) -> None:
        """After a refusal the connection goes on, unless the server ended it."""
        if error.code == GOODBYE:
            link.smtp.close()
        else:
            await self._reset(link)

    async def _reset(self, link: _Link) -> None:
        """Take the envelope back; the connection goes on."""
        try:
            await link.smtp.rset()
        except (*_LOST, SMTPException):
            link.smtp.close()
            return
        await self._put_back(link)

    async def _put_back(self, link: _Link) -> None:
        if link.carried >= self._settings.messages_per_connection:
            await _quit(link)
        elif link.smtp.is_connected:
            self._idle.append(link)

    # --- the connection ---------------------------------------------------------------------------

    async def _connect(self) -> _Link:
        settings = self._settings
        where = f"{settings.host}:{settings.the_port}"
        try:
            smtp = SMTP(
                hostname=settings.host,
                port=settings.the_port,
                username=settings.user or None,
                password=settings.password or None,
                local_hostname=settings.helo_name or settings.domain,
                timeout=settings.timeout_s,
                use_tls=settings.security is Security.TLS,
                start_tls=settings.security is Security.STARTTLS,
                tls_context=self._tls_context(),
            )
            await smtp.connect()
            # Without a login nobody has greeted yet, and only the greeting tells the extensions.
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        except SMTPAuthenticationError as error:
            raise CarrierUnavailable(
                f"the mail server {where} refuses the login of smtp.user: {error.message}",
                provider_code=provider_code(error.code, error.message),
            ) from error
        except (*_LOST, SMTPException, ValueError) as error:
            code = (
                provider_code(error.code, error.message)
                if isinstance(error, SMTPResponseException)
                else ""
            )
            raise CarrierUnavailable(
                f"the mail server {where} cannot be used ({settings.security}): {error}",
                provider_code=code,
            ) from error
        self.opened += 1
        return _Link(smtp)

    def _tls_context(self) -> ssl.SSLContext | None:
        if self._settings.security is Security.PLAIN:
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._settings.ca_file)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls


async def _quit(link: _Link) -> None:
    try:
        async with asyncio.timeout(QUIT_S):
            await link.smtp.quit()
    except (*_LOST, SMTPException):
        pass
    finally:
        link.smtp.close()


def _rejected(error: SMTPResponseException, stage: Stage) -> MessageRejected:
    return MessageRejected(
        f"the mail server refused the {stage}: {error.code} {error.message}"[:300],
        refusal=refusal_of(error.code, error.message, stage),
        provider_code=provider_code(error.code, error.message),
    )
