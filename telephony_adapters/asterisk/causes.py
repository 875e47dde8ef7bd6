"""Why a call ended: the SIP status first, then the ISDN cause, then what we know ourselves.

`dialstatus` is too coarse. Asterisk 22 tells the SIP status of a refusal (`tech_cause`); 16 does
not, and gives cause 0 where 22 gives 19. A real 480 and the end of our own ring timeout look
alike on both: how long the call was alive tells them apart. When nothing rang until the end,
nobody knows of the call: the route is dead.

Sources: RFC 3261 section 21, ITU-T Q.850, Asterisk `hangup_sip2cause`, and measurements (the table
in docs/telephony-asterisk.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from telephony_adapters.messages import HangupCause

_C = HangupCause
SIP_CAUSES: Final[Mapping[int, HangupCause]] = {
    403: _C.REJECTED,
    404: _C.NOT_IN_SERVICE,
    410: _C.NOT_IN_SERVICE,
    480: _C.UNAVAILABLE,
    484: _C.NOT_IN_SERVICE,
    486: _C.BUSY,
    487: _C.CANCELLED,
    488: _C.CONGESTION,
    503: _C.CONGESTION,
    600: _C.BUSY,
    603: _C.REJECTED,
    604: _C.NOT_IN_SERVICE,
    607: _C.REJECTED,
    608: _C.REJECTED,
}
"""Final SIP statuses; what is not here is `FAILED`."""
NETWORK_TIMEOUTS: Final = frozenset({408, 504})
"""SIP statuses by which somebody on the way says that nothing came back."""
ISDN_CAUSES: Final[Mapping[int, HangupCause]] = {
    1: _C.NOT_IN_SERVICE,
    16: _C.CANCELLED,
    17: _C.BUSY,
    19: _C.UNAVAILABLE,
    20: _C.UNAVAILABLE,
    21: _C.REJECTED,
    22: _C.NOT_IN_SERVICE,
    28: _C.NOT_IN_SERVICE,
    34: _C.CONGESTION,
    42: _C.CONGESTION,
    58: _C.CONGESTION,
    127: _C.REJECTED,
}
"""Q.850 causes where there is no SIP status. 127 is how 16 tells of 607 and 608: not wanted."""
ISDN_TIMEOUTS: Final = frozenset({18, 102})
"""No user responding; recovery on timer expiry."""
_TIMEOUT_SIP: Final = frozenset({None, 480, 487})
_TIMEOUT_ISDN: Final = frozenset({0, 19})


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call when its channel is gone."""

    cause: int
    """Q.850; 0 = Asterisk does not know."""
    tech_cause: int | None = None
    """SIP status of the refusal; Asterisk 22 tells it, 16 never does."""
    answered: bool = False
    hung_up: bool = False
    """We asked for the end."""
    rang: bool = False
    """The far end said that it rings, or let something be heard (SIP 180, 183)."""
    timed_out: bool = False
    """It lived as long as we let it ring."""

    @property
    def provider_code(self) -> str:
        """The carrier's own words."""
        sip = "" if self.tech_cause is None else f"sip:{self.tech_cause} "
        return f"{sip}q850:{self.cause}"


def classify(ending: Ending) -> HangupCause:
    """The end in the port's words."""
    if ending.answered:
        return _C.NORMAL_CALLER if ending.hung_up else _C.NORMAL_CALLEE
    if ending.hung_up:
        return _C.CANCELLED
    silence = _C.NO_ANSWER if ending.rang else _C.ROUTE_DOWN
    ours = ending.tech_cause in _TIMEOUT_SIP and ending.cause in _TIMEOUT_ISDN
    if ending.timed_out and ours:
        return silence
    if ending.tech_cause is not None:
        if ending.tech_cause in NETWORK_TIMEOUTS:
            return silence
        return SIP_CAUSES.get(ending.tech_cause, _C.FAILED)
    if ending.cause in ISDN_TIMEOUTS:
        return silence
    return ISDN_CAUSES.get(ending.cause, _C.FAILED)


def inbound_cause(*, answered: bool, hung_up: bool) -> HangupCause:
    """The end of a call that came to us; `hung_up` by us."""
    if not hung_up:
        return _C.NORMAL_CALLEE
    return _C.NORMAL_CALLER if answered else _C.CANCELLED
