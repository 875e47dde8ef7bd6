"""What the pacer is told and what it answers: frozen, tagged, the same in JSON.

Times are seconds on one monotonic axis of the caller's choosing (`at_s`, `*_since_s`); events and
snapshots of one pacer share that axis. Where a pacer is saved and restored by another process,
take seconds since the epoch, which go on meanwhile. Nothing here carries personal data: a call
and an agent are opaque ids.
"""

from __future__ import annotations

from enum import StrEnum

from compliance.messages import Message

# --- events ----------------------------------------------------------------------------------


class DialPlaced(Message, frozen=True, kw_only=True, tag="dial_placed"):
    """The carrier has taken one call; it counts as ringing from here on."""

    at_s: float
    call_id: str
    segment: str = ""
    """Group of contacts that share an answer rate (a list, a stage); empty where none is kept."""
    has_agent: bool = False
    """An agent is held for it from the start (a callback, a preview). It takes nobody's turn, says
    nothing of how others answer, and snapshots do not show it."""


class NoAnswer(Message, frozen=True, kw_only=True, tag="no_answer"):
    """Ringing ended at the ring timeout, or was cancelled, without a pickup."""

    at_s: float
    call_id: str


class Failed(Message, frozen=True, kw_only=True, tag="failed"):
    """Ringing ended early: busy, invalid number, congestion, carrier block."""

    at_s: float
    call_id: str
    cause: str = ""


class Pickup(Message, frozen=True, kw_only=True, tag="pickup"):
    """Somebody or something picked up and answering-machine detection begins.

    Without detection the event may be left out: `LiveAnswer` straight from ringing is the same.
    """

    at_s: float
    call_id: str


class MachineDetected(Message, frozen=True, kw_only=True, tag="machine_detected"):
    """The pickup was a machine (or fax, or a tone); no agent is needed."""

    at_s: float
    call_id: str


class LiveAnswer(Message, frozen=True, kw_only=True, tag="live_answer"):
    """A person is on the line and needs an agent within the connect limit."""

    at_s: float
    call_id: str


class Connected(Message, frozen=True, kw_only=True, tag="connected"):
    """A live call was bridged to an agent."""

    at_s: float
    call_id: str
    agent_id: str


class Abandoned(Message, frozen=True, kw_only=True, tag="abandoned"):
    """A live call got no agent in time (or a person was taken for a machine)."""

    at_s: float
    call_id: str


class FoundMachine(Message, frozen=True, kw_only=True, tag="found_machine"):
    """An agent heard that what had counted as a live answer was a machine.

    It was no person, so it earns nothing for the abandonment budget. May come long after the call
    was connected.
    """

    at_s: float
    call_id: str


class TalkEnded(Message, frozen=True, kw_only=True, tag="talk_ended"):
    """The conversation is over; the agent's wrap-up begins."""

    at_s: float
    agent_id: str
    talk_s: float


class WrapUpEnded(Message, frozen=True, kw_only=True, tag="wrap_up_ended"):
    """Wrap-up is over; the agent is idle again if `stays`, otherwise off (break, end of shift)."""

    at_s: float
    agent_id: str
    wrap_up_s: float
    stays: bool = True


class AgentOn(Message, frozen=True, kw_only=True, tag="agent_on"):
    """An agent became available for calls."""

    at_s: float
    agent_id: str


class AgentOff(Message, frozen=True, kw_only=True, tag="agent_off"):
    """An agent stopped being available other than at the end of wrap-up."""

    at_s: float
    agent_id: str


PacingEvent = (
    DialPlaced
    | NoAnswer
    | Failed
    | Pickup
    | MachineDetected
    | LiveAnswer
    | Connected
    | Abandoned
    | FoundMachine
    | TalkEnded
    | WrapUpEnded
    | AgentOn
    | AgentOff
)

# --- snapshot --------------------------------------------------------------------------------


class Snapshot(Message, frozen=True, kw_only=True):
    """The state of one campaign at the moment of a decision. It is authoritative.

    Events teach the pacer rates and durations; what is going on *now* is read from here only, so
    a lost event cannot leave a call ringing, or an agent talking, for ever.
    """

    at_s: float
    staffed: int
    """Agents logged in for this campaign and not on a break: idle + talking + wrapping up."""
    idle_since_s: tuple[float, ...] = ()
    talking_since_s: tuple[float, ...] = ()
    wrapping_since_s: tuple[float, ...] = ()
    ringing_since_s: dict[str, tuple[float, ...]] = {}
    """When each ringing call was placed, by segment."""
    in_amd_since_s: tuple[float, ...] = ()
    """When each call in answering-machine detection was picked up."""
    waiting_since_s: tuple[float, ...] = ()
    """When each live call that has no agent yet was answered."""
    in_flow: int = 0
    """Calls that a flow serves."""
    pending: int = 0
    """Calls asked for by earlier decisions and not yet placed; they count as just dialed."""
    settled: bool = False
    """Every call asked for before has been placed and told of, is in `pending`, or was refused.

    Where this is not known, calls asked for within the last moments and not heard of count as
    just dialed, so that slow news does not dial twice for one agent."""
    upcoming: dict[str, float] = {}
    """Shares of the segments among the next contacts; empty: one segment, named ``""``."""
    caps: dict[str, int] = {}
    """Most new calls each limit outside the pacer allows now: `lines`, `trunk`, `supply` ..."""
    dialed: int = 0
    answered: int = 0
    """Live answers of the campaign so far; with `abandoned`, only shown, never paced by."""
    abandoned: int = 0


# --- decision --------------------------------------------------------------------------------


class Law(StrEnum):
    """The control law that a decision follows."""

    PREVIEW = "preview"
    PROGRESSIVE = "progressive"
    FIXED_RATIO = "fixed_ratio"
    PREDICTIVE = "predictive"
    LINES = "lines"
    """A flow takes the calls: so many at once."""


class Clamp(StrEnum):
    """What kept a decision from being what the law alone would have asked for."""

    NONE = "none"
    PROGRESSIVE_FLOOR = "progressive_floor"
    """The law asked for less than one call an idle agent; one call cannot be abandoned."""
    BUDGET = "budget"
    """An abandonment window is used up: no more than one call an idle agent."""
    COLD_START = "cold_start"
    """The first calls have not rung out yet: the answer rate is taken to be high."""
    RAMP = "ramp"
    """Lines grow slowly after the answer rate has jumped."""
    JUMP_RESERVE = "jump_reserve"
    """With more calls placed in the last seconds, a jump of the answer rate that nobody can know
    of yet would break the half hour's limit."""
    MAX_LINES = "max_lines"
    """The configured lines per agent are in use."""
    CAP = "cap"
    """A limit outside the pacer; `Decision.cap_name` says which."""
    BAD_SNAPSHOT = "bad_snapshot"
    """The snapshot's time is not a number or runs backwards."""


class FaultKind(StrEnum):
    """Bad input that was survived, as counted in `Decision.faults`."""

    BAD_NUMBER = "bad_number"
    TIME_BACKWARDS = "time_backwards"
    TIME_AHEAD = "time_ahead"
    UNKNOWN_CALL = "unknown_call"
    UNKNOWN_AGENT = "unknown_agent"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out_of_order"
    MISSING_END = "missing_end"
    STATE_CONFLICT = "state_conflict"


class Estimates(Message, frozen=True, kw_only=True):
    """What the pacer believed when it decided. Rates are shares of 1, never percent."""

    idle: int = 0
    ringing: int = 0
    waiting: int = 0
    staffed: int = 0
    pickup_rate: float = 0.0
    """Pickups per dial of the upcoming mix of segments."""
    live_share: float = 1.0
    """Persons among pickups; 1 where no machine detection is on."""
    pickup_rate_by_segment: dict[str, float] = {}
    stays: float = 1.0
    """Agents that stay on after a wrap-up."""
    talk_mean_s: float = 0.0
    wrap_up_mean_s: float = 0.0
    answers_10s: float = 0.0
    """Live answers expected within 10 s from calls already ringing or in detection."""
    freed_10s: float = 0.0
    """Agents expected to become free within 12 s (10 s and the connect limit)."""
    next_call_risk: float = 0.0
    """Probability that one call more, if answered, finds no agent; where that is above the
    tolerance, only a lower bound of it."""
    tolerance: float = 0.0
    """Highest such risk that the abandonment budget allows now (gamma)."""
    abandonment_30min: float = 0.0
    abandonment_24h: float = 0.0
    abandonment_30d: float = 0.0


class Decision(Message, frozen=True, kw_only=True):
    """How many calls to place now, and everything that explains it."""

    at_s: float
    calls_to_place: int
    law: Law
    clamp: Clamp = Clamp.NONE
    cap_name: str = ""
    reason: str = ""
    asked: int = 0
    """What the law alone asked for, before floors, guards and caps."""
    estimates: Estimates = Estimates()
    give_up: bool = False
    """No agent is left for those who pick up now: calls that have rung for
    `PacingConfig.give_up_after_s` had better be hung up, which are then told of as `NoAnswer`.
    Counted from ringing, not from the dial. Who ignores it only abandons more."""
    faults: dict[str, int] = {}
    """Bad input survived since the pacer was made, by `FaultKind`."""


# --- configuration ---------------------------------------------------------------------------


class PacingConfig(Message, frozen=True, kw_only=True):
    """What a manager may set. Everything else is measured."""

    law: Law = Law.PREDICTIVE
    target_abandonment: float = 0.01
    """Share of live answers that may be abandoned, in the long run."""
    hard_limit: float = 0.03
    """Share that no rolling window may exceed (47 CFR 64.1200(a)(7): 3 % over 30 days)."""
    lines_per_idle_agent: float = 1.0
    """Fixed ratio only."""
    max_lines_per_agent: float = 12.0
    """Ringing calls per staffed agent, at most; a safety limit, not a pacing setting."""
    lines: int = 20
    """Lines only: calls in progress at the same time."""
    for_agents: bool = False
    """Lines only: the flow may pass people on to agents."""
    ring_timeout_s: float = 25.0
    give_up_after_s: float | None = None
    """Calls may be given up, where no agent is left, once they have rung for so long; never
    before 15 s (47 CFR 64.1200(a)(6), 16 CFR 310.4(b)(4)(iii)). None: they ring out."""
    connect_limit_s: float = 2.0
    """An agent that frees this soon after the answer still saves the call."""
    amd: bool = False
    """Answering-machine detection is on."""
    expected_talk_s: float = 120.0
    expected_wrap_up_s: float = 20.0
    """First guesses; a handful of conversations outweighs them."""
