"""What the interpreter hears and what it orders, and the state between two of these."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from campaigns.content.render import Money
from campaigns.dispositions import DispositionCode
from campaigns.flows.model import Condition, Factor, LinkPurpose, LinkTemplates, Matter
from compliance.messages import Message
from compliance.types import ContentClass

# --- events --------------------------------------------------------------------------------------


class Event(Message, frozen=True, kw_only=True, tag_field="type"):
    """Something that happened in the call."""


class Answered(Event, frozen=True, kw_only=True, tag="answered"):
    """The call begins: somebody, or a machine, answered."""

    machine: bool = False


class Digits(Event, frozen=True, kw_only=True, tag="digits"):
    """Keys, as many as were asked for, or fewer and `#`."""

    digits: str


class Silence(Event, frozen=True, kw_only=True, tag="silence"):
    """No key within the time."""


class IdentityResult(StrEnum):
    PASSED = "passed"
    """And recorded in the ledger: the shell answers only then."""
    FAILED = "failed"
    UNAVAILABLE = "unavailable"
    """Too little on file to verify this person."""


class IdentityChecked(Event, frozen=True, kw_only=True, tag="identity_checked"):
    result: IdentityResult


class Known(Event, frozen=True, kw_only=True, tag="known"):
    """The answer to `Ask`; None: not known."""

    value: str | None


class Terms(Event, frozen=True, kw_only=True, tag="terms"):
    """What may be promised, from the promise policy and this person's debt."""

    full_cents: int
    minimum_cents: int
    currency: str
    unit_cents: int
    """Minor units in one unit of the currency: 100, or 1."""
    first_date: date
    last_date: date


class NoTerms(Event, frozen=True, kw_only=True, tag="no_terms"):
    """Nothing can be promised now."""


class PromiseRecorded(Event, frozen=True, kw_only=True, tag="promise_recorded"):
    ok: bool


class AgentTook(Event, frozen=True, kw_only=True, tag="agent_took"):
    """An agent has the call: the flow is over."""


class NoAgent(Event, frozen=True, kw_only=True, tag="no_agent"):
    pass


class LinkSent(Event, frozen=True, kw_only=True, tag="link_sent"):
    ok: bool


class PersonHungUp(Event, frozen=True, kw_only=True, tag="person_hung_up"):
    pass


AnyEvent = (
    Answered
    | Digits
    | Silence
    | IdentityChecked
    | Known
    | Terms
    | NoTerms
    | PromiseRecorded
    | AgentTook
    | NoAgent
    | LinkSent
    | PersonHungUp
)

# --- commands ------------------------------------------------------------------------------------


class Command(Message, frozen=True, kw_only=True, tag_field="type"):
    """What an adapter or the shell is to do, in the order given."""


class Speak(Command, frozen=True, kw_only=True, tag="speak"):
    """Say a text, through `speaking.spoken`. What is not in `values` is the person's record's."""

    text: str
    language: str
    content_class: ContentClass = ContentClass.NEUTRAL
    """Who may hear it."""
    values: dict[str, Money | date | str] = {}
    question: bool = False
    """Asks for the keys that are collected next: one of them may interrupt it."""


class Collect(Command, frozen=True, kw_only=True, tag="collect"):
    """Wait for keys; the answer is `Digits` or `Silence`. A key stops what is being said."""

    most: int
    secret: bool = False
    """The keys are personal data: they are not logged."""


class CheckIdentity(Command, frozen=True, kw_only=True, tag="check_identity"):
    """Compare, record the result, then answer with `IdentityChecked`."""

    answers: dict[Factor, str]

    def __repr__(self) -> str:
        return f"CheckIdentity({', '.join(sorted(self.answers))})"


class Ask(Command, frozen=True, kw_only=True, tag="ask"):
    condition: Condition


class AskTerms(Command, frozen=True, kw_only=True, tag="ask_terms"):
    pass


class RecordPromise(Command, frozen=True, kw_only=True, tag="record_promise"):
    amount_cents: int
    currency: str
    due_date: date
    method: str


class TransferTo(Command, frozen=True, kw_only=True, tag="transfer_to"):
    team: str
    waiting: Speak | None = None
    """To be said now and then while nobody comes."""


class SendLink(Command, frozen=True, kw_only=True, tag="send_link"):
    """To an address on file, through the gate; the answer is `LinkSent`."""

    purpose: LinkPurpose
    templates: LinkTemplates | None = None
    language: str = "es"


class KeepLanguage(Command, frozen=True, kw_only=True, tag="keep_language"):
    """A verified person has chosen the language: it is theirs from now on."""

    language: str


class RequestCallback(Command, frozen=True, kw_only=True, tag="request_callback"):
    pass


class Note(Command, frozen=True, kw_only=True, tag="note"):
    matter: Matter


class StopCalls(Command, frozen=True, kw_only=True, tag="stop_calls"):
    """The person opted out: recorded before anything else is said."""


class HangUpNow(Command, frozen=True, kw_only=True, tag="hang_up"):
    code: DispositionCode


AnyCommand = (
    Speak
    | Collect
    | CheckIdentity
    | Ask
    | AskTerms
    | RecordPromise
    | TransferTo
    | SendLink
    | KeepLanguage
    | RequestCallback
    | Note
    | StopCalls
    | HangUpNow
)

# --- state ---------------------------------------------------------------------------------------


class Waiting(StrEnum):
    """What the next event must be about."""

    ANSWER = "answer"
    """Of the call itself: it has not begun."""
    MENU = "menu"
    LANGUAGE = "language"
    FACTOR = "factor"
    IDENTITY = "identity"
    CONDITION = "condition"
    TERMS = "terms"
    OPTION = "option"
    AMOUNT = "amount"
    DATE = "date"
    METHOD = "method"
    CONFIRMATION = "confirmation"
    RECORDING = "recording"
    AGENT = "agent"
    LINK = "link"
    NOTHING = "nothing"
    """The flow is over."""


class Fault(StrEnum):
    """The flow did what a proved flow cannot do; the call was ended before anything was said."""

    DISCLOSURE = "disclosure"
    ENDLESS = "endless"
    NOBODY = "nobody"
    """What concerns one person, on a call of somebody unknown."""


class Draft(Message, frozen=True, kw_only=True):
    """A promise that is being taken."""

    terms: Terms
    amount_cents: int | None = None
    due_date: date | None = None
    method: str = ""


class FlowState(Message, frozen=True, kw_only=True):
    """Where a call stands. Holds keys that the person pressed until the identity is checked."""

    node: str
    language: str
    waiting: Waiting = Waiting.ANSWER
    known: bool = True
    """It is known whose account the call is about."""
    chose: bool = False
    """The person chose the language by key."""
    askable: tuple[Factor, ...] | None = None
    """Factors that are on file for the person; None: all are taken to be."""
    verified: bool = False
    identity_tries: int = 0
    """Failed tries of verification in this call."""
    identity_tries_here: int = 0
    """Of them, at this node."""
    errors: int = 0
    """Bad answers to the question that is open."""
    answers: dict[Factor, str] = {}
    taken: dict[str, int] = {}
    """How often each repeat node was taken."""
    draft: Draft | None = None
    code: DispositionCode | None = None
    """How it ended, once it has."""
    fault: Fault | None = None

    @property
    def is_over(self) -> bool:
        return self.waiting is Waiting.NOTHING

    def __repr__(self) -> str:
        return f"FlowState({self.node!r}, {self.waiting}, verified={self.verified})"
