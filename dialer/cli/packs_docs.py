"""The page on rule packs, from the schema itself and the example pack in the documentation.

`python -m dialer.cli.packs_docs` prints `docs/packs.md`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from typing import Final

import msgspec
from msgspec import inspect as shapes

from compliance import schema
from compliance.messages import Citation
from compliance.rules import KINDS
from compliance.types import RuleKind
from dialer.console.openapi import meanings

EXAMPLES: Final = Path(__file__).parents[2] / "docs/examples/pack.toml"
_ENVELOPE: Final = (
    schema.PackDoc,
    schema.AppliesWhen,
    schema.AnyOf,
    schema.CalendarDoc,
    schema.Review,
    schema.RuleDoc,
    schema.When,
    schema.ConsentMatch,
    Citation,
    schema.Explain,
    schema.RuleTest,
)

COMMON: Final = {
    "RuleTest.name": "What it shows.",
    "Window.unit": "What is counted off.",
    "any_of": "Places and laws, one of which must hold.",
    "applies_when": "Whom it binds.",
    "at": "At which contacts.",
    "attestation": "Attestations that pass; empty: any, or none.",
    "autodialed": "Only numbers that a sequential or random generator chose, or only others.",
    "basis": "What the rule rests on: the verdict keeps them apart.",
    "by": "Who.",
    "calendars": "Holidays that its rules use.",
    "caller_id_visible": "The calling number may not be withheld.",
    "channels": "Channels that it is about; empty: any.",
    "citation": "Where it is written.",
    "clear_days": "Whole local dates that must lie between.",
    "close": "Time of day at which it ends, excluded; 00:00: the end of the day.",
    "code": "The finding's code, where it matters.",
    "collector_role": "Roles of the collector; empty: any.",
    "condition": "Always, or only where it was forbidden.",
    "confidence": "How well the text is known.",
    "consent": "The consent that is needed.",
    "content": "Classes of content that they may get; empty: any.",
    "content_classes": "What the contact may say; empty: any.",
    "contract_law": "Law of a debt's contract.",
    "count": "Which contacts count, and for whom.",
    "counted_from": "Which day is the first of the silence.",
    "country": "ISO 3166-1.",
    "dates": "Local dates without contact.",
    "days": "Days.",
    "debt_class": "Classes of debt; empty: any. A debt of unknown class is bound.",
    "debt_statuses": "States of the named debts.",
    "denominator": "What the abandoned calls are a share of.",
    "direction": "Only `outbound`: what the person sends is never stopped.",
    "effective_from": "First day in force; none: always was.",
    "en": "English.",
    "es": "Spanish.",
    "events": "The events that count.",
    "exceptions": "Answers to the person to which it does not apply.",
    "expect": "What the rule must say.",
    "explain": "What the rule says to people.",
    "first": "First local date.",
    "fixed_zone": 'IANA zone, with `zones = "fixed"`.',
    "forbid_classes": "Classes that may not be used.",
    "forbidden_prefixes": "The caller id may not begin with one of these.",
    "given_to": "Given to whom: `creditor`, `collector` (this one), or a name; empty: any.",
    "group": "Where it stands among the reasons; not given: as its kind.",
    "hours": "Hours.",
    "id": "Unique in the pack; the verdict calls it `PACK/ID`.",
    "if_labels": "Binds at points of these labels.",
    "if_unknown": "What it means when the request or the facts do not tell.",
    "if_validity": "Binds at points of these validities.",
    "instrument": "The law, regulation or policy.",
    "key": "For whom contacts are counted apart.",
    "kind": "Its kind: one of those below.",
    "labels": "Labels of the contact point; one that is not known counts as bound.",
    "last": "Last local date.",
    "length": "How long the silence lasts.",
    "lifted_by": "Consents that lift it.",
    "limited": "Roles that may be contacted within limits.",
    "lines": "Types of line; one that is not known counts as bound.",
    "locator": "Article, section, comment.",
    "max": "Most contacts in the window.",
    "max_age_days": "How many days it is good for.",
    "max_rate": "The limit as a share: 0.03 is three percent. Above it calls stop.",
    "max_short_share": "Share of short calls at which calls stop.",
    "milliseconds": "Longest wait.",
    "modes": "Who or what starts the contact; empty: any.",
    "months": "Months.",
    "multi_debt": "For which of several named debts a contact counts.",
    "n": "How many units.",
    "name": "What the name shown must be; not given: not asked.",
    "next_review_by": "Until when it must be read again.",
    "note": "For whoever maintains the pack.",
    "number_region_in": "Region that the called number belongs to.",
    "on": "When.",
    "open": "First time of day.",
    "pack": "Its id, after ISO 3166-2: `us`, `us-ma`, `us-ny-nyc`.",
    "params": "What its kind asks for.",
    "parties": "Whose consent the law asks for.",
    "person_kind": "Natural or legal persons; empty: both.",
    "prerecorded": "Only recorded or artificial voices, or only others; not given: both.",
    "pt": "Portuguese.",
    "purpose": "Purposes; empty: any.",
    "purposes": "What the contact is for; empty: any.",
    "question": "As for `marcador check`, with what the rule looks at.",
    "releasing_event": "What ends it, where time does not.",
    "remove": "Dates of the calendar that are ordinary days after all.",
    "residence_in": "Where the person lives.",
    "retrieved_on": "When the text was read.",
    "reviewed": "Who read the primary texts, and when; needed for `counsel_reviewed`.",
    "roles": "The roles.",
    "rules": "Its rules.",
    "scope": "What the figure or the consent is about.",
    "scopes": "Which opt-outs and suppressions it is about.",
    "seconds": "Least time.",
    "severity": "What a denial does.",
    "start": "From when on.",
    "status": "`counsel_reviewed` only where a person has read the primary text.",
    "statuses": "States of the person.",
    "tests": "Examples that prove it.",
    "text_sha256": "Fingerprint of the text that was read.",
    "title": "For people.",
    "types": "Types of consent that count; empty: any.",
    "unit": "Days or hours.",
    "url": "Where it can be read.",
    "verified_through": "Last date for which it was checked; later dates are closed.",
    "version": "`YEAR.MONTH.N`.",
    "week_start": "Day on which a calendar week begins.",
    "weekly": "Hours by weekday; a day that is not named is closed.",
    "when": "Kinds of contact that it binds.",
    "window": "Over how long.",
    "years": "Years.",
    "zones": "In which zones the clock must be right.",
}
"""What fields of the same name mean in every table that has no words of its own for them."""

_HEAD: Final = """\
# Rule packs

Written by `python -m dialer.cli.packs_docs` from `compliance/schema.py`,
`compliance/schema_conduct.py` and [`examples/pack.toml`](examples/pack.toml); a test compares them.

A pack is one TOML file: the law of one place, a regulator's guidance, a contract or the policy of
the house, as data. The engine has no jurisdiction of its own: it has kinds of rules.

## How to write one

1. Copy [`examples/pack.toml`](examples/pack.toml): it has one rule of every kind.
2. Say whom it binds in `[applies_when]`. **What is not known binds**: a person without residence
   meets every pack.
3. Write the rules. Each has a citation, a basis (`law`, `presumption`, `safe_harbour`, `policy`),
   how well the text is known, and words in Spanish and English. `{counter}`, `{limit}`,
   `{window_start}` and the keys of the finding's detail are filled in.
4. Give the rules examples of their own: `[[rules.tests]]`.
5. `marcador packs validate FILE` loads it as the engine would, and asks its tests.
   `marcador packs diff OLD NEW` tells what a new version changes.
6. Put the file into a folder of your own and name that folder in the configuration. A pack whose
   status is `draft` is refused in production.

## How rules work together

- All rules that bind a contact are asked. One that denies is enough; numbers are never merged.
- `first_allowed` is the first instant at which all of them pass.
- A consent lifts only rules that name it (`lifted_by`), an answer to the person only those with
  `exceptions`, and neither reaches into another rule. So a pack can tighten what the others say
  and never loosen it; in a house policy `lifted_by` is refused at load.
- Rules about the conduct of a contact (what it says, shows, records) look at what the request
  declares: `statements`, `caller_id`, `recorded` and so on. Undeclared is taken as wrong unless
  `if_unknown` says `warn` or `ignore`.
- Where one rule demands a statement, a class of content or a language that another rule in force
  forbids, no contact can be right. The denial becomes **hold for review** and names the other rule.
- `effective_from` and `effective_to` are legal midnights in the pack's zone; a contact of last year
  is judged by the law of last year. Between `effective_from` and `compliance_from` a rule only
  warns.
- `severity`: `block` denies, `hold` and `review` deny until a person has looked, `warn` only tells.
- `retention` never stops a contact: `compliance.retention.schedule` gives the periods to whoever
  keeps or erases records, the longest of all that bind.

"""


def reference() -> str:
    """`docs/packs.md`. Raises `KeyError` for a field whose meaning is nowhere written."""
    lines = [_HEAD, "## The file", ""]
    shared: dict[type, None] = {}
    for kind in _ENVELOPE:
        lines += _table(kind, shared)
    lines += ["## Kinds of rules", ""]
    examples = _examples(EXAMPLES.read_text(encoding="utf-8"))
    for rule_kind in RuleKind:
        evaluator = KINDS[rule_kind]
        lines += [f"### `{rule_kind}`", "", _sentence(evaluator.__doc__), ""]
        if evaluator.params_type.__doc__:
            lines += [_sentence(evaluator.params_type.__doc__), ""]
        lines += [
            *_rows(evaluator.params_type, shared),
            "",
            "```toml",
            examples[rule_kind],
            "```",
            "",
        ]
    lines += ["## Parts that several kinds share", ""]
    done: set[type] = set(_ENVELOPE)
    enums: dict[type, None] = {}
    while waiting := [s for s in shared if s not in done]:
        for found in waiting:
            done.add(found)
            if isinstance(found, EnumMeta):
                enums[found] = None
            else:
                lines += _table(found, shared)
    lines += ["## Closed sets", "", "| set | values |", "|---|---|"]
    for enum in sorted(enums, key=lambda e: e.__name__):
        values = ", ".join(f"`{value.value}`" for value in _members(enum))
        lines.append(f'| <a id="{enum.__name__.lower()}"></a>{enum.__name__} | {values} |')
    return "\n".join(lines) + "\n"


def _members(enum: type) -> Iterator[msgspec.UnsetType]:
    yield from enum  # type: ignore[misc]  # an EnumMeta is iterable


def _table(kind: type, shared: dict[type, None]) -> list[str]:
    words = [_sentence(kind.__doc__), ""] if kind.__doc__ else []
    return [f"### {kind.__name__}", "", *words, *_rows(kind, shared), ""]


def _rows(kind: type[msgspec.Struct], shared: dict[type, None]) -> list[str]:
    told = meanings(kind)
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        meaning = (
            told.get(field.name)
            or COMMON.get(f"{kind.__name__}.{field.name}")
            or COMMON.get(field.name)
        )
        if meaning is None:
            raise KeyError(f"{kind.__name__}.{field.name}")
        default = "**required**" if field.required else _default(field)
        shown = _type(shapes.type_info(field.type), shared)
        cells = (f"`{field.name}`", shown, default, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is msgspec.NODEFAULT or value is None or value in ((), "", {}):
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "-" if isinstance(value, msgspec.Struct) else f"`{value}`"


def _type(shape: shapes.Type, shared: dict[type, None]) -> str:
    """A type as people say it; structs and closed sets lead to their own tables."""
    match shape:
        case shapes.UnionType():
            inner = [t for t in shape.types if not isinstance(t, shapes.NoneType)]
            return " or ".join(_type(t, shared) for t in inner)
        case shapes.VarTupleType():
            return f"list of {_type(shape.item_type, shared)}"
        case shapes.DictType():
            return f"{_type(shape.key_type, shared)} to {_type(shape.value_type, shared)}"
        case shapes.EnumType() | shapes.StructType():
            shared.setdefault(shape.cls)
            return f"[{shape.cls.__name__}](#{shape.cls.__name__.lower()})"
        case shapes.IntType() | shapes.FloatType():
            return _number(shape)
        case shapes.LiteralType():
            return " or ".join(f"`{value}`" for value in shape.values)
        case shapes.BoolType():
            return "true or false"
        case shapes.DateType():
            return "date"
        case shapes.TimeType():
            return "time"
    return "text"


def _number(shape: shapes.IntType | shapes.FloatType) -> str:
    pairs = ((">=", shape.ge), (">", shape.gt), ("<=", shape.le))
    bounds = [f"{sign} {bound:g}" for sign, bound in pairs if bound is not None]
    kind = "integer" if isinstance(shape, shapes.IntType) else "number"
    return " ".join((kind, " and ".join(bounds))).strip()


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _examples(text: str) -> dict[RuleKind, str]:
    """The example of each kind, as it stands in the file, without its tests."""
    found: dict[RuleKind, str] = {}
    for block in re.split(r"(?m)^(?=\[\[rules\]\]$)", text)[1:]:
        shown = re.split(r"(?m)^\[\[rules\.tests\]\]$", block)[0].strip()
        found[RuleKind(tomllib.loads(shown)["rules"][0]["kind"])] = shown
    return found


if __name__ == "__main__":
    sys.stdout.write(reference())
