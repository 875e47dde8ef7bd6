"""Questions that a person writes by hand: what may be left out, and what then stands for it.

Ids join the parts of a question and mean nothing else, so each has a default; so has whatever a
part's place tells. Nothing that a rule weighs is invented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Json = dict[str, object]

ME: Final = "person"
"""Id of the person where the question gives none."""
LISTS: Final[Mapping[str, tuple[str, str]]] = {
    "contact_points": ("contact_point_id", "point"),
    "debts": ("debt_id", "debt"),
    "consents": ("consent_id", "consent"),
    "preferences": ("preference_id", "preference"),
    "suppressions": ("suppression_id", "suppression"),
}
"""Parts of the subject -> their id, and the word that a missing one is made of (`debt-1`)."""
OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "ContactRequest": ("decision_id", "person_id", "contact_point_id"),
    "PersonFacts": ("person_id",),
    "ContactPointFacts": ("contact_point_id", "kind"),
    "DebtFacts": ("debt_id", "account_id"),
    "ConsentFact": ("consent_id",),
    "PreferenceFact": ("preference_id", "at"),
    "SuppressionFact": ("suppression_id", "starts_at"),
    "StatusFact": ("since",),
    "NumberCheckFact": ("contact_point_id",),
    "HistoryEvent": ("event_id",),
    "Collector": ("collector_id",),
}
"""Fields that the messages need and a question may leave out."""


def completed(question: object) -> object:
    """The question with every default filled in; whatever is of another shape stays as it is,
    for the decoder to complain about."""
    if not isinstance(question, dict):
        return question
    asked: Json = dict(question)
    facts = _part(asked, "facts")
    subject = None if facts is None else _part(facts, "subject")
    person = None if subject is None else _part(subject, "person")
    if facts is None or subject is None or person is None:
        return asked
    person.setdefault("person_id", ME)
    _each(person, "statuses", lambda status, _: {"since": asked.get("now"), **status})
    _complete_subject(subject, asked.get("now"))
    _each(facts, "history", _numbered("event_id", "event"))
    collector = _part(facts, "collector")
    if collector is not None:
        collector.setdefault("collector_id", "collector")
    request = _part(asked, "request")
    if request is not None:
        request.setdefault("decision_id", "question")
        request.setdefault("person_id", person["person_id"])
        request.setdefault("contact_point_id", _first(subject))
        request.setdefault("debt_ids", _ids(subject, "debts", "debt_id"))
    return asked


def _complete_subject(subject: Json, now: object) -> None:
    for name, (key, word) in LISTS.items():
        _each(subject, name, _numbered(key, word))
    _each(subject, "contact_points", lambda point, _: _with_kind(point))
    _each(subject, "debts", lambda debt, n: {"account_id": f"account-{n}", **debt})
    _each(subject, "preferences", lambda wish, _: {"at": now, **wish})
    _each(subject, "suppressions", lambda stop, _: {"starts_at": now, **stop})
    point_id = _first(subject)
    _each(subject, "number_checks", lambda check, _: {"contact_point_id": point_id, **check})


def _first(subject: Json) -> object:
    """The contact point that is meant where none is named."""
    return next(iter(_ids(subject, "contact_points", "contact_point_id")), "point-1")


def _part(whole: Json, key: str) -> Json | None:
    """A copy of an object inside, put back in its place; None where there is no object."""
    found = whole.get(key)
    if not isinstance(found, dict):
        return None
    part: Json = dict(found)
    whole[key] = part
    return part


def _each(whole: object, key: str, fill: Callable[[Json, int], Json]) -> None:
    """Fill in every object of a list, counted from 1."""
    if not isinstance(whole, dict) or not isinstance(whole.get(key), list):
        return
    whole[key] = [
        fill(item, number) if isinstance(item, dict) else item
        for number, item in enumerate(whole[key], 1)
    ]


def _numbered(key: str, word: str) -> Callable[[Json, int], Json]:
    return lambda item, number: {key: f"{word}-{number}", **item}


def _with_kind(point: Json) -> Json:
    address = point.get("address")
    if "kind" in point or not isinstance(address, str):
        return point
    kind = "phone" if address.startswith("+") else "email" if "@" in address else "postal"
    return {"kind": kind, **point}


def _ids(whole: Json, key: str, name: str) -> list[object]:
    items = whole.get(key)
    found = [_id(item, name) for item in items] if isinstance(items, list) else []
    return [item for item in found if item is not None]


def _id(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, dict) else None
