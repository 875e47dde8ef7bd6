"""The Maildir into which bounces and replies are delivered: read, told, and put away.

New mail is told, and moved to `cur` when the engine has written down what it says; what cannot be
read, or written down, goes to the folder `.aside`, where a person can look at it. Whatever the
engine's end leaves in `new` is told at the next start, with the same event ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from telephony_adapters.errors import CarrierUnavailable
from telephony_adapters.messaging import AnyMessageEvent, Kept, MessageMoved
from telephony_adapters.smtp.inbound import MalformedMail, read_mail
from telephony_adapters.smtp.letters import OurMail

log = structlog.get_logger()

LARGEST_BYTES: Final = 10 * 1024 * 1024
AT_ONCE: Final = 200
"""Mails that are read before the events of the first are told."""
SEEN: Final = ":2,S"
ASIDE: Final = ".aside"
NOT_KEPT: Final = "what it says could not be kept"


class InboxCounts(msgspec.Struct):
    """What came in since the start."""

    notices: int = 0
    """Bounces, delivery notices and complaints."""
    replies: int = 0
    ignored: int = 0
    """Understood, and nothing to tell."""
    aside: int = 0
    """Too large, or not understood."""


class _Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was read."""

    path: Path
    event: AnyMessageEvent | None = None
    problem: str = ""


Tell = Callable[[AnyMessageEvent], Kept | None]


class Inbox:
    """Reads one Maildir until it is stopped."""

    def __init__(self, folder: Path, ours: OurMail, poll_s: float) -> None:
        self._folder = folder
        self._ours = ours
        self._poll_s = poll_s
        self._task: asyncio.Task[None] | None = None
        self.counts = InboxCounts()

    async def start(self, tell: Tell) -> None:
        """Raises `CarrierUnavailable` when there is no Maildir that can be used."""
        await asyncio.to_thread(check_maildir, self._folder)
        self._task = asyncio.create_task(self._watch(tell), name="smtp:inbox")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self, tell: Tell) -> None:
        while True:
            try:
                more = await self._round(tell)
            except OSError as error:
                log.warning("smtp_inbox_unreadable", folder=str(self._folder), error=str(error))
                more = False
            except Exception:
                log.exception("smtp_inbox_round_failed")  # and the next round is made all the same
                more = False
            if not more:
                await asyncio.sleep(self._poll_s)

    async def _round(self, tell: Tell) -> bool:
        """Tell what is new, and put it away once it is kept; whether there may be more."""
        mails = await asyncio.to_thread(self._read_new)
        told = [(mail, None if mail.event is None else tell(mail.event)) for mail in mails]
        handled = [
            mail
            if kept is None or await asyncio.shield(kept)
            else msgspec.structs.replace(mail, event=None, problem=NOT_KEPT)
            for mail, kept in told
        ]
        for mail in handled:
            self._count(mail)
        await asyncio.to_thread(self._put_away, handled)
        return len(mails) >= AT_ONCE

    def _count(self, mail: _Mail) -> None:
        if mail.problem:
            self.counts.aside += 1
            log.warning("smtp_mail_set_aside", file=mail.path.name, problem=mail.problem)
        elif mail.event is None:
            self.counts.ignored += 1
        elif isinstance(mail.event, MessageMoved):
            self.counts.notices += 1
        else:
            self.counts.replies += 1

    # --- files: in a thread -------------------------------------------------------------------

    def _read_new(self) -> list[_Mail]:
        return [
            mail for path in _files(self._folder / "new")[:AT_ONCE] if (mail := self._read(path))
        ]

    def _read(self, path: Path) -> _Mail | None:
        """None: it has gone meanwhile."""
        try:
            stat = path.stat()
            if stat.st_size > LARGEST_BYTES:
                return _Mail(path=path, problem="too large")
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return _Mail(path=path, problem=error.strerror or "unreadable")
        at = datetime.fromtimestamp(stat.st_mtime, UTC)
        try:
            return _Mail(path=path, event=read_mail(raw, at, self._ours))
        except MalformedMail as error:
            return _Mail(path=path, problem=str(error))
        except Exception as error:
            # Whatever a mail does to the reader, it must not deafen us to all the others.
            log.exception("smtp_mail_unreadable", file=path.name)
            return _Mail(path=path, problem=type(error).__name__)

    def _put_away(self, mails: list[_Mail]) -> None:
        for mail in mails:
            if mail.problem:
                target = self._folder / ASIDE / "new" / mail.path.name
                for kind in ("new", "cur", "tmp"):
                    (self._folder / ASIDE / kind).mkdir(parents=True, exist_ok=True)
            else:
                target = self._folder / "cur" / f"{mail.path.name}{SEEN}"
            with contextlib.suppress(FileNotFoundError):
                mail.path.rename(target)


def check_maildir(folder: Path) -> None:
    """Raises `CarrierUnavailable` unless mail can be read there and put away."""
    for kind in ("new", "cur"):
        place = folder / kind
        if not place.is_dir():
            raise CarrierUnavailable(
                f"smtp.inbox_dir: {folder} is no Maildir (no folder `{kind}` in it); have the "
                "mail server deliver there once, or make the folders new, cur and tmp"
            )
        if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            raise CarrierUnavailable(
                f"smtp.inbox_dir: this user may not read and move mail in {place}"
            )


def _files(folder: Path) -> list[Path]:
    """Oldest first; names that begin with a dot are not mail."""
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(paths, key=lambda path: (_age_instant(path), path.name))


def _age_instant(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
