"""What a life of this program that ended badly has left behind at Twilio.

Calls keep no word of ours that could be asked for, but rooms have our name and those inside our
ids: so conversations of another life are found at the start. Calls that rang or were on hold show
themselves by their next callback, and are over within seconds if they do not.
"""

from __future__ import annotations

import structlog

from telephony_adapters.messages import CallId
from telephony_adapters.twilio.client import TwilioApi
from telephony_adapters.twilio.live import Registry
from telephony_adapters.twilio.transport import Refused

log = structlog.get_logger()


async def adopt_rooms(api: TwilioApi, registry: Registry, prefix: str) -> None:
    """List people who still talk, so that the engine may decide about their calls; hang up the
    agents' devices, since each agent gets a new leg. Raises what `api` raises."""
    for room in await api.rooms():
        if not room.name.startswith(prefix):
            continue
        for sid, label in await api.inside(room.sid):
            if label is None:
                continue
            if label.is_leg:
                log.warning("twilio_leg_of_another_life", leg=label.who)
                await _end(api, sid)
            else:
                log.warning("twilio_call_of_another_life", call=label.who)
                registry.adopt(sid, CallId(label.who))


async def _end(api: TwilioApi, sid: str) -> None:
    try:
        await api.end_call(sid)
    except Refused as refused:
        if not refused.is_gone:
            raise
