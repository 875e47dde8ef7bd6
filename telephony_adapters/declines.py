"""What an adapter answers to commands that it does not offer."""

from __future__ import annotations

from typing import NoReturn

from telephony_adapters.errors import NotOffered
from telephony_adapters.messages import CallId, LegId, LegRole


class Declines:
    """Base of adapters: every optional command of the port, declined.

    An adapter overrides those that its facts declare; the conformance suite holds it to both.
    """

    async def hold(self, call_id: CallId) -> None:
        _decline("hold")

    async def consult(self, leg_id: LegId, other_leg_id: LegId) -> None:
        _decline("consult")

    async def join(self, call_id: CallId, leg_id: LegId, role: LegRole) -> None:
        _decline("join")

    async def part(self, call_id: CallId, leg_id: LegId) -> None:
        _decline("part")

    async def answer(self, call_id: CallId) -> None:
        _decline("answer")

    async def record(self, call_id: CallId, recording_id: str) -> None:
        _decline("record")

    async def pause_recording(self, call_id: CallId, *, paused: bool) -> None:
        _decline("pause_recording")

    async def stop_recording(self, call_id: CallId) -> None:
        _decline("stop_recording")

    async def fetch_recording(self, recording_id: str) -> bytes:
        _decline("fetch_recording")

    async def delete_recording(self, recording_id: str) -> None:
        _decline("delete_recording")

    async def send_dtmf(self, call_id: CallId, digits: str) -> None:
        _decline("send_dtmf")


def _decline(command: str) -> NoReturn:
    raise NotOffered(f"this adapter does not offer `{command}`")
