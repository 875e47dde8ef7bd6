"""The address by which a person stops e-mails with one click (RFC 8058), without a login. Pure.

The token says which contact point and channel it is for, and is signed: nobody can make one for
somebody else, and nothing in it tells who they are.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from compliance.types import Channel, ContactPointId

PATH: Final = "/u/"
KEY_BYTES: Final = 32
_SIGNATURE_CHARS: Final = 32
_LONGEST: Final = 200


class OptOutLink(NamedTuple):
    """What a token names."""

    channel: Channel
    contact_point_id: ContactPointId


def token_of(key: bytes, link: OptOutLink) -> str:
    return f"{link.channel.value}.{link.contact_point_id}.{_signature(key, link)}"


def read_token(key: bytes, token: str) -> OptOutLink | None:
    """What a token names; None for one that this house did not make."""
    parts = token[:_LONGEST].split(".")
    if len(parts) != 3 or parts[0] not in Channel.__members__.values():
        return None
    link = OptOutLink(Channel(parts[0]), ContactPointId(parts[1]))
    if not parts[2].isascii() or not hmac.compare_digest(parts[2], _signature(key, link)):
        return None
    return link


def url_of(public_url: str, key: bytes, link: OptOutLink) -> str | None:
    """The whole address; None where the house has no public one."""
    base = public_url.rstrip("/")
    return f"{base}{PATH}{token_of(key, link)}" if base else None


def _signature(key: bytes, link: OptOutLink) -> str:
    signed = f"opt-out\n{link.channel.value}\n{link.contact_point_id}".encode()
    return hmac.new(key, signed, hashlib.sha256).hexdigest()[:_SIGNATURE_CHARS]
