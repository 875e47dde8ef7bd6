"""What a campaign says by machine: its flows with the house's own words, and what they declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypedDict

from campaigns.campaign import CampaignSettings
from campaigns.content.render import MergeValues, RenderContext
from campaigns.content.sending import Skipped
from campaigns.content.template import field_uses
from campaigns.flows.messages import Speak
from campaigns.flows.model import (
    OPT_OUT_KEY,
    Flow,
    Gather,
    Language,
    Link,
    OptOut,
    Texts,
    Transfer,
    edges,
    texts,
)
from campaigns.flows.program import Program, compile_flow
from campaigns.flows.speaking import spoken
from compliance.messages import Message
from compliance.types import ContentClass, Mode

HOUSE_FIELDS: Final = frozenset({"company", "return_number", "agent_name", "hours"})
"""Merge fields that are the same for everybody whom a campaign calls."""
LANGUAGES: Final = ("es", "en")
ENGLISH_SPEAKING: Final = frozenset({"US", "GB", "CA"})
_STATEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "company": ("business_name", "identity"),
    "return_number": ("callback_number",),
}
"""Statements that a text makes with a field (the ids that rule packs ask for)."""
_AT_THE_BEGINNING: Final = frozenset({"business_name", "identity"})


class Script(NamedTuple):
    """One approved flow, as a campaign uses it."""

    program: Program
    label: str
    """NAME/VERSION."""
    sha256: str
    house: Mapping[str, MergeValues]
    """Values of `HOUSE_FIELDS` by language."""
    statements: tuple[str, ...]
    """What is stated before the first answer is waited for, and what the flow says it states."""
    settings: CampaignSettings
    third_party: bool
    """The collector is not the creditor."""
    country: str = ""
    """Of the portfolio."""

    @property
    def links(self) -> dict[str, Link]:
        """Nodes that send a text, by name."""
        nodes = self.program.flow.nodes.items()
        return {name: node for name, node in nodes if isinstance(node, Link)}

    @property
    def transfers(self) -> bool:
        return any(isinstance(node, Transfer) for node in self.program.flow.nodes.values())

    def statements_with(self, settings: CampaignSettings) -> tuple[str, ...]:
        """What the gate is told of a call: the flow's own statements and the campaign's."""
        return tuple(sorted({*self.statements, *(settings.says or ())}))

    @property
    def content_class(self) -> ContentClass:
        """One that tells of the debt begins neutral and verifies first, as an agent does."""
        return ContentClass.LIVE_AGENT if self.program.disclosing else ContentClass.NEUTRAL


class OnCall(TypedDict):
    """Fields of a `Call` that tell which flows it has."""

    flow: str
    machine_flow: bool
    farewell: str


class Scripts(NamedTuple):
    """What a campaign says by machine."""

    flow: Script | None = None
    """Takes the calls."""
    farewell: Script | None = None
    """Is heard by whoever answered when no agent came in time."""
    inbound: Script | None = None
    """Takes the calls of people who call us."""

    def each(self) -> tuple[Script, ...]:
        return tuple(one for one in self if one is not None)

    def on_call(self, mode: Mode) -> OnCall:
        """What speaks on a call of this mode."""
        if mode is Mode.IVR and self.flow is not None:
            flow = self.flow.program.flow
            leaves = self.flow.settings.leave_message and flow.machine.text is not None
            return {"flow": self.flow.label, "machine_flow": leaves, "farewell": ""}
        label = self.farewell.label if self.farewell is not None else ""
        return {"flow": "", "machine_flow": False, "farewell": label}

    @property
    def abandon_message(self) -> tuple[str, ...] | None:
        """Statements of the recording for abandoned calls; None: Marcador has none to play.

        Rules then decide as for what nobody declares: where the law asks for the message the
        contact stops, where house policy alone does it is remarked.
        """
        return None if self.farewell is None else self.farewell.statements


def make_script(
    flow: Flow,
    sha256: str,
    house: Mapping[str, MergeValues],
    settings: CampaignSettings,
    *,
    third_party: bool,
    country: str = "",
) -> Script:
    return Script(
        program=compile_flow(flow),
        label=f"{flow.name}/{flow.version}",
        sha256=sha256,
        house=house,
        statements=tuple(sorted({*opening_statements(flow), *flow.states})),
        settings=settings,
        third_party=third_party,
        country=country,
    )


def house_values(settings: CampaignSettings, company: str) -> dict[str, MergeValues]:
    """What a campaign's flows tell of the house, by language. Unknown values are left out."""
    told = settings.spoken
    number = told.return_number or next(iter(settings.caller_ids), "")
    common = {
        "company": told.company or company,
        "return_number": number,
        "agent_name": told.agent_name,
    }
    hours = {"es": told.hours_es, "en": told.hours_en}
    return {
        language: {k: v for k, v in (common | {"hours": hours[language]}).items() if v}
        for language in LANGUAGES
    }


def opening_statements(flow: Flow) -> tuple[str, ...]:
    """What a flow states, in both languages, up to its first menu and with it.

    Who calls is stated before the language is asked for, or it is not stated at the beginning
    (47 CFR 64.1200(b)(1)).
    """
    made: set[str] = set()
    key, seen, asked = flow.start, set[str](), False
    while key not in seen:
        seen.add(key)
        node = flow.nodes[key]
        for _, said in texts(node):
            for field in _fields(said.es) & _fields(said.en):
                stated = set(_STATEMENTS.get(field, ()))
                made |= stated - _AT_THE_BEGINNING if asked else stated
        if isinstance(node, Gather):
            target = node.choices.get(OPT_OUT_KEY, "")
            if isinstance(flow.nodes.get(target), OptOut):
                made.add("opt_out")
            break
        ways = edges(node)
        if isinstance(node, Language):
            asked, key = True, node.next
        elif len(ways) == 1:
            key = ways[0].target
        else:
            break
    return tuple(sorted(made))


def everything_said(flow: Flow, *, machine: bool) -> Iterator[Texts]:
    """Every text of a flow."""
    for node in flow.nodes.values():
        for _, said in texts(node):
            yield said
    if machine and flow.machine.text is not None:
        yield flow.machine.text


def missing_house_fields(
    flow: Flow, house: Mapping[str, MergeValues], *, machine: bool
) -> frozenset[str]:
    """Fields of the house that a flow tells and nobody has given."""
    return frozenset(
        field
        for said in everything_said(flow, machine=machine)
        for language in LANGUAGES
        for field in _fields(said.of(language)) & HOUSE_FIELDS
        if field not in house[language]
    )


class Line(Message, frozen=True, kw_only=True):
    """Words that are the same for everybody."""

    text: str
    language: str


def lines_for_everybody(
    script: Script, context: RenderContext, *, machine: bool
) -> list[Line | Skipped]:
    """What can be made ready before anybody is called; `Skipped`: words that must not be said."""
    lines: dict[str, Line | Skipped] = {}
    for said in everything_said(script.program.flow, machine=machine):
        for language in LANGUAGES:
            text = said.of(language)
            if not names_a_person(text):
                speak = Speak(text=text, language=language, content_class=_claim(script, said))
                words = spoken(speak, script.house[language], context)
                done = words if isinstance(words, Skipped) else Line(text=words, language=language)
                lines[f"{language} {text}"] = done
    return list(lines.values())


def lines_for_one(script: Script, language: str, *, verified: bool) -> list[Speak]:
    """What is said to one person only, before or after verification."""
    claimed = ContentClass.VERIFIED if verified else ContentClass.NEUTRAL
    return [
        Speak(text=said.of(language), language=language, content_class=claimed)
        for key, node in script.program.flow.nodes.items()
        if (key in script.program.disclosing) is verified
        for _, said in texts(node)
        if names_a_person(said.of(language))
    ]


def _claim(script: Script, said: Texts) -> ContentClass:
    flow = script.program.flow
    if said is flow.machine.text:
        return ContentClass.VOICEMAIL_LIMITED
    tells = any(
        said is text for key in script.program.disclosing for _, text in texts(flow.nodes[key])
    )
    return ContentClass.VERIFIED if tells else ContentClass.NEUTRAL


def speaks_to_persons(script: Script) -> bool:
    """Whether some text names the person or what is theirs, so that it is made for the call."""
    flow = script.program.flow
    return any(
        names_a_person(said.of(language))
        for said in everything_said(flow, machine=False)
        for language in LANGUAGES
    )


def names_a_person(text: str) -> bool:
    """Whether a text has fields that differ from person to person."""
    return not _fields(text) <= HOUSE_FIELDS


def language_of(settings: CampaignSettings, language: str | None, country: str | None) -> str:
    """The language of a call: the campaign's, else the person's, else that of the country."""
    wanted = settings.language or language or ("en" if country in ENGLISH_SPEAKING else "es")
    return "es" if wanted.lower().startswith("es") else "en"


def _fields(text: str) -> frozenset[str]:
    return frozenset(use.name for use in field_uses(text))
