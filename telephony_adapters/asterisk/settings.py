"""Where the Asterisk is, how it is asked to dial, and what may be believed of its far end."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

APP_PATTERN: Final = r"[A-Za-z0-9_-]{1,40}"
SOUND_PATTERN: Final = r"[A-Za-z0-9_][A-Za-z0-9_/-]{0,200}"
NUMBER_PATTERN: Final = r"\+[0-9]{6,15}"
LINK_PATTERN: Final = r"[A-Za-z0-9-]{1,64}"
AGENT_PATTERN: Final = r"[A-Za-z0-9_.-]{1,64}"
_EXPLICIT_TARGET: Final = re.compile(
    r"PJSIP/(?P<endpoint>[A-Za-z0-9_-]+)/sips?:[^@;?/]*@"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9.]+)(?::[0-9]{1,5})?"
)


class AsteriskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the adapter must be told."""

    url: str
    """Of Asterisk's HTTP server, e.g. `http://127.0.0.1:8088`; ARI is below `/ari`."""
    user: str
    password: str
    app: str
    """Stasis application; one for each engine on this Asterisk."""
    dial: str
    """Dial string of a person: `{number}` is E.164, `{digits}` the same without `+`, `{trunk}` the
    trunk's name."""
    agent_dial: str
    """Dial string of an agent's device: `{agent}` is the user name."""
    trunk: str = "main"
    """The trunk by which somebody outside is brought into a conversation."""
    caller_id: str | None = None
    """Shown when a campaign names none."""
    amd_context: str | None = None
    """Dialplan context that screens an answered call; None: no detection."""
    prompts_media: str | None = None
    """ARI media URI of a prompt's recording, with `{audio}` for its hash, e.g.
    `sound:/srv/prompts/{audio}`; None: nothing can be played."""
    hold_music: str = "default"
    """Class of `musiconhold.conf` that persons hear while they hold."""
    links: Mapping[str, str] = {}
    """Other nodes by name: the dial string by which this one reaches them, with `{token}` for the
    one-time word that it dials there."""
    laboratory: bool = False
    """Declares that nobody real is behind the trunk. Believed only where `reaches_nobody`."""
    agent_ring_timeout_s: int = 30
    command_timeout_s: float = 5.0
    """Longest wait for a reply of ARI; after it the outcome of a command is unknown."""
    connect_timeout_s: float = 3.0
    heartbeat_s: float = 10.0
    """Time between two pings on the WebSocket; half of it is the time to answer."""
    app_check_s: float = 1.0
    """How old the knowledge may be that Asterisk has our application when a call is placed."""
    reconnect_least_s: float = 0.2
    reconnect_most_s: float = 5.0
    """Pause between two attempts to connect again; it doubles from least to most."""
    max_connections: int = 64
    """HTTP connections to Asterisk at the same time; further commands wait."""
    max_frame_bytes: int = 1_048_576
    """Largest event; a larger one ends the connection."""
    max_originates_per_s: float = 200.0
    """What the node bears."""

    def __repr__(self) -> str:
        return f"AsteriskSettings(url={self.url!r}, user={self.user!r}, password=***)"

    def faults(self) -> list[str]:
        """What is wrong with these settings, each as `key: fault`; empty when they can be used."""
        found = []
        split = urlsplit(self.url)
        if split.scheme not in ("http", "https") or not split.hostname:
            found.append("url: give http://HOST:PORT of Asterisk's HTTP server")
        if not re.fullmatch(APP_PATTERN, self.app):
            found.append("app: letters, digits, `-` and `_`, at most 40")
        for key, text, names in (
            ("dial", self.dial, {"number", "digits", "trunk"}),
            ("agent_dial", self.agent_dial, {"agent"}),
        ):
            if not fits(text, names):
                known = ", ".join(f"{{{name}}}" for name in sorted(names))
                found.append(f"{key}: a dial string with {known}, not `{text}`")
        if self.prompts_media is not None and not fits(self.prompts_media, {"audio"}):
            found.append("prompts_media: a media URI with {audio}, e.g. sound:/srv/prompts/{audio}")
        if self.laboratory and not self.reaches_nobody:
            found.append(
                "laboratory: believed only when `url` is a loopback address and `dial` names its "
                "target as one, e.g. PJSIP/trunk/sip:{number}@127.0.0.1:5070"
            )
        return found

    @property
    def reaches_nobody(self) -> bool:
        """Declared to be a laboratory, and both Asterisk and the trunk's target are on loopback.

        Only literal addresses count: a name can point elsewhere tomorrow, and a dial string without
        a target leaves it to Asterisk's configuration.
        """
        target = _EXPLICIT_TARGET.fullmatch(self.dial)
        host = urlsplit(self.url).hostname
        return (
            self.laboratory
            and host is not None
            and _is_loopback(host)
            and target is not None
            and _is_loopback(target["host"].strip("[]"))
        )

    @property
    def trunk_endpoint(self) -> str | None:
        """The PJSIP endpoint that calls leave by; None when the dial string does not tell."""
        found = re.match(r"PJSIP/(?:[^/@]*@)?([A-Za-z0-9_-]+)(?:/|$)", self.dial)
        return found[1] if found else None

    def dial_string(self, number: str, trunk: str) -> str | None:
        """Whom to dial; None for what is not an E.164 number."""
        if not re.fullmatch(NUMBER_PATTERN, number):
            return None
        return self.dial.format(number=number, digits=number[1:], trunk=trunk)

    def media_of(self, audio: str | None) -> str | None:
        """What Asterisk plays for a recording; None where it cannot play any, or there is none."""
        if audio is None:
            return None
        if not re.fullmatch(r"[0-9a-f]{64}", audio):  # a sound that Asterisk has by name
            return f"sound:{audio}" if re.fullmatch(SOUND_PATTERN, audio) else None
        return None if self.prompts_media is None else self.prompts_media.format(audio=audio)

    def leg_dial_string(self, endpoint: str) -> str | None:
        """How to ring the device `agent:NAME`, somebody outside by an E.164 number, or another
        node by `node:NAME/WORD`.

        None for what cannot be dialed.
        """
        if endpoint.startswith("+"):
            return self.dial_string(endpoint, self.trunk)
        kind, _, name = endpoint.partition(":")
        if kind == "node":
            node, _, word = name.partition("/")
            link = self.links.get(node)
            return link.format(token=word) if link and re.fullmatch(LINK_PATTERN, word) else None
        if kind != "agent" or not re.fullmatch(AGENT_PATTERN, name):
            return None
        return self.agent_dial.format(agent=name)


def fits(text: str, names: set[str]) -> bool:
    """Whether a text uses these names only, and not just the trunk's."""
    try:
        text.format(**dict.fromkeys(names, ""))
    except (ValueError, LookupError, AttributeError):
        return False
    used = set(re.findall(r"\{([^}]*)\}", text))
    return bool(used - {"trunk"}) and used <= names


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
