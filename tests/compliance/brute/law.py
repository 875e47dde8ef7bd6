"""A second reading of the rule packs: slow, naive, and written apart from the engine.

It reads the TOML files themselves and answers one question: which rules would a contact break,
made at this instant? It looks at wall clocks one by one, scans the whole history for every rule
and remembers nothing. It shares no code with `compliance.rules`, `compliance.hours`,
`compliance.applicability`, `compliance.consents` or the gate; what it takes from the engine are
the messages and the tables of zones (which have tests of their own).
"""

from __future__ import annotations

import json
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import compliance
from compliance.messages import (
    ConsentFact,
    ContactRequest,
    DebtFacts,
    Facts,
    HistoryEvent,
    Place,
)
from compliance.zones import calling_countries, country_zones, zones_for_number, zones_for_place

Table = Mapping[str, Any]
HOME = Path(compliance.__file__).parent
POINT_OF = {
    "voice": "phone",
    "ringless_voicemail": "phone",
    "sms": "phone",
    "whatsapp": "whatsapp",
    "email": "email",
    "letter": "postal",
    "visit": "postal",
}
DEAD = ("wrong_number", "disconnected", "reassigned")
NAMES_EACH = (
    "conversation",
    "machine_message",
    "ringless_voicemail",
    "message_sent",
    "message_delivered",
    "message_read",
    "letter_mailed",
)
FAILED = ("not_connected_busy", "not_connected_out_of_service", "not_connected_network")
CONNECTED = [
    "dial_requested",
    "rang_no_answer",
    "machine_no_message",
    "machine_message",
    "mailbox_full",
    "ringless_voicemail",
    "fax",
    "answered_dropped",
    "abandoned",
    "answered_wrong_party",
    "answered_third_party",
    "conversation",
    "message_sent",
    "message_delivered",
    "message_read",
    "letter_mailed",
    "visit_made",
]
BASES = {
    "connected": CONNECTED,
    "attempt": [
        *CONNECTED,
        "not_connected_busy",
        "not_connected_out_of_service",
        "message_bounced",
    ],
    "two_way_contact": ["conversation", "inbound_message"],
}
MET = [
    "conversation",
    "inbound_call",
    "inbound_message",
    "message_sent",
    "message_delivered",
    "message_read",
    "letter_mailed",
    "notice_given",
    "visit_made",
]


def bundled(*only: str) -> list[Table]:
    """The pack files as they are on disk; `marcador` always comes along."""
    found = [tomllib.loads(f.read_text("utf-8")) for f in sorted(HOME.glob("packs/*.toml"))]
    return [pack for pack in found if not only or pack["pack"] in (*only, "marcador")]


@cache
def calendar(country: str) -> Table:
    loaded: Table = json.loads((HOME / f"data/calendars/{country}.json").read_text("utf-8"))
    return loaded


@cache
def clock(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def wall(at: datetime, name: str) -> datetime:
    return at.astimezone(clock(name))


def day(at: datetime, name: str) -> date:
    return wall(at, name).date()


class Case:
    """One contact with its facts, and what can be read off them."""

    def __init__(self, request: ContactRequest, facts: Facts, now: datetime) -> None:
        self.request, self.facts, self.now = request, facts, now
        subject = facts.subject
        self.person = subject.person
        self.point = next(
            (p for p in subject.contact_points if p.contact_point_id == request.contact_point_id),
            None,
        )
        self.debts = [d for d in subject.debts if d.debt_id in request.debt_ids]
        self.history = sorted(facts.history, key=lambda e: e.at)
        self.own = [e for e in self.history if e.person_id in (None, self.person.person_id)]
        self._locate()

    def _locate(self) -> None:
        person, point = self.person, self.point
        place = person.residence
        self.residence: set[str] = set(person.zones)
        if place is not None and not self.residence:
            self.residence = set(zones_for_place(place))
        self.number: set[str] = set()
        self.countries: set[str] | None = None
        self.region: str | None = None
        if point is not None and point.kind in ("phone", "whatsapp"):
            told = zones_for_number(point.address)
            self.number = set(point.zones or told.zones)
            self.region = point.region or told.region
            self.countries = (
                {self.region[:2]} if self.region else set(calling_countries(point.address))
            )
        everywhere = set(self.residence)
        for each in self.facts.subject.contact_points:
            if each.kind not in ("phone", "whatsapp"):
                continue
            theirs = each.role not in ("reference", "third_party", "employer")
            if each is point or (theirs and each.validity not in DEAD):
                everywhere |= set(each.zones or zones_for_number(each.address).zones)
        if person.declared_zone is not None:
            everywhere = self.residence = self.number = {person.declared_zone}
        self.knows_zone = bool(everywhere)
        if not everywhere and self.countries and len(self.countries) == 1:
            everywhere = set(country_zones(next(iter(self.countries))))
            self.knows_zone = bool(everywhere)
        self.everywhere = everywhere or {"Etc/GMT+12", "Etc/GMT-14"}

    def zones(self, params: Table) -> set[str]:
        policy = params.get("zones", "all")
        if policy == "fixed":
            return {params["fixed_zone"]}
        if policy == "all":
            return self.everywhere
        if policy == "residence" or not self.number:
            return self.residence or self.everywhere
        if self.residence and not self.residence & self.number:
            return self.residence | self.number
        return self.number


# --- whom a pack binds --------------------------------------------------------------------------


def lies_in(place: Place | None, code: str) -> bool:
    if place is None:
        return True
    country, state, town = (code[:2], code.split("/", maxsplit=1)[0], code.split("/")[1:])
    if place.country != country:
        return False
    if state == country or place.subdivision is None:
        return True
    given = place.subdivision if "-" in place.subdivision else f"{country}-{place.subdivision}"
    if given != state:
        return False
    return not town or place.locality is None or plain(place.locality) == town[0]


def plain(text: str) -> str:
    split = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in split if not unicodedata.combining(c)).split())


def number_lies_in(case: Case, code: str) -> bool:
    if case.countries is None:
        return False
    state = code.split("/", maxsplit=1)[0]
    if case.countries and state[:2] not in case.countries:
        return False
    if case.region is None or "-" not in case.region:
        return True
    return len(state) == 2 or case.region == state


def binds(pack: Table, case: Case, packs: Iterable[Table]) -> bool:
    when = pack.get("applies_when", {})
    collector, request = case.facts.collector, case.request
    if when.get("uncovered") and case.person.residence is not None:
        covered = {
            code
            for other in packs
            if other["kind"] in ("law", "regulator_guidance")
            and not other.get("applies_when", {}).get("uncovered")
            for code in other.get("applies_when", {}).get("any_of", {}).get("residence_in", [])
            if len(code) == 2
        }
        if case.person.residence.country in covered:
            return False
    if when.get("collector_role") and collector.role not in when["collector_role"]:
        return False
    if when.get("purpose") and request.purpose not in when["purpose"]:
        return False
    if when.get("person_kind") and case.person.kind not in when["person_kind"]:
        return False
    classes = [d.debt_class for d in case.debts]
    fits = any(c == "unknown" or c in when.get("debt_class", []) for c in classes)
    if when.get("debt_class") and classes and not fits:
        return False
    if "any_of" not in when:
        return True
    any_of = when["any_of"]
    laws = [d.contract_law for d in case.debts] or [None]
    return (
        any(lies_in(case.person.residence, code) for code in any_of.get("residence_in", []))
        or any(number_lies_in(case, code) for code in any_of.get("number_region_in", []))
        or collector.supervised_by in any_of.get("creditor_supervised_by", [])
        or any(lies_in(law, code) for code in any_of.get("contract_law", []) for law in laws)
    )


def stops_at(rule: Table, pack: Table, at: datetime) -> bool:
    """Whether a denial of the rule stops, at that time: in force, and more than a warning."""
    first, last = rule.get("effective_from"), rule.get("effective_to")
    obey = rule.get("compliance_from")
    zone = pack.get("zone")
    begins_in, ends_in = zone or "Etc/GMT-14", zone or "Etc/GMT+12"
    if first is not None and day(at, begins_in) < first:
        return False
    if last is not None and day(at, ends_in) > last:
        return False
    if obey is not None and day(at, begins_in) < obey:
        return False
    return bool(rule.get("severity", "block") != "warn")


def is_about(rule: Table, case: Case) -> bool:
    request, point = case.request, case.point
    when = rule.get("when", {})
    line, label = "unknown", "unknown"
    if point is not None:
        told = zones_for_number(point.address).line
        number = point.kind in ("phone", "whatsapp")
        line = point.line if point.line != "unknown" or not number else told
        label = point.label
    return (
        (not rule.get("channels") or request.channel in rule["channels"])
        and (not when.get("modes") or request.mode in when["modes"])
        and (not when.get("purposes") or request.purpose in when["purposes"])
        and (not when.get("content_classes") or request.content_class in when["content_classes"])
        and (not when.get("lines") or line in ("unknown", *when["lines"]))
        and (not when.get("labels") or label in ("unknown", *when["labels"]))
        and when.get("prerecorded", request.prerecorded) is request.prerecorded
        and when.get("autodialed", request.autodialed) is request.autodialed
    )


# --- what a rule lets pass all the same ---------------------------------------------------------


def excused(rule: Table, case: Case, at: datetime) -> bool:
    request = case.request
    for name in rule.get("exceptions", []):
        mode = "reply" if name == "reply_to_inbound" else "callback"
        if request.answers_event_id is None or request.mode != mode:
            continue
        asked = [e for e in case.own if e.event_id == request.answers_event_id]
        again = [
            e
            for e in case.own
            if e.answers_event_id == request.answers_event_id
            and e.mode is not None
            and e.event_id != request.answers_event_id
        ]
        if not asked or again or asked[-1].at > case.now:
            continue
        what = asked[-1]
        if mode == "reply":
            if what.kind in ("inbound_message", "inbound_call") and what.channel == request.channel:
                return True
        elif what.kind in ("callback_requested", "inbound_call") and all(
            (day(at, z) - day(what.at, z)).days < 7 for z in case.everywhere
        ):
            return True
    for match in rule.get("lifted_by", []):
        for given in case.facts.subject.consents:
            if consent_fits(given, match, case) and consent_holds(given, match, case, at):
                return True
    return False


def consent_fits(given: ConsentFact, match: Table, case: Case) -> bool:
    request = case.request
    to_us = "collector" in match.get("given_to", []) and (
        given.given_to == case.facts.collector.collector_id
    )
    return (
        given.scope == match["scope"]
        and (not match.get("types") or given.type in match["types"])
        and (not match.get("given_to") or given.given_to in match["given_to"] or to_us)
        and given.channel in (None, request.channel)
        and given.contact_point_id in (None, request.contact_point_id)
        and (not given.debt_ids or set(request.debt_ids) <= set(given.debt_ids))
    )


def consent_ends_early(given: ConsentFact, match: Table, case: Case) -> datetime | None:
    renewed = max(given.given_at, given.renewed_at or given.given_at)
    about = set(given.debt_ids) or set(case.request.debt_ids)
    for e in case.own:
        same = not e.debt_ids or not about or about & set(e.debt_ids)
        if same and e.at > renewed and e.kind in match.get("ends_on", []):
            return e.at
    return None


def consent_holds(
    given: ConsentFact, match: Table, case: Case, at: datetime, *, closed: bool = False
) -> bool:
    """Whether a consent lasts at an instant; `closed` takes its very end in."""
    if at < given.given_at:
        return False
    days = match.get("within_days")
    renewed = max(given.given_at, given.renewed_at or given.given_at)
    if days is not None:
        for z in case.everywhere:
            gone = (day(at, z) - day(renewed, z)).days
            midnight = wall(at, z).time() == time(0)
            if gone > days or (gone == days and not (closed and midnight)):
                return False
    ends = [given.revoked_at, given.expires_at, consent_ends_early(given, match, case)]
    return all(at < end or (closed and at == end) for end in ends if end is not None)


# --- the checks that hold everywhere ------------------------------------------------------------


def structure(case: Case) -> set[str]:
    request, point = case.request, case.point
    broken = set()
    if request.person_id != case.person.person_id:
        broken.add("subject")
    if point is None or point.kind != POINT_OF[request.channel] or not point.address:
        broken.add("point_usable")
    if point is not None and point.validity in DEAD:
        broken.add("point_alive")
    roles = [d.role for d in case.debts] + ([point.role] if point is not None else [])
    stranger = any(role in ("reference", "third_party") for role in roles)
    if stranger and request.purpose != "location_information":
        broken.add("no_reference")
    known = {d.debt_id for d in case.facts.subject.debts}
    if not set(request.debt_ids) <= known:
        broken.add("debts_named")
    if not request.debt_ids and request.purpose == "collection":
        broken.add("debts_named")
    if not case.knows_zone:
        broken.add("zone_known")
    return {f"marcador/{name}" for name in broken}


# --- counting -----------------------------------------------------------------------------------


def counts_for(count: Table, case: Case) -> list[list[HistoryEvent]]:
    """The counted events, oldest first, once for each value of the key."""
    key = count.get("key", "person")
    kinds = set(count.get("events") or BASES[count["basis"]]) - set(count.get("exclude", []))
    shared = key in ("number", "account", "household")
    events = [e for e in (case.history if shared else case.own) if counted(e, count, kinds, case)]
    subject = case.facts.subject
    if key == "person":
        return [events]
    if key == "number":
        return [[e for e in events if at_number(e, case)]]
    if key == "household":
        home = case.person.household_id
        return [
            [
                e
                for e in events
                if e.person_id in (None, case.person.person_id)
                or home is None
                or e.household_id in (None, home)
            ]
        ]
    if key == "campaign":
        own = case.request.campaign_id
        return [[e for e in events if own is None or e.campaign_id in (None, own)]]
    if key == "collector":
        us = case.facts.collector.collector_id
        return [[e for e in events if e.collector_id in (None, us)]]
    debts = case.debts or list(subject.debts)
    if key == "account":
        return [
            [e for e in events if of_account(e, account, subject.debts)]
            for account in {d.account_id for d in debts}
        ]
    if key == "creditor":
        return [
            [e for e in events if of_creditor(e, creditor, subject.debts)]
            for creditor in {d.creditor_id for d in debts}
        ]
    named = list(case.request.debt_ids) or [d.debt_id for d in subject.debts]
    multi = count.get("multi_debt", "all_named")
    if multi == "all" or not named:
        return [events]
    return [[e for e in events if for_debt(e, d, multi, subject.debts)] for d in named]


def counted(e: HistoryEvent, count: Table, kinds: set[str], case: Case) -> bool:
    if e.kind not in kinds or e.misdirected:
        return False
    if not count.get("include_inbound"):
        if e.kind in ("inbound_call", "inbound_message"):
            return False
        if e.mode is None and e.answers_event_id is not None:
            theirs = [h for h in case.history if h.event_id == e.answers_event_id]
            if any(h.kind in ("inbound_call", "inbound_message") for h in theirs):
                return False
    if e.kind in FAILED and any(h.retry_of == e.event_id for h in case.history):
        return False
    if count.get("channels") and e.channel is not None and e.channel not in count["channels"]:
        return False
    if count.get("modes") and e.mode is not None and e.mode not in count["modes"]:
        return False
    if count.get("labels") and e.label is not None and e.label not in count["labels"]:
        return False
    if "prerecorded" in count and e.prerecorded is not count["prerecorded"]:
        return False
    if e.role is not None and e.role in count.get("exclude_roles", []):
        return False
    if count.get("exclude_replies") and e.mode == "reply":
        return False
    if count.get("own_only") and e.collector_id not in (None, case.facts.collector.collector_id):
        return False
    match = count.get("exclude_consented")
    return match is None or not any(
        consent_fits(given, match, case) and consent_holds(given, match, case, e.at, closed=True)
        for given in case.facts.subject.consents
    )


def at_number(e: HistoryEvent, case: Case) -> bool:
    point = case.point
    if point is None or e.contact_point_id == point.contact_point_id:
        return True
    if e.address is not None:
        return e.address == point.address
    others = [
        p for p in case.facts.subject.contact_points if p.contact_point_id == e.contact_point_id
    ]
    return others[0].address == point.address if others else True


def of_account(e: HistoryEvent, account: str, debts: Iterable[DebtFacts]) -> bool:
    if e.account_ids:
        return account in e.account_ids
    return not e.debt_ids or any(d.account_id == account and d.debt_id in e.debt_ids for d in debts)


def of_creditor(e: HistoryEvent, creditor: str | None, debts: Iterable[DebtFacts]) -> bool:
    if e.creditor_id is not None:
        return str(e.creditor_id) == str(creditor)
    return not e.debt_ids or any(
        d.creditor_id == creditor and d.debt_id in e.debt_ids for d in debts
    )


def for_debt(e: HistoryEvent, owed: str, multi: str, debts: Iterable[DebtFacts]) -> bool:
    if not e.debt_ids:
        return True
    number = {d.debt_id: d.account_number_key or d.debt_id for d in debts}
    about = list(e.debt_ids)
    if multi == "any_one" and e.kind not in NAMES_EACH:
        about = about[:1]
    wanted = number.get(owed, owed)  # type: ignore[call-overload]  # ids are texts
    return any(number.get(each, each) == wanted for each in about)


def in_window(e: HistoryEvent, window: Table, case: Case, at: datetime) -> bool:
    unit, n = window["unit"], window.get("n", 1)
    if unit == "rolling_hours":
        return e.at > at - timedelta(hours=n)
    started = case.facts.campaign_started_at
    if unit == "campaign_30d" and started is not None:
        period = timedelta(days=30)
        here = (at - started) // period
        return bool(here - (e.at - started) // period < n)
    for z in case.zones(window):
        today, then = day(at, z), day(e.at, z)
        if unit == "rolling_days":
            extra = 0 if window.get("first_day_inclusive", True) else 1
            if (today - then).days < n + extra:
                return True
        elif unit == "campaign_30d":
            if (today - then).days < 30 * n:
                return True
        elif unit == "calendar_day":
            if (today - then).days < n:
                return True
        elif unit == "calendar_month":
            if today.year * 12 + today.month - then.year * 12 - then.month < n:
                return True
        else:
            start = window.get("week_start", "strictest")
            for sunday in {"mon": [False], "sun": [True]}.get(start, [False, True]):
                if (week(today, sunday) - week(then, sunday)).days < 7 * n:
                    return True
    return False


def week(of: date, sunday: bool) -> date:
    while of.strftime("%w") != ("0" if sunday else "1"):
        of -= timedelta(days=1)
    return of
