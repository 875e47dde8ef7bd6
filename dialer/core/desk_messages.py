"""What an agent's client and the server say to each other over the WebSocket.

Server messages carry a sequence number per session; after a reconnect the client sends the last
one it saw and gets what it missed, or a whole snapshot. Debt data appears only in
`IdentityResult.debts` and in a snapshot of a call whose identity check is recorded as passed.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from compliance.messages import WeeklyInterval
from compliance.types import Channel
from dialer.core.agent import AgentState, PauseReason


class ClientMessage(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True
):
    """Base of what an agent's client may say."""

    ref: str | None = None
    """The client's own mark; a refusal repeats it."""


class Resume(ClientMessage, frozen=True, kw_only=True, tag="resume"):
    """First message of a connection: the last `seq` seen, or 0."""

    seq: int = 0


class Heartbeat(ClientMessage, frozen=True, kw_only=True, tag="heartbeat"):
    """Renews the presence lease."""


class SetReady(ClientMessage, frozen=True, kw_only=True, tag="ready"):
    pass


class SetPause(ClientMessage, frozen=True, kw_only=True, tag="pause"):
    reason: PauseReason = PauseReason.BREAK


class CheckIdentity(ClientMessage, frozen=True, kw_only=True, tag="check_identity"):
    """What the person answered, by factor. The true values are never sent to the client."""

    call_id: str
    answers: dict[str, str]


class HangUp(ClientMessage, frozen=True, kw_only=True, tag="hang_up"):
    call_id: str


class PromiseInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount_cents: int
    due_date: date
    method: str = ""


class CallbackInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: datetime
    own_agent: bool = False


class PreferenceInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the person asked for about when and how; times are the person's local ones."""

    channel: Channel | None = None
    """Channel that the windows are about; None: every channel."""
    refused: bool = False
    """Never by this channel."""
    allowed: tuple[WeeklyInterval, ...] = ()
    forbidden: tuple[WeeklyInterval, ...] = ()


class Dispose(ClientMessage, frozen=True, kw_only=True, tag="dispose"):
    """Ends the wrap-up: what the conversation was."""

    call_id: str
    code: str
    note: str = ""
    promise: PromiseInput | None = None
    callback: CallbackInput | None = None
    preference: PreferenceInput | None = None
    new_language: str | None = None
    """Language the person needs, for a language barrier."""
    written: bool = False
    """The person put it in writing (a refusal in writing is a cease)."""


class Logout(ClientMessage, frozen=True, kw_only=True, tag="logout"):
    pass


AnyClientMessage = (
    Resume | Heartbeat | SetReady | SetPause | CheckIdentity | HangUp | Dispose | Logout
)


# --- server to client ---------------------------------------------------------------------------


class DebtView(msgspec.Struct, frozen=True, kw_only=True):
    """A debt as a verified person may hear it."""

    debt_id: str
    reference: str
    original_creditor: str | None
    total_cents: int
    overdue_cents: int | None
    currency: str
    due_date: str | None
    balance_as_of: datetime


class CodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A disposition that the agent may choose now, and what it needs."""

    code: str
    name_es: str
    name_en: str
    needs: tuple[str, ...] = ()


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """A call on the agent's screen. Neutral until `verified`."""

    call_id: str
    campaign: str
    person_name: str
    number_masked: str
    language: str | None
    country: str | None
    person_local_time: str | None
    connected_at: datetime
    ended_at: datetime | None = None
    factors: tuple[str, ...] = ()
    """Identity factors on file that may be asked."""
    tries_left: int = 2
    verified: bool = False
    debts: tuple[DebtView, ...] = ()
    codes: tuple[CodeView, ...] = ()


class ServerMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what the server says; `seq` grows by one with each message of a session."""

    seq: int = 0


class Snapshot(ServerMessage, frozen=True, kw_only=True, tag="snapshot"):
    """Everything the client needs to draw itself anew."""

    agent_id: str
    name: str
    state: AgentState
    since: datetime
    campaign: str | None
    pause_reason: PauseReason | None = None
    pause_wanted: PauseReason | None = None
    call: CallView | None = None
    server_time: datetime
    presence_s: int


class AgentChanged(ServerMessage, frozen=True, kw_only=True, tag="agent_changed"):
    state: AgentState
    since: datetime
    pause_reason: PauseReason | None = None
    pause_wanted: PauseReason | None = None


class CallConnected(ServerMessage, frozen=True, kw_only=True, tag="call_connected"):
    call: CallView


class IdentityResult(ServerMessage, frozen=True, kw_only=True, tag="identity_result"):
    call_id: str
    passed: bool
    tries_left: int
    debts: tuple[DebtView, ...] = ()
    codes: tuple[CodeView, ...] = ()


class CallOver(ServerMessage, frozen=True, kw_only=True, tag="call_over"):
    """The person is gone; wrap-up runs."""

    call_id: str
    ended_at: datetime
    wrap_up_limit_s: int


class Disposed(ServerMessage, frozen=True, kw_only=True, tag="disposed"):
    call_id: str
    code: str
    by: str
    """`agent`, or `limit` when the wrap-up took too long."""


class Refused(ServerMessage, frozen=True, kw_only=True, tag="refused"):
    """The server did not do what was asked, and why."""

    ref: str | None
    code: str
    message_es: str
    message_en: str


AnyServerMessage = (
    Snapshot | AgentChanged | CallConnected | IdentityResult | CallOver | Disposed | Refused
)
