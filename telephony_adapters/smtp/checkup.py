"""Looks at the mail server and the inbox; no mail is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

from telephony_adapters.smtp.client import Connections
from telephony_adapters.smtp.inbox import check_maildir
from telephony_adapters.smtp.settings import SmtpSettings


async def look_at_server(settings: SmtpSettings) -> frozenset[str]:
    """Connect, greet, encrypt, log in. The server's extensions, in lower case.

    Raises `CarrierUnavailable`.
    """
    connections = Connections(settings)
    try:
        return await connections.check()
    finally:
        await connections.close()


async def look_at_inbox(settings: SmtpSettings) -> int | None:
    """How many mails wait in the inbox; None: there is no inbox. Raises `CarrierUnavailable`."""
    if settings.inbox_dir is None:
        return None
    folder = Path(settings.inbox_dir)
    await asyncio.to_thread(check_maildir, folder)
    return await asyncio.to_thread(lambda: sum(1 for _ in (folder / "new").iterdir()))
