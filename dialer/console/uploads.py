"""The body of an upload as a file that only its owner may read."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from aiohttp import ClientPayloadError, web

from dialer.console.errors import BAD_UPLOAD, BODY_TOO_LARGE, DISK_FULL, TOO_SLOW, ApiError

CHUNK_TIMEOUT_S: Final = 60.0
"""A sender that is silent this long has gone."""
WRITE_BYTES: Final = 1 << 20


async def store_body(request: web.Request, path: Path, limit: int) -> None:
    """Write the body to the file as it comes. Raises `ApiError`."""
    size = 0
    try:
        # Only its owner may read the file: it is full of people's data.
        fd = await asyncio.to_thread(os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            async for chunk in _chunks(request):
                size += len(chunk)
                if size > limit:
                    raise ApiError(BODY_TOO_LARGE, limit=limit)
                await asyncio.to_thread(_write_all, fd, chunk)
        finally:
            os.close(fd)
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ApiError(DISK_FULL) from error
        raise
    if size == 0:
        raise ApiError(BAD_UPLOAD, es="está vacío", en="it is empty")


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The body in pieces of about a megabyte. Raises `ApiError` when it does not come whole."""
    pieces, size = [], 0
    try:
        while True:
            async with asyncio.timeout(CHUNK_TIMEOUT_S):
                piece = await request.content.readany()
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
            if size >= WRITE_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
    except TimeoutError as error:
        raise ApiError(TOO_SLOW) from error
    except (ClientPayloadError, web.RequestPayloadError) as error:
        raise ApiError(BAD_UPLOAD, es="llegó incompleto", en="it came incomplete") from error
    if pieces:
        yield b"".join(pieces)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
