"""What the e-mail adapter must be told, and what is wrong with it if it cannot work. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import msgspec

from telephony_adapters.settings import SettingsProblem, is_loopback_host
from telephony_adapters.smtp.addresses import domain_of, is_address

ID_PLACE: Final = "{id}"
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")


class Security(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    PLAIN = "plain"


PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.PLAIN: 25}


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the adapter knows of the server and of our own address. Never shows the password."""

    host: str
    from_address: str
    from_name: str = ""
    reply_to: str | None = None
    return_path: str | None = None
    """Where bounces go; `{id}` in it becomes the message's id, so that any bounce tells its
    message. None: `from_address`."""
    port: int = 0
    """0: the usual one of the security."""
    security: Security = Security.STARTTLS
    allow_plain: bool = False
    """Without encryption to another machine: only in a network of one's own."""
    user: str = ""
    password: str = ""
    ca_file: str | None = None
    """Certificates that are trusted instead of the system's."""
    helo_name: str | None = None
    """How we introduce ourselves; None: the domain of `from_address`."""
    laboratory: bool = False
    """Nobody real is behind the server. Believed only on a loopback address."""
    connections: int = 2
    messages_per_connection: int = 100
    max_per_s: float = 5.0
    timeout_s: float = 30.0
    """Longest wait for each reply of the server (real time)."""
    inbox_dir: str | None = None
    """Maildir into which bounces and replies are delivered; None: neither is told."""
    inbox_poll_s: float = 5.0

    def __repr__(self) -> str:
        return f"SmtpSettings({self.host}, {self.from_address}, ***)"

    @property
    def the_port(self) -> int:
        return self.port or PORTS[self.security]

    @property
    def domain(self) -> str:
        """Right side of our Message-IDs."""
        return domain_of(self.from_address)

    @property
    def reaches_nobody(self) -> bool:
        """A mail server on this machine reaches the world like any other; only a laboratory
        does not."""
        return self.laboratory and is_loopback_host(self.host)


def check(settings: SmtpSettings) -> SmtpSettings:
    """The settings as given. Raises `SettingsProblem` for the first that cannot work."""
    if not _HOST.fullmatch(settings.host):
        raise SettingsProblem(
            "host", f"{settings.host!r} is no host", "give the name of the outgoing mail server"
        )
    _check_addresses(settings)
    if any(ord(char) < 32 or ord(char) == 127 for char in settings.from_name):
        raise SettingsProblem("from_name", "control characters", "write one line of plain text")
    if settings.security is Security.PLAIN and not (
        settings.allow_plain or is_loopback_host(settings.host)
    ):
        raise SettingsProblem(
            "security",
            "plain would carry people's data in the open",
            "use starttls or tls; smtp.allow_plain = true permits it in a network of your own",
        )
    if settings.laboratory and not is_loopback_host(settings.host):
        raise SettingsProblem(
            "laboratory",
            "believed only of a server on a loopback address",
            "remove it, or set smtp.host = 127.0.0.1",
        )
    if bool(settings.user) != bool(settings.password):
        raise SettingsProblem(
            "password" if settings.user else "user",
            "missing",
            "give both; the password is better given as MARCADOR_SMTP__PASSWORD",
        )
    return settings


def _check_addresses(settings: SmtpSettings) -> None:
    given = {
        "from_address": settings.from_address,
        "reply_to": settings.reply_to,
        "return_path": (settings.return_path or "").replace(ID_PLACE, "0" * 26) or None,
    }
    for key, address in given.items():
        if address is not None and not is_address(address):
            raise SettingsProblem(
                key, f"{address!r} is no e-mail address", "write it as cobranza@example.com"
            )
