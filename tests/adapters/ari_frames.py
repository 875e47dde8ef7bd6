"""ARI frames as Asterisk sends them, recorded from 22.10 and 16.28 and cut to one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

CREATED: Final = datetime(2026, 6, 3, 15, 0, tzinfo=UTC)
APP: Final = "test"


def stamp(after_s: float) -> str:
    at = CREATED + timedelta(seconds=after_s)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def channel(name: str, state: str = "Down") -> dict[str, object]:
    return {
        "id": name,
        "name": "PJSIP/trunk-00000000",
        "state": state,
        "protocol_id": "0a971e56-78cd-4fec-8ab3-554ee20f55ba",
        "caller": {"name": "", "number": "+13055550100"},
        "connected": {"name": "", "number": "+13055550100"},
        "accountcode": "",
        "dialplan": {
            "context": "nowhere",
            "exten": "s",
            "priority": 1,
            "app_name": "AppDial2",
            "app_data": "(Outgoing Line)",
        },
        "creationtime": stamp(0),
        "language": "es",
    }


def frame(kind: str, after_s: float, fields: Mapping[str, object]) -> str:
    return json.dumps(
        {
            "type": kind,
            "timestamp": stamp(after_s),
            **fields,
            "asterisk_id": "02:fc:00:00:00:01",
            "application": APP,
        }
    )


def dial(name: str, status: str, after_s: float = 0.1) -> str:
    state = "Ringing" if status == "RINGING" else "Down"
    fields = {
        "dialstatus": status,
        "forward": "",
        "dialstring": "trunk/sip:+13055550080@127.0.0.1:52432",
        "peer": channel(name, state),
    }
    return frame("Dial", after_s, fields)


def state_change(name: str, state: str, after_s: float) -> str:
    return frame("ChannelStateChange", after_s, {"channel": channel(name, state)})


def stasis_start(name: str, after_s: float, *args: str) -> str:
    return frame("StasisStart", after_s, {"args": list(args), "channel": channel(name, "Up")})


def hangup_request(name: str, after_s: float, cause: int) -> str:
    fields = {"cause": cause, "channel": channel(name, "Ringing")}
    return frame("ChannelHangupRequest", after_s, fields)


def entered_bridge(name: str, bridge: str, after_s: float) -> str:
    return frame("ChannelEnteredBridge", after_s, _in_bridge(name, bridge, [name]))


def left_bridge(name: str, bridge: str, after_s: float) -> str:
    return frame("ChannelLeftBridge", after_s, _in_bridge(name, bridge, []))


def _in_bridge(name: str, bridge: str, channels: list[str]) -> dict[str, object]:
    return {
        "bridge": {
            "id": bridge,
            "technology": "simple_bridge",
            "bridge_type": "mixing",
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": "",
            "channels": channels,
            "creationtime": stamp(0),
            "video_mode": "talker",
        },
        "channel": channel(name, "Up"),
    }


def dtmf(name: str, digit: str, after_s: float) -> str:
    fields = {"digit": digit, "duration_ms": 160, "channel": channel(name, "Up")}
    return frame("ChannelDtmfReceived", after_s, fields)


def playback_finished(playback: str, after_s: float) -> str:
    fields = {
        "playback": {
            "id": playback,
            "media_uri": "sound:beep",
            "target_uri": "channel:x",
            "language": "en",
            "state": "done",
        }
    }
    return frame("PlaybackFinished", after_s, fields)


def destroyed(name: str, after_s: float, cause: int, tech_cause: int | None = None) -> str:
    fields: dict[str, object] = {
        "cause": cause,
        "cause_txt": "",
        "channel": channel(name, "Ringing"),
    }
    if tech_cause is not None:
        fields["tech_cause"] = tech_cause
    return frame("ChannelDestroyed", after_s, fields)


def recording(kind: str, tape: str, name: str, after_s: float, duration: int = 0) -> str:
    known = {
        "name": name,
        "format": "wav",
        "state": "done",
        "target_uri": f"channel:{tape}",
        "duration": duration,
    }
    return frame(kind, after_s, {"recording": known})


def inbound(name: str, number: str, presentation: str, after_s: float = 1.0) -> str:
    """Somebody calls us; the channel has Asterisk's own name."""
    theirs = channel(name, "Ring") | {
        "caller": {"name": "", "number": number},
        "dialplan": {
            "context": "marcador-inbound",
            "exten": "+13055550199",
            "priority": 1,
            "app_name": "Stasis",
            "app_data": f"{APP},inbound,{presentation}",
        },
    }
    return frame("StasisStart", after_s, {"args": ["inbound", presentation], "channel": theirs})


def stasis_end(name: str, after_s: float) -> str:
    return frame("StasisEnd", after_s, {"channel": channel(name, "Up")})
