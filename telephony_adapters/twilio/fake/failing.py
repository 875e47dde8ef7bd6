"""Errors as Twilio answers them, and creates that go wrong on script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn

from telephony_adapters.twilio.fake.faults import CreateFault


class FakeError(Exception):
    """An error answer in Twilio's form."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


NOT_FOUND: Final = FakeError(404, 20404, "The requested resource was not found")


async def fail_create(fault: CreateFault, create: Callable[[], object]) -> NoReturn:
    """Raises `FakeError`, or never returns; where the fault says so it was done all the same."""
    if fault in (CreateFault.SILENT_PLACED, CreateFault.SERVER_ERROR_PLACED):
        create()
    if fault in (CreateFault.SILENT, CreateFault.SILENT_PLACED):
        await asyncio.Event().wait()
    if fault is CreateFault.TOO_MANY:
        raise FakeError(429, 20429, "Too Many Requests")
    if fault is CreateFault.REFUSED:
        raise FakeError(400, 21211, "The 'To' number is not a valid phone number")
    raise FakeError(500, 20500, "Internal Server Error")
