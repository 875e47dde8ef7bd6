"""Conferences of the fake: who is in which room, and who is told."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from xml.etree import ElementTree

Tell = Callable[["Room", str, str], None]
"""Tells the room's callback of an event about a call's SID (empty: about the room)."""


class Room:
    """One conference in progress."""

    def __init__(self, name: str, first: ElementTree.Element) -> None:
        self.sid = f"CF{secrets.token_hex(16)}"
        self.name = name
        self.labels: dict[str, str] = {}
        """Of those inside, by the SID of their call."""
        self.callback_url = first.get("statusCallback", "")
        """Twilio keeps that of the first who comes."""
        self.events = frozenset(first.get("statusCallbackEvent", "").split())
        self.sequence = 0

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence


class Rooms:
    """All conferences, by name."""

    def __init__(self, tell: Tell) -> None:
        self._rooms: dict[str, Room] = {}
        self._tell = tell

    def enter(self, sid: str, element: ElementTree.Element) -> Room:
        name = (element.text or "").strip()
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name, element)
            self._tell(room, "conference-start", "")
        room.labels[sid] = element.get("participantLabel", "")
        self._tell(room, "participant-join", sid)
        return room

    def leave(self, sid: str, room: Room) -> None:
        if sid not in room.labels:
            return
        # Told before it is forgotten: the callback names the label.
        self._tell(room, "participant-leave", sid)
        del room.labels[sid]
        if not room.labels:
            self._tell(room, "conference-end", "")
            self._rooms.pop(room.name, None)

    def live(self) -> list[Room]:
        return list(self._rooms.values())

    def by_sid(self, sid: str) -> Room | None:
        return next((room for room in self._rooms.values() if room.sid == sid), None)
