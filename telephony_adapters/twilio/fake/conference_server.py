"""Conferences and their participants in the fake's REST API."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from aiohttp import web

from telephony_adapters.twilio.fake.exchange import Exchange
from telephony_adapters.twilio.fake.failing import NOT_FOUND, FakeError
from telephony_adapters.twilio.fake.replies import json_reply, page
from telephony_adapters.twilio.fake.rooms import TRUE, Participant, Room


class ConferenceServer:
    """Who is in which conference, and how they hear each other."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def add_routes(self, app: web.Application, account: str) -> None:
        conferences = f"{account}/Conferences"
        people = f"{conferences}/{{sid}}/Participants"
        app.router.add_get(f"{conferences}.json", self._list_rooms)
        app.router.add_post(f"{conferences}/{{sid}}.json", self._update_room)
        app.router.add_get(f"{people}.json", self._list_inside)
        app.router.add_get(f"{people}/{{call}}.json", self._fetch_inside)
        app.router.add_post(f"{people}/{{call}}.json", self._update_inside)

    async def _list_rooms(self, request: web.Request) -> web.StreamResponse:
        rows = [
            self._room_resource(room)
            for room in self._exchange.rooms.live()
            if request.query.get("Status", room.status) == room.status
            and request.query.get("FriendlyName", room.name) == room.name
        ]
        return page(request, "conferences", rows)

    async def _update_room(self, request: web.Request) -> web.StreamResponse:
        room = self._room(request)
        form = parse_qs((await request.read()).decode())
        if form.get("Status") == ["completed"]:
            self._exchange.end_room(room)
        if "AnnounceUrl" in form:
            self._exchange.announce(room, form["AnnounceUrl"][0])
        return json_reply(self._room_resource(room))

    async def _list_inside(self, request: web.Request) -> web.StreamResponse:
        room = self._room(request)
        rows = [_resource(room, sid, one) for sid, one in room.inside.items()]
        return page(request, "participants", rows)

    async def _fetch_inside(self, request: web.Request) -> web.StreamResponse:
        room = self._room(request)
        sid, one = _inside(room, request)
        return json_reply(_resource(room, sid, one))

    async def _update_inside(self, request: web.Request) -> web.StreamResponse:
        room = self._room(request)
        sid, one = _inside(room, request)
        form = parse_qs((await request.read()).decode())
        coaching = form.get("Coaching", [""])[0]
        coached = form.get("CallSidToCoach", [""])[0]
        if coaching == TRUE and (not coached or coached == sid or coached not in room.inside):
            raise FakeError(400, 20001, "CallSidToCoach is not a participant of this conference")
        if "Muted" in form:
            one.muted = form["Muted"] == [TRUE]
        if "Hold" in form:
            one.hold = form["Hold"] == [TRUE]
        if coaching:
            one.coaches = coached if coaching == TRUE else ""
        return json_reply(_resource(room, sid, one))

    def _room(self, request: web.Request) -> Room:
        room = self._exchange.rooms.by_sid(request.match_info["sid"])
        if room is None:
            raise NOT_FOUND
        return room

    def _room_resource(self, room: Room) -> Mapping[str, object]:
        return {
            "sid": room.sid,
            "account_sid": self._exchange.settings.account_sid,
            "friendly_name": room.name,
            "status": room.status,
        }


def _inside(room: Room, request: web.Request) -> tuple[str, Participant]:
    """A participant by the SID of the call, or by the label."""
    name = request.match_info["call"]
    for sid, one in room.inside.items():
        if name in (sid, one.label):
            return sid, one
    raise NOT_FOUND


def _resource(room: Room, sid: str, one: Participant) -> Mapping[str, object]:
    return {
        "call_sid": sid,
        "conference_sid": room.sid,
        "label": one.label or None,
        "muted": one.muted,
        "hold": one.hold,
        "coaching": bool(one.coaches),
        "call_sid_to_coach": one.coaches or None,
        "status": "connected",
    }
