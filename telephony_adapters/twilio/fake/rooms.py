"""Conferences of the fake: who is in which room, who hears whom, and who is told."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from xml.etree import ElementTree

from telephony_adapters.twilio.fake.documents import BadDocument

Tell = Callable[["Room", str, str], None]
"""Tells the room's callback of an event about a call's SID (empty: about the room)."""
TRUE = "true"


class Participant:
    """Somebody in a conference."""

    def __init__(self, element: ElementTree.Element) -> None:
        self.label = element.get("participantLabel", "")
        self.muted = element.get("muted") == TRUE
        self.coaches = element.get("coach", "")
        """SID of the only one who hears it; empty: everybody does."""
        self.starts = element.get("startConferenceOnEnter", TRUE) == TRUE
        self.hold = False
        """Hears music, is heard by nobody."""


class Room:
    """One conference in progress."""

    def __init__(self, name: str, first: ElementTree.Element) -> None:
        self.sid = f"CF{secrets.token_hex(16)}"
        self.name = name
        self.inside: dict[str, Participant] = {}
        """By the SID of their call."""
        self.started = False
        """With the second who comes; before that one hears the waiting music."""
        self.callback_url = first.get("statusCallback", "")
        """Twilio keeps that of the first who comes."""
        self.events = frozenset(first.get("statusCallbackEvent", "").split())
        self.sequence = 0

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    @property
    def status(self) -> str:
        if not self.inside:
            return "completed"
        return "in-progress" if self.started else "init"

    def heard_by(self, sid: str) -> set[str]:
        """Whom somebody inside hears."""
        if not self.started or self.inside[sid].hold:
            return set()
        return {
            other
            for other, one in self.inside.items()
            if other != sid and not one.muted and not one.hold and one.coaches in ("", sid)
        }


class Rooms:
    """All conferences, by name."""

    def __init__(self, tell: Tell) -> None:
        self._rooms: dict[str, Room] = {}
        self._tell = tell

    def enter(self, sid: str, element: ElementTree.Element) -> Room:
        """Raises `BadDocument` for a coach of somebody who is not there: Twilio's error 13240."""
        name = (element.text or "").strip()
        room = self._rooms.get(name)
        coaches = element.get("coach", "")
        if coaches and (room is None or coaches not in room.inside):
            raise BadDocument(f"coach {coaches} is not in the conference")
        if room is None:
            room = self._rooms[name] = Room(name, element)
        room.inside[sid] = Participant(element)
        self._tell(room, "participant-join", sid)
        if (
            not room.started
            and len(room.inside) > 1
            and any(one.starts for one in room.inside.values())
        ):
            room.started = True
            self._tell(room, "conference-start", "")
        return room

    def leave(self, sid: str, room: Room) -> None:
        if sid not in room.inside:
            return
        # Told before it is forgotten: the callback names the label.
        self._tell(room, "participant-leave", sid)
        del room.inside[sid]
        if not room.inside:
            self._tell(room, "conference-end", "")
            self._rooms.pop(room.name, None)

    def live(self) -> list[Room]:
        return list(self._rooms.values())

    def by_sid(self, sid: str) -> Room | None:
        return next((room for room in self._rooms.values() if room.sid == sid), None)

    def heard_by(self, sid: str) -> set[str]:
        """Whom a call hears in a conference; nobody where it is in none."""
        room = next((room for room in self._rooms.values() if sid in room.inside), None)
        return room.heard_by(sid) if room is not None else set()
