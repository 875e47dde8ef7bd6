"""E-mail addresses as far as they are accepted: plain `name@domain`, no quotes. Pure.

Source: RFC 5321, sections 4.1.2 and 4.5.3.1 (lengths).
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_LOCAL: Final = 64
LONGEST: Final = 254
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def is_address(text: str) -> bool:
    """Whether it can be written to. Names with letters beyond ASCII cannot (no SMTPUTF8)."""
    local, at, domain = text.rpartition("@")
    return (
        bool(at)
        and len(text) <= LONGEST
        and len(local) <= LONGEST_LOCAL
        and _LOCAL.fullmatch(local) is not None
        and _DOMAIN.fullmatch(domain) is not None
    )


def on_the_wire(text: str) -> str | None:
    """The address as servers take it, its domain in ASCII (IDNA); None: it is no address."""
    local, at, domain = text.rpartition("@")
    if not at or len(domain) > LONGEST:
        return None
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    address = f"{local}@{ascii_domain}"
    return address if is_address(address) else None


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]
