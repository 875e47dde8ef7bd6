"""The page on the law that the packs hold, from the packs themselves and `docs/coverage.toml`.

`python -m dialer.cli.law_docs` prints `docs/law.md`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from calendar import day_abbr
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from compliance.calendars import calendar_data
from compliance.packs import BUNDLED, Pack, load_packs
from compliance.schema import AppliesWhen, RuleDoc
from compliance.types import PackStatus, Severity

COVERAGE: Final = Path(__file__).parents[2] / "docs/coverage.toml"
DRAFTS: Final = BUNDLED / "drafts"
_PLACEHOLDER: Final = re.compile(r" ?\(?\{[a-z_]+\}\)?")
_LIMITS: Final = ("max", "seconds", "milliseconds", "hours", "length", "clear_days")
"""Parameters that `{limit}` stands for in a rule's words."""
_LONG: Final = frozenset({"events", "phrases", "forbid_phrases", "keywords"})
"""Parameters whose whole value stands in the pack alone."""
MANY: Final = 8
"""More places than this are told by their number."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place, the packs that hold its rules, and what they do not hold."""

    place: str
    packs: tuple[str, ...]
    gaps: tuple[str, ...]


class _Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: tuple[Row, ...]


@cache
def coverage() -> tuple[Row, ...]:
    """Every row of `docs/coverage.toml`."""
    tree = tomllib.loads(COVERAGE.read_text(encoding="utf-8"))
    return msgspec.convert(tree, _Coverage).rows


@cache
def shipped() -> Mapping[str, Pack]:
    """Every bundled pack by its id, drafts among them."""
    return {p.doc.pack: p for p in load_packs([BUNDLED, DRAFTS], production=False).packs}


_HEAD: Final = """# The law in the packs

What each rule pack that ships with Marcador holds, how well its text is known, and what is **not**
covered and why. For compliance officers. Not legal advice: no pack has been reviewed by counsel.
This page is written from the packs; how to write one is in [packs.md](packs.md).

- **Status**: `machine_checked` loads and passes its tests, and nobody who read the primary text has
  signed it; `counsel_reviewed` names who did and until when; a `draft` lies in `packs/drafts`, is
  not loaded by itself and is refused in production.
- **Confidence** of a rule: `read` primary text; `summary` of a law firm, the press or the
  regulator; `high`, `medium`, `low` common knowledge of the field, text not read. Where sources
  disagree the stricter reading ships and the note says so.
- **Basis**: `law`, `presumption` (exceeding it is presumed a violation), `safe_harbour`, and
  `policy` (no law asks for it; kept because nearby law does, or the house wants it).
- Packs bind by the person's residence **or** the region of the called number; what is not known
  binds. Every rule that binds must pass: rules are never merged.
- Agents' words, recordings and caller ids are checked as the campaign declares them. What it does
  not declare, a rule takes as its `if_unknown` says: it stops, warns, or sees nothing.

In Spanish: `marcador packs show PACK --language es`.

"""


def reference() -> str:
    """`docs/law.md`. Raises what a pack, or a coverage file, with a mistake raises."""
    lines = [_HEAD + "## Where, and what is not covered", "", *_rows(), *_calendars()]
    lines += ["", "## The packs", ""]
    for pack in shipped().values():
        lines += _of(pack)
    return "\n".join(lines)


def _rows() -> list[str]:
    lines = ["| place | packs | not covered, and why |", "|---|---|---|"]
    for row in coverage():
        packs = ", ".join(f"[{name}](#{name})" for name in row.packs)
        lines.append(_line(row.place, packs, "<br>".join(row.gaps) or "-"))
    return [*lines, ""]


def _calendars() -> list[str]:
    lines = [
        "## Holiday calendars",
        "",
        "Past the last verified day, rules that need the calendar close. `marcador doctor` warns",
        "60 days before.",
        "",
        "| country | source | verified through | regions with holidays of their own | packs |",
        "|---|---|---|---|---|",
    ]
    users: dict[str, list[str]] = {}
    for name, pack in shipped().items():
        for calendar in pack.doc.calendars:
            users.setdefault(calendar.country, []).append(f"[{name}](#{name})")
    for country, packs in sorted(users.items()):
        data = calendar_data(country)
        regions = str(len(data.subdivisions)) if data.subdivisions else "-"
        through = str(data.verified_through)
        if data.settled_through is not None:
            late = "/".join(day_abbr[day - 1] for day in data.decreed_weekdays)
            through += f"; {late} close after it, all days after {data.settled_through}"
        lines.append(_line(country, data.source, through, regions, ", ".join(packs)))
    return lines


def _of(pack: Pack) -> list[str]:
    doc = pack.doc
    marks = sorted({rule.confidence.value for rule in doc.rules})
    lines = [
        f"### {doc.pack}",
        "",
        f"**{doc.title}**. {doc.kind}, version {doc.version}, status **{doc.status}**, "
        f"confidence {', '.join(marks)}.",
        "",
        f"Binds {_whom(doc.applies_when)}.",
        "",
    ]
    if doc.status is PackStatus.DRAFT:
        lines += ["A draft: not loaded by itself, refused in production.", ""]
    if doc.note:
        lines += [_cell(doc.note), ""]
    lines += [
        "| rule | what it says | figures | channels | basis | confidence | in force | source |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return [*lines, *(_rule(rule) for rule in doc.rules), ""]


def _rule(rule: RuleDoc) -> str:
    figure = next((str(rule.params[key]) for key in _LIMITS if key in rule.params), "")
    said = rule.explain.en.replace("{counter} of ", "at most ").replace("{limit}", figure)
    says = _PLACEHOLDER.sub("", said)
    if rule.note:
        says += f". *{rule.note}*"
    source = f"{rule.citation.instrument}, {rule.citation.locator}"
    if rule.citation.url:
        source = f"[{source}]({rule.citation.url})"
    return _line(
        f"`{rule.id}`<br>{rule.kind}",
        says,
        "<br>".join(_figures(rule)) or "-",
        ", ".join(rule.channels) or "all",
        rule.basis.value if rule.severity is Severity.BLOCK else f"{rule.basis} ({rule.severity})",
        rule.confidence.value,
        _dates(rule),
        source,
    )


def _figures(rule: RuleDoc) -> list[str]:
    """The parameters of a rule in few words; then when it binds and what it makes room for."""
    flat = dict(_flat(rule.params))
    lines = [f"{key}: {value}" for key, value in flat.items() if key not in _LONG]
    if "events" in flat:
        lines.append(f"counts {flat['events'].count(',') + 1} kinds of events")
    when = msgspec.to_builtins(rule.when)
    lines += [f"only {key}: {_plain(value)}" for key, value in when.items()]
    if rule.exceptions:
        lines.append(f"not for {', '.join(rule.exceptions)}")
    for match in rule.lifted_by:
        given = f" to the {', '.join(match.given_to)}" if match.given_to else ""
        lines.append(f"lifted by consent: {match.scope}{given}")
    return lines


def _flat(params: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in params.items():
        if key == "weekly" and isinstance(value, list):
            yield "hours", "; ".join(_hours(span) for span in value)
        elif isinstance(value, dict) and key in ("count", "window"):
            yield from _flat(value)
        else:
            yield key, _plain(value)


def _hours(span: Mapping[str, object]) -> str:
    days, opens, closes = span["days"], span["open"], span["close"]
    words = days if isinstance(days, list) else []
    named = f"{words[0]}-{words[-1]}" if len(words) > 1 else "".join(words)
    return f"{named} {str(opens)[:5]}-{str(closes)[:5]}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return str(value)


def _dates(rule: RuleDoc) -> str:
    if rule.effective_from is None and rule.effective_to is None:
        return "always"
    return f"{rule.effective_from or ''} to {rule.effective_to or ''}".strip().removesuffix(" to")


def _whom(when: AppliesWhen) -> str:
    parts: list[str] = []
    if when.uncovered:
        parts.append("people of countries that no other pack covers, or whose country is not known")
    if when.any_of is not None:
        places = [
            ("residents of", when.any_of.residence_in),
            ("numbers of", when.any_of.number_region_in),
            ("creditors supervised by", when.any_of.creditor_supervised_by),
            ("contracts under the law of", when.any_of.contract_law),
        ]
        parts.append(" or ".join(f"{words} {_list(codes)}" for words, codes in places if codes))
    for words, values in (
        ("collectors that are", when.collector_role),
        ("debts that are", when.debt_class),
        ("contacts for", when.purpose),
        ("persons that are", when.person_kind),
    ):
        if values:
            parts.append(f"{words} {', '.join(values)}")
    return "; ".join(parts) or "everybody"


def _list(codes: tuple[str, ...]) -> str:
    return ", ".join(codes) if len(codes) <= MANY else f"{len(codes)} localities"


def _line(*cells: str) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
