"""One call of the fake, and how Twilio's resources and webhooks describe it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from telephony_adapters.clock import TimerHandle
from telephony_adapters.messages import HangupCause
from telephony_adapters.simulator.world import PickUp
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.fake.faults import Fault
from telephony_adapters.twilio.fake.rooms import Room

API_VERSION = "2010-04-01"
AGENT_SCHEMES = ("client:", "sip:", "sips:")

ENDINGS: Mapping[HangupCause, tuple[CallStatus, int]] = {
    HangupCause.BUSY: (CallStatus.BUSY, 486),
    HangupCause.UNAVAILABLE: (CallStatus.NO_ANSWER, 480),
    HangupCause.NOT_IN_SERVICE: (CallStatus.FAILED, 404),
    HangupCause.REJECTED: (CallStatus.FAILED, 603),
    HangupCause.CONGESTION: (CallStatus.FAILED, 503),
    HangupCause.FAILED: (CallStatus.FAILED, 500),
    HangupCause.NO_ANSWER: (CallStatus.NO_ANSWER, 487),
}
"""Final status and SIP answer of a far end that does not pick up."""


class FakeCall:
    """A Call resource with what happens to it."""

    def __init__(
        self,
        form: Mapping[str, list[str]],
        created_at: datetime,
        fault: Fault,
        *,
        inbound: bool = False,
    ) -> None:
        self.inbound = inbound
        """Somebody calls a number of the account."""
        self.sid = f"CA{secrets.token_hex(16)}"
        self.to = _one(form, "To")
        self.from_ = _one(form, "From")
        self.twiml = _one(form, "Twiml")
        self.url = _one(form, "Url")
        self.status_url = _one(form, "StatusCallback")
        self.events = frozenset(form.get("StatusCallbackEvent", ["completed"]))
        self.amd_url = _one(form, "AsyncAmdStatusCallback")
        self.wants_amd = bool(_one(form, "MachineDetection")) and bool(self.amd_url)
        self.timeout_s = float(_one(form, "Timeout") or 60)
        self.fault = fault
        self.status = CallStatus.QUEUED
        self.created_at = created_at
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.sip_code: int | None = None
        self.pick_up: PickUp | None = None
        self.talk_left_s = 0.0
        self.joined_at: datetime | None = None
        self.room: Room | None = None
        self.left_room = asyncio.Event()
        self.keys: asyncio.Queue[str] | None = None
        self.keys_heard = ""
        """Keys that were pressed towards whoever it is."""
        self.prompts = 0
        """Prompts under way."""
        self.follower: asyncio.Task[None] | None = None
        self.timers: list[TimerHandle] = []
        self.patience: TimerHandle | None = None
        self.sequence = -1
        self.callbacks = -1
        self.order = asyncio.Lock()
        """Callbacks of one call leave one after the other."""

    @property
    def is_agent(self) -> bool:
        return self.to.startswith(AGENT_SCHEMES)

    @property
    def direction(self) -> str:
        return "inbound" if self.inbound else "outbound-api"

    @property
    def is_ringing_in(self) -> bool:
        """It came in and was not picked up yet."""
        return self.inbound and self.status is CallStatus.RINGING

    @property
    def is_answered(self) -> bool:
        return self.status is CallStatus.IN_PROGRESS

    @property
    def listed_status(self) -> CallStatus:
        """The API has no `initiated`; only callbacks do."""
        return CallStatus.QUEUED if self.status is CallStatus.INITIATED else self.status

    @property
    def duration_s(self) -> int:
        if self.answered_at is None or self.ended_at is None:
            return 0
        return max(1, round((self.ended_at - self.answered_at).total_seconds()))

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def next_callback(self) -> int:
        self.callbacks += 1
        return self.callbacks

    def be_patient(self, timer: TimerHandle | None) -> None:
        """Replace the timer after which the far end hangs up."""
        if self.patience is not None:
            self.patience.cancel()
        self.patience = timer

    def stop(self) -> None:
        """Nothing more happens by itself."""
        self.be_patient(None)
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        if self.follower is not None:
            self.follower.cancel()
            self.follower = None

    def resource(self, account_sid: str) -> dict[str, object]:
        """The JSON of the REST API."""
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "to": self.to,
            "from": self.from_,
            "status": self.listed_status.value,
            "direction": self.direction,
            "api_version": API_VERSION,
            "date_created": format_datetime(self.created_at),
            "start_time": _formatted(self.answered_at),
            "end_time": _formatted(self.ended_at),
            "duration": str(self.duration_s) if self.ended_at is not None else None,
            "uri": f"/{API_VERSION}/Accounts/{account_sid}/Calls/{self.sid}.json",
        }

    def fields(self, account_sid: str) -> dict[str, str]:
        """What every webhook about the call carries."""
        return {
            "AccountSid": account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": self.status.value,
            "Called": self.to,
            "Caller": self.from_,
            "Direction": self.direction,
            "From": self.from_,
            "To": self.to,
        }

    def status_fields(self, account_sid: str, at: datetime) -> dict[str, str]:
        """A status callback; takes the next sequence number."""
        fields = {
            **self.fields(account_sid),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self.next_sequence()),
            "Timestamp": format_datetime(at),
        }
        if self.status.is_final:
            fields["CallDuration"] = str(self.duration_s)
            fields["Duration"] = str(-(-self.duration_s // 60))
            if self.sip_code is not None:
                fields["SipResponseCode"] = str(self.sip_code)
        return fields


def _one(form: Mapping[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]


def _formatted(at: datetime | None) -> str | None:
    return None if at is None else format_datetime(at)
