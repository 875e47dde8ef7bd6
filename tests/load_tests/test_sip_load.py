"""What counts as a rate that was sustained."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from load_tests import sip_load
from load_tests.sip_load import EXPECTED, Load, Result, is_right, numbers
from telephony_adapters.messages import HangupCause


class Exchange:
    """Ends every call at once, but for those that it loses or tells wrongly."""

    def __init__(self, *, lose: int | None = None, garble: int | None = None) -> None:
        self.load = Load(self.dial)
        self._placed = count()
        self._lose, self._garble = lose, garble

    async def dial(self, call_id: str, number: str) -> None:
        await asyncio.sleep(0)
        n = next(self._placed)
        if n == self._lose:
            return
        cause = HangupCause.FAILED if n == self._garble else EXPECTED[number[-2:]]
        for _ in range(2):
            self.load.ended(call_id, lambda to: is_right(to, cause))

    async def run(self) -> Result:
        ids = count()
        return await self.load.run(500.0, 0.1, lambda: str(next(ids)), numbers())


async def test_every_call_ended_and_rightly_told() -> None:
    result = await Exchange().run()
    assert (result.offered, result.lost, result.wrong) == (50, 0, 0)
    assert result.sustained


async def test_a_lost_call_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_load, "END_LIMIT_S", 0.05)
    result = await Exchange(lose=7).run()
    assert result.lost == 1
    assert not result.sustained


async def test_a_call_told_for_something_else_is_wrong() -> None:
    result = await Exchange(garble=7).run()
    assert result.wrong == 1
    assert not result.sustained


def test_a_rate_that_was_not_offered_was_not_sustained() -> None:
    late = Result(
        wanted_per_s=100.0, offered=100, offered_per_s=90.0, lost=0, wrong=0, ended_per_s=90.0
    )
    assert not late.sustained
