"""Calls that come to us: whose they are, and by which id we know them. Pure.

The dialplan hands them over with `Stasis(APP,inbound,${CALLERID(num-pres)})`. Asterisk names their
channels itself, so the call's id is made of the channel's: the same in every life of the engine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from telephony_adapters.asterisk.codec import Channel
from telephony_adapters.asterisk.settings import NUMBER_PATTERN
from telephony_adapters.call_ids import inbound_call_id
from telephony_adapters.messages import CallId

WITHHELD: Final = ("prohib", "unavailable")
"""How Asterisk's presentations begin that forbid to look at a number, or have none."""


def inbound_id(app: str, channel: Channel) -> CallId:
    """The call's id. The instant tells channels of two lives of Asterisk apart."""
    return inbound_call_id(app, channel.id, channel.creationtime)


def is_inbound(app: str, channel: Channel) -> bool:
    """Whether a listed channel was handed over to this application by the dialplan."""
    place = channel.dialplan
    return place.app_name == "Stasis" and place.app_data.split(",")[:2] == [app, "inbound"]


def caller_of(channel: Channel, arguments: Sequence[str]) -> str | None:
    """E.164, or None where the number is withheld or is none."""
    if arguments and arguments[0].startswith(WITHHELD):
        return None
    number = channel.caller.number
    return number if re.fullmatch(NUMBER_PATTERN, number) else None
