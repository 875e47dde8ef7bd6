"""What the house itself says on a call: the one place where conversations use prompts."""

from __future__ import annotations

from telephony_adapters.messages import CallId
from telephony_adapters.port import TelephonyAdapter


async def announce(
    adapter: TelephonyAdapter, call_id: CallId, prompt: str, playback_id: str
) -> bool:
    """Begin to play a prompt; `PlaybackFinished` follows. False: this carrier plays none.

    Raises `TelephonyError`.
    """
    if not adapter.facts.prompts:
        return False
    await adapter.play(call_id, prompt, playback_id)
    return True
