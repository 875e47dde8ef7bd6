"""A campaign: what it is allowed to be set to, and the states it goes through. Pure.

A campaign works the accounts enrolled in it; the engine reads its settings when it starts and at
every change. Nothing here widens what the rule packs allow: settings can only ask for less.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from campaigns.content.kinds import WRITTEN
from campaigns.model import Bucket
from campaigns.office import OfficeHours
from campaigns.portfolio.model import Stage
from compliance.messages import Message
from compliance.types import Attestation, Channel, Mode, Purpose

MODES: Final = frozenset({Mode.PREDICTIVE, Mode.PROGRESSIVE, Mode.PREVIEW, Mode.IVR, Mode.BLAST})
"""Modes that a campaign can have. Callbacks, and calls that need their agent beforehand, are made
inside any of them."""

MIN_RING_TIMEOUT_S: Final = 15
"""16 CFR 310.4(b)(4)(iii): let it ring for 15 seconds or four rings at the least."""
MAX_RING_TIMEOUT_S: Final = 90
MAX_ABANDONMENT: Final = 0.03
"""16 CFR 310.4(b)(4)(i): three percent of calls answered by a person."""
MAX_GAP_S: Final = 30 * 86_400
MAX_CONNECT_MS: Final = 2_000
"""16 CFR 310.4(b)(4)(ii): an agent within two seconds of the greeting's end."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")

Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class CampaignSettingsError(Exception):
    """Settings that cannot be used: names the key, what is wrong and how to mend it."""

    def __init__(self, key: str, problem: str) -> None:
        where = f"campaign setting `{key}`" if key else "campaign settings"
        super().__init__(f"{where}: {problem}")
        self.key = key
        self.problem = problem


class RecordPolicy(StrEnum):
    """Whether Marcador records the campaign's conversations."""

    OFF = "off"
    ALL = "all"
    """Wherever the law allows; where it asks for an announcement, after that."""
    ON_CONSENT = "on_consent"
    """Only whoever has consented, beforehand or in the conversation."""


RECORDING_NOTICE: Final = "recording_notice"
"""Statement of the announcement that a conversation is recorded."""


class RetrySettings(Message, frozen=True, kw_only=True):
    """What a campaign asks for beyond the ladders of the dispositions, which it cannot shorten."""

    min_gap_s: Annotated[int, Meta(ge=0, le=MAX_GAP_S)] = 0
    """Least time between two attempts on one account."""
    max_attempts: Count | None = None
    """Attempts on one account over the campaign's life; None: no limit of its own."""


class AccountFilter(Message, frozen=True, kw_only=True):
    """Which accounts of the portfolio a campaign works. Empty fields let everything pass."""

    stages: tuple[Stage, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    segments: tuple[str, ...] = ()
    """The creditor's own segments, as imported."""
    products: tuple[str, ...] = ()
    dpd_from: int | None = None
    """Least days past due, included."""
    dpd_to: int | None = None
    """Most days past due, included."""

    def __post_init__(self) -> None:
        if self.dpd_from is not None and self.dpd_to is not None and self.dpd_from > self.dpd_to:
            raise ValueError(f"`dpd_from` must not be above dpd_to ({self.dpd_to})")


TemplateName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,79}$")]


class TextSettings(Message, frozen=True, kw_only=True):
    """What all written messages of a campaign have in common."""

    values: dict[str, Annotated[str, Meta(max_length=300)]] = {}
    """Merge values that everybody has in common (`return_number`, `hours` ...)."""
    sender: str | None = None
    """Number, sender id or address it comes from; None: the provider's own."""
    max_balance_age_s: Annotated[int, Meta(ge=60, le=7 * 86_400)] = 86_400
    """A balance older than this is told to nobody."""
    provider_templates: dict[TemplateName, Annotated[str, Meta(min_length=1, max_length=200)]] = {}
    """WhatsApp: the provider's id of each text; its fields are numbered 1, 2 ... in the order in
    which the text first names them."""


class MessageSettings(TextSettings, frozen=True, kw_only=True):
    """What a campaign of written messages sends, and how fast."""

    templates: Annotated[tuple[TemplateName, ...], Meta(min_length=1, max_length=8)]
    """Approved texts of the campaign's channel. Each person gets the one in their language; where
    none is, the first."""
    max_per_hour: Count | None = None
    """Most messages in any hour: what answers can be coped with. None: no cap of its own."""
    per_agent_hour: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    """Most messages in any hour for each agent who is on duty; without agents nothing is sent."""


class PreviewSettings(Message, frozen=True, kw_only=True):
    """How agents look at an account before it is called."""

    limit_s: Annotated[int, Meta(ge=5, le=600)] = 60
    """Who has neither dialed nor skipped by then is taken to be away, and paused."""
    may_skip: bool = True
    """Whether agents may leave an account to somebody else."""
    skip_wait_s: Annotated[int, Meta(ge=60, le=MAX_GAP_S)] = 14_400
    """How long an account that was skipped rests."""


class SpokenSettings(Message, frozen=True, kw_only=True):
    """What flows and messages tell of the house, by the names of their merge fields."""

    company: str | None = None
    """Neutral name; None: the portfolio's."""
    return_number: str | None = None
    """E.164; None: the first of `caller_ids`."""
    agent_name: str = ""
    hours_es: str = ""
    """`{{hours}}` in Spanish."""
    hours_en: str = ""

    def __post_init__(self) -> None:
        if self.return_number is not None and not _E164.fullmatch(self.return_number):
            raise ValueError(
                f"`return_number` must be an E.164 number such as +12025550123, not "
                f"{self.return_number!r}"
            )


class CampaignSettings(Message, frozen=True, kw_only=True):
    """How a campaign dials, or writes. Every default is a cautious one."""

    mode: Mode = Mode.PREDICTIVE
    purpose: Purpose = Purpose.COLLECTION
    accounts: AccountFilter = AccountFilter()
    channel: Channel = Channel.VOICE
    """`voice`, or `sms`, `whatsapp`, `email` with mode `blast`."""
    message: MessageSettings | None = None
    """What a campaign of mode `blast` sends."""
    target_abandonment: Annotated[float, Meta(gt=0, le=MAX_ABANDONMENT)] = 0.01
    """Abandoned calls per call answered by a live person that the pacer aims to stay under."""
    max_lines_per_agent: Annotated[float, Meta(ge=1, le=20)] = 6.0
    """Most calls in progress for each staffed agent (predictive only)."""
    lines_per_idle_agent: Annotated[float, Meta(ge=1, le=10)] = 1.0
    """Calls for each agent who waits (progressive only). Above 1 it is a fixed ratio: so many
    whatever is answered, and one where an abandonment window is at its limit."""
    connect_limit_ms: Annotated[int, Meta(ge=100, le=MAX_CONNECT_MS)] = MAX_CONNECT_MS
    """From the person's greeting to an agent; later than that the call is abandoned."""
    ring_timeout_s: Annotated[int, Meta(ge=MIN_RING_TIMEOUT_S, le=MAX_RING_TIMEOUT_S)] = 25
    give_up_after_s: Annotated[int, Meta(ge=MIN_RING_TIMEOUT_S, le=MAX_RING_TIMEOUT_S)] | None = (
        None
    )
    """Calls that have rung for so long are hung up when no agent is left for whoever picks up
    (predictive only); the attempt counts all the same. None: they ring out."""
    amd: bool = False
    """Detect answering machines. Off: every answer is taken for a person."""
    wrap_up_limit_s: Annotated[int, Meta(ge=5, le=3600)] = 120
    """Longest wrap-up; then the call is disposed of as the carrier saw it."""
    caller_ids: tuple[str, ...] = ()
    """Numbers shown to people, E.164, the same one to each person at every call; empty: the
    trunk's own."""
    sender_name: str | None = None
    """Name shown to people, where the network shows one."""
    attestation: Attestation | None = None
    """SHAKEN attestation that the trunk gives these caller ids; None: not known."""
    statements: tuple[str, ...] | None = None
    """Ids of what the agents' script says (`mini_miranda`, `recording_notice` ...); None: the
    campaign does not declare it, and rules about it see nothing."""
    language: str | None = None
    """Language of the calls (BCP 47); None: each person's own."""
    recorded: bool = False
    """Whether conversations are recorded, by whatever device."""
    recording_can_pause: bool | None = None
    record: RecordPolicy = RecordPolicy.OFF
    """Whether Marcador itself records conversations."""
    recording_prompt: str | None = None
    """The words that announce the recording (`recording_notice`), said before it begins where the
    law asks for it; None: where it does, nothing is recorded."""
    recording_auto_pause: bool = True
    """Leave out of the recording what is said while the agent's client has a form open for
    identity or payment data."""
    daily_cap: Count | None = None
    """Most contacts the campaign starts on one day of `timezone`; None: no cap of its own."""
    timezone: str = "UTC"
    """IANA zone in which the campaign's days are counted."""
    retry: RetrySettings = RetrySettings()
    preview: PreviewSettings | None = None
    """Only in mode `preview`; None: its defaults."""
    flow: str | None = None
    """Approved flow that takes the calls of an `ivr` campaign."""
    lines: Annotated[int, Meta(ge=1, le=2_000)] = 20
    """Most calls in progress of an `ivr` campaign."""
    leave_message: bool = False
    """Whether the flow's message is left on answering machines; needs `amd`. Off: hang up."""
    message_wait_s: Annotated[int, Meta(ge=0, le=40)] = 12
    """How long a machine's own greeting is waited for before the message is left."""
    abandon_flow: str | None = None
    """Approved flow that a person hears when no agent came in time; None: the one that ships
    with Marcador, where the carrier can play it and a number to call back is known."""
    inbound_flow: str | None = None
    """Approved flow that people hear who call us about the campaign's accounts, or at one of its
    `caller_ids`; None: they wait for an agent."""
    office_hours: tuple[OfficeHours, ...] = ()
    """When agents are at work, for the flows that ask; empty: always."""
    links: TextSettings | None = None
    """Values and sender of the texts that flows send during a call; None: they send none."""
    spoken: SpokenSettings = SpokenSettings()
    teams: tuple[str, ...] = ()
    """Teams whose agents may serve the campaign; empty: every agent."""
    priority: Annotated[int, Meta(ge=1, le=9)] = 5
    """Among campaigns that run at once; agents serve the higher first, as many as it can use."""
    weight: Annotated[int, Meta(ge=1, le=100)] = 1
    """Share of the agents among campaigns of the same priority."""
    max_agents: Count | None = None
    """Most agents at once; None: no limit of its own."""

    @property
    def least_ring_s(self) -> int:
        """How long a telephone rings that nobody picks up, at the least."""
        if self.give_up_after_s is None:
            return self.ring_timeout_s
        return min(self.give_up_after_s, self.ring_timeout_s)

    @property
    def is_recorded(self) -> bool:
        """Whether every conversation counts as recorded before it begins."""
        return self.recorded or self.record is RecordPolicy.ALL

    @property
    def can_pause(self) -> bool | None:
        return self.recording_can_pause if self.record is RecordPolicy.OFF else True

    @property
    def says(self) -> tuple[str, ...] | None:
        """The declared statements, with the announcement that Marcador plays by itself."""
        announces = self.record is RecordPolicy.ALL and self.recording_prompt is not None
        if self.statements is None or not announces or RECORDING_NOTICE in self.statements:
            return self.statements
        return (*self.statements, RECORDING_NOTICE)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(
                f"`mode` must be one of {', '.join(sorted(MODES))}, not {self.mode.value}"
            )
        self._check_channel()
        if (self.flow is not None) is not (self.mode is Mode.IVR):
            raise ValueError("`flow` must be given in the mode ivr, and in no other")
        if self.inbound_flow is not None and self.writes:
            raise ValueError("`inbound_flow` must be given to a campaign of calls")
        if self.preview is not None and self.mode is not Mode.PREVIEW:
            raise ValueError("`preview` must come with mode preview")
        if self.lines_per_idle_agent != 1.0 and self.mode is not Mode.PROGRESSIVE:
            raise ValueError("`lines_per_idle_agent` must come with mode progressive")
        if self.leave_message and not (self.amd and self.flow):
            raise ValueError("`leave_message` must come with mode ivr and amd")
        if any(team != team.strip().casefold() or not team for team in self.teams):
            raise ValueError(
                f"`teams` must be names of teams in small letters, not {list(self.teams)!r}"
            )
        for caller_id in self.caller_ids:
            if not _E164.fullmatch(caller_id):
                raise ValueError(
                    f"`caller_ids` must be E.164 numbers such as +12025550123, not {caller_id!r}"
                )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"`timezone` must be an IANA zone such as America/Bogota, not {self.timezone!r}"
            ) from error

    def _check_channel(self) -> None:
        if self.mode is not Mode.BLAST:
            if self.channel is not Channel.VOICE:
                raise ValueError(f"`mode` must be blast for channel {self.channel.value}")
            return
        if self.channel not in WRITTEN:
            raise ValueError(
                f"`channel` must be one of {', '.join(sorted(WRITTEN))}, not {self.channel.value}"
            )
        if self.message is None:
            raise ValueError("`message` must be given for mode blast, with its `templates`")

    @property
    def writes(self) -> bool:
        """Whether it sends messages instead of calling."""
        return self.mode is Mode.BLAST


_NAMED_KEY: Final = re.compile(r"^`(?P<key>[a-z_]+)` must ")
_PATH: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `(?P<key>[^`]*)`")


def load_settings(source: bytes | str | dict[str, object]) -> CampaignSettings:
    """Read settings from JSON text or from a decoded mapping.

    Raises `CampaignSettingsError` with the exact key: of wrong type, out of range, or unknown.
    """
    try:
        if isinstance(source, dict):
            return msgspec.convert(source, CampaignSettings)
        return msgspec.json.decode(source, type=CampaignSettings)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from error
    except msgspec.DecodeError as error:
        raise CampaignSettingsError("", f"not valid JSON: {error}") from error


def changed_settings(settings: CampaignSettings, changes: dict[str, object]) -> CampaignSettings:
    """The settings with changes; in another mode without what only the old one takes.

    Raises `CampaignSettingsError` with the key.
    """
    tree: dict[str, object] = {**msgspec.to_builtins(settings), **changes}
    mode = changes.get("mode", settings.mode)
    for own, key in ((Mode.PROGRESSIVE, "lines_per_idle_agent"), (Mode.PREVIEW, "preview")):
        if mode != own and key not in changes:
            tree.pop(key, None)
    return load_settings(tree)


def dump_settings(settings: CampaignSettings) -> str:
    """Canonical JSON: equal settings give equal text (and so an equal hash)."""
    return msgspec.json.encode(settings, order="sorted").decode()


def _explain(message: str) -> CampaignSettingsError:
    path = ""
    if found := _PATH.search(message):
        path = found["path"]
        message = message[: found.start()]
    if unknown := _UNKNOWN.search(message):
        key = ".".join(part for part in (path, unknown["key"]) if part)
        known = ", ".join(_fields_at(path))
        return CampaignSettingsError(key, f"no such setting; there are: {known}")
    if named := _NAMED_KEY.search(message):
        path = ".".join(part for part in (path, named["key"]) if part)
    return CampaignSettingsError(path, message[:1].lower() + message[1:])


_PARTS: Final[dict[str, type[Message]]] = {
    "retry": RetrySettings,
    "accounts": AccountFilter,
    "message": MessageSettings,
    "links": TextSettings,
    "spoken": SpokenSettings,
}


def _fields_at(path: str) -> tuple[str, ...]:
    return _PARTS.get(path, CampaignSettings).__struct_fields__


# --- states ----------------------------------------------------------------------------------


class CampaignState(StrEnum):
    DRAFT = "draft"
    """Made, perhaps enrolled; nothing is dialed."""
    RUNNING = "running"
    PAUSED = "paused"
    """No new contacts; those in progress go on."""
    DRAINING = "draining"
    """No new contacts ever; waits for the last one to end."""
    COMPLETED = "completed"
    ABORTED = "aborted"
    """Ended at once; calls that nobody has answered are cancelled."""

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATES

    @property
    def may_dial(self) -> bool:
        """Whether new contacts may be started."""
        return self is CampaignState.RUNNING

    @property
    def takes_accounts(self) -> bool:
        """Whether more accounts may be enrolled."""
        return self in (CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED)


FINAL_STATES: Final = frozenset({CampaignState.COMPLETED, CampaignState.ABORTED})


class CampaignAction(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    """No new contacts; completes when those in progress have ended."""
    COMPLETE = "complete"
    """The last contact has ended."""
    ABORT = "abort"


class ImpossibleAction(Exception):
    """The campaign's state does not allow the action; tells which ones it allows."""

    def __init__(self, state: CampaignState, action: CampaignAction) -> None:
        possible = ", ".join(possible_actions(state)) or "none: it has ended"
        super().__init__(
            f"a campaign that is {state.value} cannot {action.value}; it can: {possible}"
        )
        self.state = state
        self.action = action


TRANSITIONS: Final[dict[tuple[CampaignState, CampaignAction], CampaignState]] = {
    (CampaignState.DRAFT, CampaignAction.START): CampaignState.RUNNING,
    (CampaignState.DRAFT, CampaignAction.ABORT): CampaignState.ABORTED,
    (CampaignState.RUNNING, CampaignAction.PAUSE): CampaignState.PAUSED,
    (CampaignState.RUNNING, CampaignAction.STOP): CampaignState.DRAINING,
    (CampaignState.RUNNING, CampaignAction.ABORT): CampaignState.ABORTED,
    (CampaignState.PAUSED, CampaignAction.RESUME): CampaignState.RUNNING,
    (CampaignState.PAUSED, CampaignAction.STOP): CampaignState.DRAINING,
    (CampaignState.PAUSED, CampaignAction.ABORT): CampaignState.ABORTED,
    (CampaignState.DRAINING, CampaignAction.COMPLETE): CampaignState.COMPLETED,
    (CampaignState.DRAINING, CampaignAction.ABORT): CampaignState.ABORTED,
}


def step(state: CampaignState, action: CampaignAction) -> CampaignState:
    """The state after an action. Raises `ImpossibleAction`."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise ImpossibleAction(state, action)
    return after


def possible_actions(state: CampaignState) -> tuple[CampaignAction, ...]:
    return tuple(action for action in CampaignAction if (state, action) in TRANSITIONS)
