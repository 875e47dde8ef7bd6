"""SMTP's replies in the port's words, by class with a default. Pure.

Sources: RFC 5321 (basic codes), RFC 3463 and the registry of enhanced status codes (RFC 5248;
5.1.10 from RFC 7505, 5.7.23 and following from RFC 7372). What an enhanced code says wins over the
basic one. A temporary reply (4xx) is never told as final.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from telephony_adapters.messaging import Refusal

_ENHANCED: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")


class Stage(StrEnum):
    """What the reply answers."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


_LOGIN: Final = frozenset({530, 534, 535})
"""The server wants a (better) login, whatever else it says (RFC 4954)."""
_DETAILS: Final = {
    (1, 7): Refusal.ACCOUNT,  # bad sender's address
    (1, 8): Refusal.ACCOUNT,
    (1, 9): Refusal.UNREACHABLE,
    (2, 2): Refusal.MAILBOX_FULL,
    (2, 3): Refusal.CONTENT,  # too long for the mailbox
    (2, 4): Refusal.UNREACHABLE,
    (3, 4): Refusal.CONTENT,  # too long for the system
    (7, 0): Refusal.FILTERED,
    (7, 8): Refusal.ACCOUNT,  # credentials
    (7, 9): Refusal.ACCOUNT,
    (7, 11): Refusal.ACCOUNT,
    (7, 23): Refusal.ACCOUNT,  # SPF
    (7, 24): Refusal.ACCOUNT,
    (7, 25): Refusal.ACCOUNT,  # reverse DNS
    (7, 26): Refusal.ACCOUNT,  # DMARC and the like
    (7, 27): Refusal.ACCOUNT,
}
_SUBJECTS: Final = {
    1: Refusal.INVALID_ADDRESS,
    2: Refusal.INVALID_ADDRESS,  # the mailbox is there no more
    3: Refusal.UNREACHABLE,
    4: Refusal.UNREACHABLE,
    5: Refusal.OTHER,
    6: Refusal.CONTENT,
    7: Refusal.FILTERED,
}
_BASIC: Final = {
    421: Refusal.UNREACHABLE,
    450: Refusal.UNREACHABLE,
    451: Refusal.UNREACHABLE,
    452: Refusal.RATE,
    454: Refusal.ACCOUNT,
    541: Refusal.FILTERED,
    550: Refusal.INVALID_ADDRESS,
    551: Refusal.INVALID_ADDRESS,
    552: Refusal.MAILBOX_FULL,
    553: Refusal.INVALID_ADDRESS,
    554: Refusal.FILTERED,
    556: Refusal.INVALID_ADDRESS,  # the domain takes no mail (RFC 7504)
}


def enhanced_code(text: str) -> str:
    """The first enhanced status code in a reply's text, such as `5.1.1`; empty without one."""
    found = _ENHANCED.search(text[:500])
    return found.group(0) if found else ""


def refusal_of(code: int, text: str, stage: Stage = Stage.RECIPIENT) -> Refusal:
    """Why the server refused. `code` is the basic one (0: unknown), `text` what it wrote."""
    if code in _LOGIN:
        return Refusal.ACCOUNT
    enhanced = enhanced_code(text)
    temporary = enhanced.startswith("4") if enhanced else 400 <= code < 500
    says_more = bool(enhanced) and not enhanced.endswith(".0.0")
    refusal = _by_enhanced(enhanced, temporary) if says_more else _BASIC.get(code, Refusal.OTHER)
    if "relay" in text.lower() and not temporary and refusal is not Refusal.OTHER:
        return Refusal.ACCOUNT  # "relaying denied": the server does not know us
    if not refusal.is_permanent:
        return refusal
    if temporary:
        return Refusal.UNREACHABLE
    if stage is Stage.SENDER:
        return Refusal.ACCOUNT
    # After the whole letter, a bare 550 speaks of what it read and not of the address.
    return Refusal.FILTERED if stage is Stage.CONTENT and not says_more else refusal


def _by_enhanced(enhanced: str, temporary: bool) -> Refusal:
    subject, detail = (int(part) for part in enhanced.split(".")[1:])
    if subject == 7 and temporary:
        return Refusal.RATE  # greylisting, too many from one sender
    return _DETAILS.get((subject, detail)) or _SUBJECTS.get(subject, Refusal.OTHER)


def provider_code(code: int, text: str) -> str:
    """The server's own words, e.g. `smtp:550 5.1.1`."""
    enhanced = enhanced_code(text)
    words = [f"smtp:{code}" if code else "smtp:", enhanced]
    return " ".join(filter(None, words))
