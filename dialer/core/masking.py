"""Addresses as those see them who have no need of the whole: known again, of no use. Pure."""

from __future__ import annotations


def masked(address: str) -> str:
    """Country code and last two digits of a number; first letter and host of an e-mail address."""
    name, at, host = address.partition("@")
    if at:
        return f"{name[:1]}***@{host}"
    if len(address) < 8:
        return "***"
    return f"{address[:3]}{'*' * (len(address) - 5)}{address[-2:]}"
