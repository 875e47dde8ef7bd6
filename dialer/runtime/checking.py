"""A compliance question asked in JSON: would this contact be allowed, and if not, why and until
when. Nothing is read but the question and the packs, and nothing is recorded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from compliance import gate
from compliance.explain import Explanation, explain
from compliance.messages import ContactRequest, DecisionRecord, Facts, Message
from compliance.packs import PackSet
from dialer.runtime.asking import OPTIONAL, completed
from dialer.runtime.loosening import loosened

BUILT_IN: Final = "marcador"
"""The pack of structural checks: part of every question."""

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200
"""Years about which questions make sense: time zones have rules, dates have neighbours."""

_DEFINED: Final = "#/$defs/"
_AT: Final = re.compile(r"^(?P<problem>.*) - at `(?P<where>[^`]*)`$", re.DOTALL)
_BYTE: Final = re.compile(r"\(byte (?P<at>\d+)\)")


class Question(Message, frozen=True, kw_only=True):
    """What is asked: everything that the gate may depend on."""

    request: ContactRequest
    facts: Facts
    now: datetime
    """When the contact would be made; with its offset from UTC."""
    packs: tuple[str, ...] | None = None
    """Ask only these packs (and the built-in one); None: all that are loaded."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, in codes and in words."""

    allowed: bool
    first_allowed: datetime | None
    """Of a blocked contact: the first instant at which it would be allowed, if any."""
    releasing_event: str | None
    """Of a blocked contact that time does not release: what would have to happen."""
    es: Explanation
    en: Explanation
    record: DecisionRecord


class BadQuestion(Exception):
    """A question that cannot be read: where (JSON path), and what is wrong there."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.where = where
        self.problem = problem


def decode(text: bytes) -> Question:
    """Decode a question, with what it leaves out filled in. Raises what msgspec raises."""
    return msgspec.convert(completed(msgspec.json.decode(text)), Question)


def read_question(text: bytes) -> Question:
    """Decode a question. Raises `BadQuestion`."""
    try:
        question = decode(text)
    except msgspec.ValidationError as error:
        found = _AT.match(str(error))
        if found is None:
            raise BadQuestion("$", str(error)) from error
        raise BadQuestion(found["where"], found["problem"]) from error
    except msgspec.DecodeError as error:
        raise BadQuestion(_place(text, str(error)), f"not valid JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise BadQuestion("", f"not UTF-8: {error}") from error
    return question


def answer(question: Question, packs: PackSet) -> Answer:
    """Put a question to the gate. Raises `BadQuestion` for a pack that is not loaded, and for a
    time that is none."""
    chosen = packs if question.packs is None else _chosen(packs, question.packs)
    record = decided(question, chosen)
    return Answer(
        allowed=record.allowed,
        first_allowed=None if record.allowed else record.first_allowed,
        releasing_event=record.releasing_event,
        es=explain(record, chosen, "es"),
        en=explain(record, chosen, "en"),
        record=record,
    )


def decided(question: Question, packs: PackSet) -> DecisionRecord:
    """What the gate says under these packs. Raises `BadQuestion` for a time that is none."""
    if question.now.tzinfo is None:
        raise BadQuestion("$.now", "give its offset from UTC, as in 2026-11-23T15:04:05-03:00")
    if not FIRST_YEAR <= question.now.year <= LAST_YEAR:
        raise BadQuestion("$.now", f"must lie between the years {FIRST_YEAR} and {LAST_YEAR}")
    return gate.decide(question.request, question.facts, packs, question.now).record


def schemas() -> dict[str, object]:
    """JSON Schema of the question and of the answer.

    What a question may leave out is not required in it; an answer's record has all of it.
    """
    (question, told), components = msgspec.json.schema_components(
        (Question, Answer), ref_template=_DEFINED + "{name}"
    )
    components |= loosened(Question.__name__, components, OPTIONAL, _DEFINED)
    return {"question": question, "answer": told, "$defs": components}


def _chosen(packs: PackSet, names: Sequence[str]) -> PackSet:
    known = {pack.doc.pack: pack for pack in packs.packs}
    for index, name in enumerate(names):
        if name not in known:
            there = ", ".join(sorted(known))
            raise BadQuestion(f"$.packs[{index}]", f"there is no pack {name!r}; there are: {there}")
    wanted = {BUILT_IN, *names}
    return PackSet([pack for name, pack in known.items() if name in wanted])


def _place(text: bytes, message: str) -> str:
    """Line and column of the byte that a message names."""
    found = _BYTE.search(message)
    if found is None:
        return ""
    before = text[: int(found["at"])]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    return f"line {line}, column {column}"
