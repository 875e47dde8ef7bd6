"""What settings of providers have in common."""

from __future__ import annotations

import ipaddress


class SettingsProblem(Exception):
    """A setting that cannot work: `key` is its name, `what` the fault, `mend` the way out."""

    def __init__(self, key: str, what: str, mend: str) -> None:
        super().__init__(f"{key}: {what}; {mend}")
        self.key = key
        self.what = what
        self.mend = mend


def is_loopback_host(host: str) -> bool:
    """The name or address is one of this machine's loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
