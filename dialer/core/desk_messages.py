"""What an agent's client and the server say to each other over the WebSocket.

Server messages carry a sequence number per session; after a reconnect the client sends the last
one it saw and gets what it missed, or a whole snapshot. Debt data appears only in
`IdentityResult.debts` and in a snapshot of a call whose identity check is recorded as passed.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import msgspec

from compliance.messages import WeeklyInterval
from compliance.types import Channel
from dialer.core.agent import AgentState, PauseReason
from dialer.core.call import CallState, PartyKind


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


class Hold(ClientMessage, frozen=True, kw_only=True, tag="hold"):
    """The person waits with music; answered with `call_changed`."""

    call_id: str


class BackToCall(ClientMessage, frozen=True, kw_only=True, tag="back_to_call"):
    """Back to the person: ends a hold, a consultation, or the ringing of another party."""

    call_id: str


class TargetKind(StrEnum):
    AGENT = "agent"
    """One colleague, by `name` (the id, or the shown name)."""
    TEAM = "team"
    """Whoever has been ready for longest: of the team called `name`; without a name, of the
    call's campaign."""
    DESTINATION = "destination"
    """Somebody outside, by `name` in the configuration; a number cannot be given."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a call goes to, or who is asked for help."""

    kind: TargetKind
    name: str = ""


class Transfer(ClientMessage, frozen=True, kw_only=True, tag="transfer"):
    """Leave the person with somebody else, as soon as they are there."""

    call_id: str
    to: Target
    note: str = ""
    """For the colleague who takes over; kept with the person's notes."""


class Consult(ClientMessage, frozen=True, kw_only=True, tag="consult"):
    """Speak with somebody else while the person holds."""

    call_id: str
    to: Target
    note: str = ""


class CompleteTransfer(ClientMessage, frozen=True, kw_only=True, tag="complete_transfer"):
    """Leave the person with the party who was consulted, or who takes part."""

    call_id: str


class JoinParty(ClientMessage, frozen=True, kw_only=True, tag="join_party"):
    """Bring the party who was consulted into the conversation: three speak."""

    call_id: str


class DropParty(ClientMessage, frozen=True, kw_only=True, tag="drop_party"):
    """Send the third party away and stay with the person."""

    call_id: str


class LeaveConsult(ClientMessage, frozen=True, kw_only=True, tag="leave_consult"):
    """A consulted agent leaves the colleague and the colleague's call."""

    call_id: str


class IdentifyCaller(ClientMessage, frozen=True, kw_only=True, tag="identify_caller"):
    """The caller of an inbound call whom nobody knows has named an account. Answered with
    `caller_identified`; the identity check follows as on every call."""

    call_id: str
    reference: str


class DialPreview(ClientMessage, frozen=True, kw_only=True, tag="dial_preview"):
    """Call whoever is offered. Decided anew at this moment: `preview_over` when it may not be."""

    offer_id: str


class SkipReason(StrEnum):
    """Why an agent leaves an account to somebody else."""

    KNOWS_PERSON = "knows_person"
    """A relative, a friend, somebody from work."""
    LANGUAGE = "language"
    BAD_MOMENT = "bad_moment"
    """The account's history says that another hour is better."""
    NEEDS_OTHER = "needs_other"
    """A case for a supervisor, or for another team."""
    OTHER = "other"


class SkipPreview(ClientMessage, frozen=True, kw_only=True, tag="skip_preview"):
    """Leave the account that is offered to somebody else, later. It is kept who did, and why."""

    offer_id: str
    reason: SkipReason = SkipReason.OTHER


class PauseRecording(ClientMessage, frozen=True, kw_only=True, tag="pause_recording"):
    """Leave out what follows (a card number); answered with `recording_changed`."""

    call_id: str


class ResumeRecording(ClientMessage, frozen=True, kw_only=True, tag="resume_recording"):
    call_id: str


class RecordingAnswer(ClientMessage, frozen=True, kw_only=True, tag="recording_answer"):
    """Whether the person agrees to be recorded, as they said in the conversation. A refusal ends
    the recording that runs."""

    call_id: str
    agrees: bool


class SensitiveEntry(ClientMessage, frozen=True, kw_only=True, tag="sensitive_entry"):
    """The client has opened, or closed, a form for identity or payment data: the recording leaves
    out what is said meanwhile, where the campaign has it so."""

    call_id: str
    open: bool


class SendDigits(ClientMessage, frozen=True, kw_only=True, tag="send_digits"):
    """Press keys towards the person's side (a switchboard, a voice menu)."""

    call_id: str
    digits: str


class ListTargets(ClientMessage, frozen=True, kw_only=True, tag="list_targets"):
    """Who can be consulted or given a call; answered with `targets`."""


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


ConversationMessage = (
    Hold
    | BackToCall
    | Transfer
    | Consult
    | CompleteTransfer
    | JoinParty
    | DropParty
    | LeaveConsult
    | SendDigits
    | ListTargets
)
"""What an agent may want of the conversation in hand."""

PreviewMessage = DialPreview | SkipPreview

RecordingMessage = PauseRecording | ResumeRecording | RecordingAnswer | SensitiveEntry

AnyClientMessage = (
    Resume
    | Heartbeat
    | SetReady
    | SetPause
    | CheckIdentity
    | HangUp
    | ConversationMessage
    | IdentifyCaller
    | PreviewMessage
    | RecordingMessage
    | Dispose
    | Logout
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


class RecordingState(StrEnum):
    OFF = "off"
    ANNOUNCING = "announcing"
    """The person hears that the conversation is recorded; it is not yet."""
    RECORDING = "recording"
    PAUSED = "paused"


class PartyView(msgspec.Struct, frozen=True, kw_only=True):
    """The other party of a conversation."""

    kind: PartyKind
    name: str
    ready: bool
    """False: still ringing."""


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
    state: CallState = CallState.BRIDGED
    """`bridged`, `held`, `consulting`, `conference`, `moving`."""
    held_at: datetime | None = None
    """Since when the person hears music."""
    party: PartyView | None = None
    """Whom this agent consults, has brought in, or gives the call to."""
    inbound: bool = False
    """The person called us."""
    recording: RecordingState = RecordingState.OFF
    from_agent: str | None = None
    """The colleague whose call it is, or was."""
    note: str = ""
    """What that colleague wrote for whoever takes over."""
    factors: tuple[str, ...] = ()
    """Identity factors on file that may be asked."""
    tries_left: int = 2
    verified: bool = False
    debts: tuple[DebtView, ...] = ()
    codes: tuple[CodeView, ...] = ()


class PreviewView(msgspec.Struct, frozen=True, kw_only=True):
    """An account before the call, as neutral as a call's screen: nobody has been verified."""

    offer_id: str
    campaign: str
    person_name: str
    number_masked: str
    language: str | None
    country: str | None
    person_local_time: str | None
    attempts: int
    """Which attempt on the account in this campaign it would be; 1 is the first."""
    callback: bool
    """The person asked to be called now."""
    ends_at: datetime
    may_skip: bool


class PreviewEnd(StrEnum):
    """Why an offer is over without a call."""

    SKIPPED = "skipped"
    NOT_NOW = "not_now"
    """By now the account may not be called: a limit, a stop, or somebody else was faster."""
    EXPIRED = "expired"
    """Nobody chose in time; the agent is paused."""
    WITHDRAWN = "withdrawn"
    """The campaign does not dial now."""


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
    preview: PreviewView | None = None
    server_time: datetime
    presence_s: int


class AgentChanged(ServerMessage, frozen=True, kw_only=True, tag="agent_changed"):
    state: AgentState
    since: datetime
    pause_reason: PauseReason | None = None
    pause_wanted: PauseReason | None = None


class PreviewOffered(ServerMessage, frozen=True, kw_only=True, tag="preview_offered"):
    """Look at it, then `dial_preview` or `skip_preview`."""

    preview: PreviewView


class PreviewOver(ServerMessage, frozen=True, kw_only=True, tag="preview_over"):
    offer_id: str
    why: PreviewEnd


class CallConnected(ServerMessage, frozen=True, kw_only=True, tag="call_connected"):
    call: CallView


class IdentityResult(ServerMessage, frozen=True, kw_only=True, tag="identity_result"):
    call_id: str
    passed: bool
    tries_left: int
    person_name: str = ""
    """Once it has passed; before, an inbound call by reference shows no name."""
    debts: tuple[DebtView, ...] = ()
    codes: tuple[CodeView, ...] = ()


class CallOver(ServerMessage, frozen=True, kw_only=True, tag="call_over"):
    """The person is gone; wrap-up runs."""

    call_id: str
    ended_at: datetime
    wrap_up_limit_s: int


class CallChanged(ServerMessage, frozen=True, kw_only=True, tag="call_changed"):
    """The conversation is in another state, or has another party."""

    call_id: str
    state: CallState
    held_at: datetime | None = None
    party: PartyView | None = None


class RecordingChanged(ServerMessage, frozen=True, kw_only=True, tag="recording_changed"):
    call_id: str
    state: RecordingState
    reason: str = ""
    """Why it is off, where it should be on: `consent_needed`, `no_announcement`, `refused`,
    `not_offered`, `failed`."""


class CallerIdentified(ServerMessage, frozen=True, kw_only=True, tag="caller_identified"):
    """The account that the caller named is known; nothing is said of it before the check."""

    call: CallView


class Consulted(ServerMessage, frozen=True, kw_only=True, tag="consulted"):
    """A colleague speaks with you about a call; debts only if its identity check has passed."""

    call: CallView


class ConsultOver(ServerMessage, frozen=True, kw_only=True, tag="consult_over"):
    """You take no part in the colleague's call any more."""

    call_id: str


class HandedOn(ServerMessage, frozen=True, kw_only=True, tag="handed_on"):
    """The call has gone to somebody else. To a colleague: nothing is left to do. To somebody
    outside: the wrap-up runs, and the disposition is yours."""

    call_id: str
    to: PartyView
    wrap_up_limit_s: int | None = None


class ColleagueView(msgspec.Struct, frozen=True, kw_only=True):
    agent_id: str
    name: str
    free: bool
    team: str = ""


class Targets(ServerMessage, frozen=True, kw_only=True, tag="targets"):
    """Who can be consulted or given a call."""

    agents: tuple[ColleagueView, ...]
    destinations: tuple[str, ...]


class SupervisionMode(StrEnum):
    LISTEN = "listen"
    WHISPER = "whisper"
    """The agent hears the supervisor, the person does not."""
    BARGE = "barge"
    """Agent and person hear the supervisor."""


class Supervised(ServerMessage, frozen=True, kw_only=True, tag="supervised"):
    """A supervisor takes part; said only where `supervision.tell_agents` is set."""

    call_id: str
    mode: SupervisionMode | None
    """None: not any more."""


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
    Snapshot
    | AgentChanged
    | PreviewOffered
    | PreviewOver
    | CallConnected
    | CallChanged
    | RecordingChanged
    | CallerIdentified
    | Consulted
    | ConsultOver
    | HandedOn
    | Targets
    | Supervised
    | IdentityResult
    | CallOver
    | Disposed
    | Refused
)
