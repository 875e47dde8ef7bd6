"""The conformance laboratory of the e-mail adapter: a real SMTP server and a real Maildir."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from compliance.types import Channel
from dialer.runtime.clock import WallClock
from telephony_adapters.messaging import DeliveryState, OutboundMessage
from telephony_adapters.smtp.adapter import SmtpMessenger
from telephony_adapters.smtp.settings import Security, SmtpSettings
from tests.adapters.lab import PATIENCE_S
from tests.adapters.messaging_lab import BreakableMessagingLab, FarSide, WritingLab

USER, PASSWORD = "marcador", "a password"
OWN = "cobranza@agencia.example"
RETURN_PATH = "rebotes+{id}@agencia.example"


class Taken:
    """One mail that the server has taken."""

    def __init__(self, envelope: Envelope) -> None:
        content = envelope.content
        assert isinstance(content, bytes)
        self.raw = content
        self.mail = message_from_bytes(content)
        self.envelope_from = envelope.mail_from or ""
        self.to = envelope.rcpt_tos[0]


class PostOffice:
    """An SMTP server on loopback whose mailboxes do as their names say."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, login: bool = False) -> None:
        self.taken: list[Taken] = []
        self.replies: dict[str, str] = {}
        """Replies to `RCPT` by address."""
        self.after_data: dict[str, str] = {}
        """Replies to the whole letter by address."""
        self.slow_s = 0.0
        """How long the answer to `RCPT` takes."""
        self.port = 0
        self.sessions = 0
        self.logins = 0
        self.on_taken: Callable[[Taken], None] = lambda _: None
        self._tls = tls
        self._login = login
        self._server: asyncio.Server | None = None
        self._open: set[SMTP] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.hang_up()
            await asyncio.sleep(0)

    def hang_up(self) -> None:
        """End every connection at once."""
        for one in self._open:
            if isinstance(one.transport, asyncio.Transport):
                one.transport.abort()
        self._open.clear()

    def _session(self) -> SMTP:
        self.sessions += 1
        session = SMTP(
            self,
            hostname="post.example",
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            authenticator=self._authenticate if self._login else None,
            auth_required=self._login,
            auth_require_tls=self._tls is not None,
            loop=asyncio.get_running_loop(),
        )
        self._open.add(session)
        return session

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = data.login == USER.encode() and data.password == PASSWORD.encode()
        self.logins += good
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        reply = self.replies.get(address, "250 2.1.5 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        mail = Taken(envelope)
        reply = self.after_data.get(mail.to, "250 2.0.0 taken")
        if reply != "lost" and reply.startswith(("2", "taken")):
            self.taken.append(mail)
            self.on_taken(mail)
        if reply in ("lost", "taken"):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "250 nobody hears this"
        return reply


def maildir(folder: Path) -> Path:
    for kind in ("new", "cur", "tmp"):
        (folder / kind).mkdir(parents=True)
    return folder


def bounce_of(mail: Taken, status: str = "5.1.1", diagnostic: str = "550 5.1.1 unknown") -> bytes:
    """What a server sends back about a mail (RFC 3464), with the headers of the original."""
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@post.example\r\nTo: {mail.envelope_from}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nMessage-ID: <dsn@post.example>\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nI am sorry to say so.\r\n"
        "--B\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; post.example\r\n\r\n"
        f"Final-Recipient: rfc822; {mail.to}\r\nAction: failed\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {diagnostic}\r\n\r\n"
        "--B\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {mail.mail['Message-ID']}\r\nTo: {mail.to}\r\n\r\n--B--\r\n"
    ).encode()


class SmtpLab(WritingLab, BreakableMessagingLab):
    """An e-mail adapter before a post office, in real time."""

    channel = Channel.EMAIL
    best = DeliveryState.SENT

    def __init__(self, folder: Path, *, inbox: bool = True, **settings: object) -> None:
        super().__init__()
        self.post = PostOffice()
        self.post.replies = {
            self.address(FarSide.INVALID): "550 5.1.1 no such user",
            self.address(FarSide.BUSY): "451 4.7.1 greylisted, try again",
        }
        self.post.after_data = {
            self.address(FarSide.SILENT_TAKEN): "taken",
            self.address(FarSide.SILENT_LOST): "lost",
        }
        self.post.on_taken = self._perhaps_bounce
        self.inbox = maildir(folder / "inbox") if inbox else None
        self._given = settings
        self._mails = 0
        self._messenger: SmtpMessenger | None = None

    async def start(self) -> None:
        await self.post.start()
        self._messenger = SmtpMessenger(self.settings(), WallClock())
        await self._messenger.start(self.events.append)

    async def stop(self) -> None:
        if self._messenger is not None:
            await self._messenger.stop()
        await self.post.stop()

    def settings(self, **changes: object) -> SmtpSettings:
        given: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.post.port,
            "security": Security.PLAIN,
            "from_address": OWN,
            "return_path": RETURN_PATH,
            "laboratory": True,
            "max_per_s": 0.0,
            "timeout_s": 2.0,
            "inbox_dir": str(self.inbox) if self.inbox is not None else None,
            "inbox_poll_s": 0.02,
        }
        return SmtpSettings(**(given | self._given | changes))  # type: ignore[arg-type]  # test shorthand

    @property
    def adapter(self) -> SmtpMessenger:
        assert self._messenger is not None
        return self._messenger

    def now(self) -> datetime:
        return datetime.now(UTC)

    def address(self, side: FarSide) -> str:
        return f"{side}@deudores.example"

    def taken(self) -> int:
        return len(self.post.taken)

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - any condition of any case
                await asyncio.sleep(0.01)

    async def pass_time(self, delay_s: float) -> None:
        await asyncio.sleep(min(delay_s, 0.1))  # nothing is due later: five rounds of the inbox

    def arrives(self, raw: bytes) -> Path:
        """A mail is delivered into the inbox, as a mail server does it."""
        assert self.inbox is not None
        self._mails += 1
        name = f"{self._mails:06d}.lab"
        (self.inbox / "tmp" / name).write_bytes(raw)
        return (self.inbox / "tmp" / name).rename(self.inbox / "new" / name)

    def _perhaps_bounce(self, mail: Taken) -> None:
        if mail.to == self.address(FarSide.BOUNCES):
            self.arrives(bounce_of(mail))

    async def someone_writes(
        self, sender: str, text: str, *, answers: OutboundMessage | None = None
    ) -> None:
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = f"Alguien <{sender}>"
        mail["To"] = OWN
        mail["Subject"] = "Re: Un mensaje"
        mail["Message-ID"] = f"<{self._mails}.{id(self)}@deudores.example>"
        if answers is not None:
            mail["In-Reply-To"] = f"<{answers.message_id}.marcador@agencia.example>"
        mail.set_content(text)
        self.arrives(mail.as_bytes())

    async def lose_connection(self) -> None:
        await self.post.stop()

    async def restore_connection(self) -> None:
        await self.post.start()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "post.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, secret = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, secret)
    return context, public
