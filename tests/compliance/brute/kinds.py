"""The kinds of rules, read a second time: does a contact break this rule at this instant?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from compliance.messages import Facts, WeeklyInterval
from tests.compliance.brute.law import (
    MET,
    Case,
    Table,
    binds,
    calendar,
    consent_fits,
    consent_holds,
    counts_for,
    day,
    excused,
    in_window,
    is_about,
    plain,
    stops_at,
    structure,
    wall,
)

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def broken(packs: list[Table], request: Any, facts: Facts, at: datetime, now: datetime) -> set[str]:
    """Ids of every rule that the contact would break, made at `at` and decided from `now` on."""
    case = Case(request, facts, now)
    found = structure(case)
    for pack in packs:
        if not binds(pack, case, packs):
            continue
        for rule in pack["rules"]:
            if not stops_at(rule, pack, at) or not is_about(rule, case):
                continue
            breaks = KINDS[rule["kind"]](rule.get("params", {}), case, at, pack)
            if breaks and not excused(rule, case, at):
                found.add(f"{pack['pack']}/{rule['id']}")
    return found


# --- when ---------------------------------------------------------------------------------------


def inside(clock: time, opens: time, closes: time) -> bool:
    return opens <= clock and (closes == time(0) or clock < closes)


def contact_window(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    for z in case.zones(p):
        here = wall(at, z)
        hours = [h for h in p["weekly"] if WEEKDAYS[here.weekday()] in h["days"]]
        if "calendar" in p:
            known, holiday = holiday_on(p["calendar"], here.date(), case, pack)
            if not known:
                return True
            if holiday:
                hours = p.get("holiday_hours", [])
        clock = here.time().replace(tzinfo=None)
        if not any(inside(clock, h["open"], h["close"]) for h in hours):
            return True
    return False


def holiday_on(country: str, when: date, case: Case, pack: Table) -> tuple[bool, bool]:
    data = calendar(country)
    own = next(c for c in pack["calendars"] if c["country"] == country)
    through = own.get("verified_through") or date.fromisoformat(data["verified_through"])
    settled = None if "verified_through" in own else data.get("settled_through")
    if settled and when.isoweekday() not in data["decreed_weekdays"]:
        through = date.fromisoformat(settled)
    known = date.fromisoformat(data["verified_from"]) <= when <= through
    text, place = when.isoformat(), case.person.residence
    if text in own.get("add", {}):
        return known, True
    if when in own.get("remove", []):
        return known, False
    if text in data["national"]:
        return known, True
    regions = data["subdivisions"]
    region = place.subdivision if place is not None and place.country == country else None
    if region is not None and region in regions:
        return known, text in regions[region]
    if region is not None and region.startswith(f"{country}-"):
        return known, False
    return known, any(text in days for days in regions.values())


def blackout(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    if set(p.get("emergencies", [])) & set(case.facts.emergencies):
        return True
    for z in case.zones(p):
        today = day(at, z)
        if any(span["first"] <= today <= span["last"] for span in p.get("dates", [])):
            return True
        for name, ended in case.facts.ended_emergencies.items():
            tail = p.get("tail_days", 0) if name in p.get("emergencies", []) else 0
            if tail and (today - day(ended, z)).days <= tail:
                return True
    return False


def said_no(spans: tuple[WeeklyInterval, ...], here: datetime) -> bool:
    """Whether a wall clock lies in one of the spans of its weekday; past midnight means both
    ends of that day."""
    clock = here.time().replace(tzinfo=None)
    for span in spans:
        if here.isoweekday() not in span.weekdays:
            continue
        if span.end == time(0) or span.start < span.end:
            if inside(clock, span.start, span.end):
                return True
        elif clock >= span.start or clock < span.end:
            return True
    return False


def consumer_time_preference(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    for wish in case.facts.subject.preferences:
        if not (wish.allowed or wish.forbidden):
            continue
        if wish.channel not in (None, case.request.channel):
            continue
        if wish.contact_point_id not in (None, case.request.contact_point_id):
            continue
        if p.get("sources") and wish.source and wish.source not in p["sources"]:
            continue
        if wish.expires_at is not None and at >= wish.expires_at:
            continue
        for z in case.zones(p):
            here = wall(at, z)
            if said_no(wish.forbidden, here):
                return True
            if wish.allowed and not said_no(wish.allowed, here):
                return True
    return False


def place_rule(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    point = case.point
    if point is None or point.label not in p["labels"]:
        return False
    if p["condition"] == "always":
        return True
    if point.label == "work" and point.work_forbidden:
        return True
    return any(
        point.label in wish.forbidden_labels
        and wish.contact_point_id in (None, point.contact_point_id)
        and (wish.expires_at is None or at < wish.expires_at)
        for wish in case.facts.subject.preferences
    )


# --- how often ----------------------------------------------------------------------------------


def frequency_cap(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    return any(
        sum(in_window(e, p["window"], case, at) for e in events) >= p["max"]
        for events in counts_for(p["count"], case)
    )


def cooldown(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    length = p["length"] + (p.get("counted_from", "day_1") == "next_day")
    for events in counts_for(p["count"], case):
        for e in events:
            if p.get("unit", "days") == "hours":
                if at < e.at + timedelta(hours=p["length"]):
                    return True
            elif any((day(at, z) - day(e.at, z)).days < length for z in case.zones(p)):
                return True
    return False


def min_spacing(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    for events in counts_for(p["count"], case):
        for e in events:
            if "hours" in p:
                if at < e.at + timedelta(hours=p["hours"]):
                    return True
            elif any((day(at, z) - day(e.at, z)).days <= p["clear_days"] for z in case.zones(p)):
                return True
    return False


def redial_guard(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    return any(
        at < e.at + timedelta(hours=p["hours"]) for es in counts_for(p["count"], case) for e in es
    )


def channel_exclusivity(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    for events in counts_for(p["count"], case):
        within = [e for e in events if in_window(e, p["window"], case, at)]
        if within and within[0].channel != case.request.channel:
            return True
    return False


def prerecorded_cap(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    count: dict[str, Any] = {"key": "number", "prerecorded": True}
    count |= {"events": p["events"]} if p.get("events") else {"basis": "connected"}
    return case.request.prerecorded and frequency_cap({**p, "count": count}, case, at, pack)


def sequence_gate(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    events = [
        e
        for e in case.own
        if e.kind in p["events"]
        and not e.misdirected
        and (not p.get("channels") or e.channel in p["channels"])
    ]
    came = [e.at for e in events][:1]
    if case.debts:
        dated = "notice_given" in p["events"] and not p.get("channels")
        had = []
        for d in case.debts:
            told = [e.at for e in events if not e.debt_ids or d.debt_id in e.debt_ids]
            sent = [d.validation_sent_at] if dated and d.validation_sent_at else []
            had.append([min(told)] if told else sent)
        came = [max(had)[0]] if all(had) else []
    if not came:
        return late(p, case, at)
    if not p["clear_days"]:
        return at < came[0]
    return any((day(at, z) - day(came[0], z)).days <= p["clear_days"] for z in case.zones(p))


def late(p: Table, case: Case, at: datetime) -> bool:
    if not p.get("due_after"):
        return True
    first = [e.at for e in case.own if e.kind in p["due_after"] and not e.misdirected][:1]
    return any((day(at, z) - day(f, z)).days > p["due_days"] for f in first for z in case.zones(p))


# --- who ----------------------------------------------------------------------------------------


def recipient_rule(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    roles = [d.role for d in case.debts] + ([case.point.role] if case.point else [])
    return any(not may_be_contacted(role, p, case) for role in roles)


def may_be_contacted(role: str, p: Table, case: Case) -> bool:
    if role in p.get("deny", []):
        return False
    if not p.get("allow") and not p.get("limited"):
        return True
    if role in p.get("allow", []):
        return True
    limits = [limit for limit in p.get("limited", []) if role in limit["roles"]]
    if not limits:
        return False
    limit, request = limits[-1], case.request
    reached = [
        e
        for e in case.own
        if e.role in limit["roles"]
        and e.kind in ("answered_third_party", "conversation", "letter_mailed")
        and not e.misdirected
    ]
    return (
        (not limit.get("purposes") or request.purpose in limit["purposes"])
        and (not limit.get("content") or request.content_class in limit["content"])
        and ("script" not in limit or limit["script"] in (request.statements or ()))
        and ("max" not in limit or len(reached) < limit["max"])
    )


def status_gate(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    if any(d.status in p.get("debt_statuses", []) for d in case.debts):
        return True
    return any(
        s.kind in p.get("statuses", []) and (s.until is None or at < s.until)
        for s in case.person.statuses
    )


def opt_out(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    point, request = case.point, case.request
    if point is not None and point.opted_out_at is not None and "contact_point" in p["scopes"]:
        again = any(
            c.scope == "channel"
            and c.type in p.get("reopened_by", [])
            and point.opted_out_at < c.given_at <= at
            and (c.revoked_at is None or at < c.revoked_at)
            and c.channel in (None, request.channel)
            and c.contact_point_id in (None, request.contact_point_id)
            for c in case.facts.subject.consents
        )
        if not again:
            return True
    for s in case.facts.subject.suppressions:
        if s.scope not in p["scopes"] or (s.ends_at is not None and at >= s.ends_at):
            continue
        if s.channel not in (None, request.channel):
            continue
        target = s.target_id
        meant = {
            "account": not case.debts or target in [d.account_id for d in case.debts],
            "debt": not request.debt_ids or target in request.debt_ids,
            "contact_point": point is not None
            and target in (point.contact_point_id, point.address),
            "creditor": any(d.creditor_id in (None, target) for d in case.debts),
        }
        if target is None or meant.get(s.scope, True):
            return True
    return False


def channel_authorisation(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    match = {"scope": "channel", **p}
    return not any(
        consent_fits(c, match, case) and consent_holds(c, match, case, at)
        for c in case.facts.subject.consents
    )


def consent_requirement(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    subject, point_id = case.facts.subject, case.request.contact_point_id
    for c in subject.consents:
        if not consent_fits(c, p["consent"], case) or not consent_holds(c, p["consent"], case, at):
            continue
        if p.get("evidence") and not c.evidence:
            continue
        if "max_age_days" not in p:
            return False
        fresh = [c.given_at, *([c.renewed_at] if c.renewed_at else [])]
        fresh += [
            e.at
            for e in case.own
            if e.kind in p.get("renewed_by", []) and e.contact_point_id == point_id
        ]
        fresh += [
            n.checked_at
            for n in subject.number_checks
            if n.kind == p.get("renewed_by_check")
            and n.contact_point_id == point_id
            and n.answer == "no"
        ]
        if at < max(fresh) + timedelta(days=p["max_age_days"]):
            return False
    return True


def number_check(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    checks = [
        n
        for n in case.facts.subject.number_checks
        if n.kind == p["check"]
        and n.contact_point_id == case.request.contact_point_id
        and n.checked_at <= case.now
    ]
    required = p.get("required", True)
    if not checks:
        return bool(required)
    when = max(n.checked_at for n in checks)
    answers = {n.answer for n in checks if n.checked_at == when}
    if answers & set(p.get("refuse", [])):
        return True
    if "max_age_days" in p and at >= when + timedelta(days=p["max_age_days"]):
        return bool(required)
    return bool(p.get("accept")) and not answers <= set(p["accept"])


# --- what is said and shown ---------------------------------------------------------------------


def unknown_stops(p: Table) -> bool:
    return bool(p.get("if_unknown", "stop") == "stop")


def words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in plain(text)).split()


def holds_phrase(text: str, phrase: str) -> bool:
    said, wanted = words(text), words(phrase)
    return any(said[i : i + len(wanted)] == wanted for i in range(len(said)))


def same_language(one: str, other: str) -> bool:
    return one.split("-", maxsplit=1)[0].lower() == other.split("-", maxsplit=1)[0].lower()


def content_rule(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    request, point = case.request, case.point
    limits = p.get("if_shared"), p.get("if_labels"), p.get("if_validity")
    if any(limits) and point is not None:
        shared = p.get("if_shared") and (point.shared_with or point.also_reference)
        label = point.label in p.get("if_labels", [])
        validity = point.validity in p.get("if_validity", [])
        if not (shared or label or validity):
            return False
    if p.get("allow") and request.content_class not in p["allow"]:
        return True
    if request.content_class in p.get("forbid_classes", []):
        return True
    if any(holds_phrase(request.text or "", phrase) for phrase in p.get("forbid_phrases", [])):
        return True
    required, only, never = (p.get(k, []) for k in ("require", "allow_only", "forbid"))
    if not (required or only or never):
        return False
    if request.statements is None:
        return unknown_stops(p)
    made = set(request.statements)
    if not set(required) <= made or made & set(never):
        return True
    return bool(only) and not made <= {*only, *required}


def disclosure(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    request = case.request
    owed = set(request.debt_ids)
    met = [
        e
        for e in case.own
        if e.kind in MET
        and not e.misdirected
        and (not e.debt_ids or not owed or owed & set(e.debt_ids))
    ]
    new = not met or any(all(e.debt_ids and d not in e.debt_ids for e in met) for d in owed)
    occasion = p.get("at", "every_contact")
    if (occasion == "first_contact" and not new) or (occasion == "later_contacts" and not met):
        return False
    if p.get("phrases") and request.text is not None:
        if not any(holds_phrase(request.text, phrase) for phrase in p["phrases"]):
            return True
    elif request.statements is None:
        return unknown_stops(p)
    elif p["statement"] not in request.statements:
        return True
    wanted = p.get("languages", [])
    if p.get("persons_language") and case.person.language is not None:
        wanted = [case.person.language]
    if not wanted:
        return False
    if request.language is None:
        return unknown_stops(p)
    return not any(same_language(request.language, w) for w in wanted)


def language_access(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    request, theirs = case.request, case.person.language
    if theirs is None and p.get("record"):
        return True
    served = [*p.get("serve", [])]
    if p.get("serve_offered"):
        served += case.facts.collector.languages
    if theirs is not None and any(same_language(s, theirs) for s in served):
        if request.language is None:
            return unknown_stops(p)  # a warning or a pass ends the rule there
        if not same_language(request.language, theirs):
            return True
    if "statement" not in p:
        return False
    if request.statements is None:
        return unknown_stops(p)
    return p["statement"] not in request.statements


def sender_identity(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    request = case.request
    wanted, never = tuple(p.get("prefixes", [])), tuple(p.get("forbidden_prefixes", []))
    shown = request.caller_id
    if p.get("caller_id_visible") or wanted or never:
        if request.caller_id_withheld or (shown is None and request.caller_id_withheld is None):
            return True
        if (wanted or never) and shown is None:
            if p.get("if_unknown", "stop") != "ignore":
                return unknown_stops(p)
        elif shown is not None and (
            (wanted and not shown.startswith(wanted)) or (never and shown.startswith(never))
        ):
            return True
    if p.get("attestation") and request.attestation not in p["attestation"]:
        if request.attestation is not None:
            return True
        if p.get("if_unknown", "stop") != "ignore":
            return unknown_stops(p)
    if "name" not in p:
        return False
    if not request.sender_name:
        return unknown_stops(p)
    if p["name"] == "present":
        return False
    neutral = case.facts.collector.name_neutral
    return unknown_stops(p) if not neutral else plain(request.sender_name) != plain(neutral)


def recording_consent(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    request = case.request
    if request.recorded is False:
        return False
    if request.recorded is None:
        return unknown_stops(p)
    if p.get("pause") and request.recording_can_pause is not True:
        return True if request.recording_can_pause is False else unknown_stops(p)
    if "announce" not in p and "consent" not in p:
        return False
    later = False
    for c in case.facts.subject.consents if "consent" in p else ():
        if consent_fits(c, p["consent"], case):
            if consent_holds(c, p["consent"], case, at):
                return False
            later = later or c.given_at > at
    if "announce" in p:
        if request.statements is None:
            return True if later else unknown_stops(p)
        return p["announce"] not in request.statements
    return True


# --- how it is dialled --------------------------------------------------------------------------


def ring_min(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    seconds = case.request.ring_timeout_s
    return unknown_stops(p) if seconds is None else seconds < p["seconds"]


def agent_connect_max(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    wait = case.request.connect_limit_ms
    return unknown_stops(p) if wait is None else wait > p["milliseconds"]


def abandon_message(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    request = case.request
    if request.abandon_message is None:
        return unknown_stops(p)
    if not set(p["statements"]) <= set(request.abandon_message):
        return True
    if "within_ms" not in p:
        return False
    wait = request.connect_limit_ms
    return unknown_stops(p) if wait is None else wait > p["within_ms"]


def seconds_of(window: Table) -> int:
    hours = {
        "rolling_hours": 1,
        "calendar_week": 7 * 24,
        "calendar_month": 31 * 24,
        "campaign_30d": 30 * 24,
    }
    return hours.get(window["unit"], 24) * int(window.get("n", 1)) * 3600


def abandonment_limit(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    for stat in case.facts.abandonment:
        if stat.window_s != seconds_of(p["window"]) or stat.scope != p.get("scope", "campaign"):
            continue
        whole: int | None = stat.live_answered
        if p.get("denominator") == "placed":
            whole = stat.placed
        elif p.get("denominator") == "passed_or_abandoned":
            passed = stat.passed_to_agent
            whole = None if passed is None else passed + stat.abandoned
        if whole is None:
            return unknown_stops(p)
        if stat.resets_at is not None and stat.resets_at <= at:
            return False
        whole = max(whole, p.get("min_answered", 0))
        reached = "stop_at" in p and 0 < stat.abandoned >= p["stop_at"] * whole
        return bool(stat.abandoned > p["max_rate"] * whole or reached)
    return unknown_stops(p)


def traffic_shape(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    request, least = case.request, p.get("short_s")
    for stat in case.facts.traffic:
        if stat.window_s != seconds_of(p["window"]) or stat.scope != p.get("scope", "collector"):
            continue
        if least is not None and stat.short_s < least:
            continue
        if stat.resets_at is not None and stat.resets_at <= at:
            return False
        if (stat.placed if least is None else stat.short) <= p.get("above", 0):
            return False
        share = p.get("stop_at", p.get("max_short_share", 2))
        if least is not None and stat.short >= share * stat.placed:
            return True
        return bool(p.get("attestation")) and request.attestation not in p["attestation"]
    if least is None and request.attestation in p.get("attestation", []):
        return False
    return unknown_stops(p)


def retention(p: Table, case: Case, at: datetime, pack: Table) -> bool:
    return False


KINDS: dict[str, Callable[[Table, Case, datetime, Table], bool]] = {
    rule.__name__: rule
    for rule in (
        contact_window, blackout, consumer_time_preference, place_rule, frequency_cap, cooldown,
        min_spacing, redial_guard, channel_exclusivity, prerecorded_cap, sequence_gate,
        recipient_rule, status_gate, opt_out, channel_authorisation, consent_requirement,
        number_check, content_rule, disclosure, language_access, sender_identity,
        recording_consent, ring_min, agent_connect_max, abandon_message, abandonment_limit,
        traffic_shape, retention,
    )
}  # fmt: skip
