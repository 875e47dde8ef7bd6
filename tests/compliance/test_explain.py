"""Decisions told to people, in Spanish and English."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

import compliance
from compliance.catalogue import CODES, EVENTS
from compliance.explain import Language, explain, render
from compliance.messages import Place
from compliance.packs import PackSet
from compliance.types import EventKind, Outcome, ReasonGroup, Validity
from tests.compliance.build import (
    FLORIDA,
    SANTIAGO,
    event,
    facts,
    judge,
    local,
    packs,
    phone,
)

ZONE = "America/New_York"
NIGHT = local(ZONE, 2026, 11, 24, 22, 15)


def test_why_a_contact_was_not_made() -> None:
    calls = [event(f"e{n}", local(ZONE, 2026, 11, 19 + n % 5, 9 + n)) for n in range(7)]
    record = judge(facts(FLORIDA, history=calls), NIGHT)
    told = explain(record, packs(), "en")
    assert not told.allowed
    assert [line.rule_id for line in told.reasons()] == [
        "us-fl/hours",
        "us-tcpa/hours_policy",
        "us/hours",
        "us/calls_7_in_7",
    ]
    assert told.local_times == ("2026-11-24 22:15:00 America/New_York",)
    assert told.first_allowed_local == ("2026-11-26 08:00:00 America/New_York",)
    text = "\n".join(render(told, "en"))
    assert "7 of 7 calls in 7 days since 2026-11-18 00:00" in text
    assert "after closing: 22:15:00 in America/New_York, hours 08:00-21:00" in text
    assert "[Fla. Stat., 559.72(17)] (us-fl/hours)" in text
    assert "Possible from 2026-11-26 08:00:00 America/New_York" in text
    assert "passes" not in text
    spanish = "\n".join(render(explain(record, packs(), "es"), "es"))
    assert "7 de 7 llamadas en 7 días desde 2026-11-18 00:00" in spanish
    assert "Posible desde 2026-11-26 08:00:00 America/New_York" in spanish
    assert spanish.startswith("Bloqueado: Florida: nada entre las 21:00 y las 8:00")


def test_why_a_contact_was_made() -> None:
    calls = [event(f"e{n}", local(ZONE, 2026, 11, 20 + n, 9)) for n in range(3)]
    record = judge(facts(FLORIDA, history=calls), local(ZONE, 2026, 11, 24, 12))
    told = explain(record, packs(), "en")
    assert told.allowed
    assert told.headline == "Allowed"
    text = "\n".join(render(told, "en", passes=True))
    assert "3 of 7 calls in 7 days" in text
    assert "inside the hours (12:00:00)" in text
    assert len(told.lines) == len(record.findings) + len(record.passed)


def test_the_headline_is_the_first_group_that_denies() -> None:
    known = facts(SANTIAGO, points=[phone("+56221234567", validity=Validity.WRONG_NUMBER)])
    record = judge(known, local("America/Santiago", 2026, 11, 29, 12))
    told = explain(record, packs(), "es")
    assert told.reasons()[0].group is ReasonGroup.STATUS
    assert told.headline.startswith("Bloqueado: el punto de contacto está dado de baja")
    assert told.releasing_event == "nueva evidencia del punto de contacto"
    assert "Sólo lo libera: nueva evidencia" in "\n".join(render(told, "es"))


def test_a_holiday_is_named() -> None:
    record = judge(facts(SANTIAGO), local("America/Santiago", 2026, 12, 8, 12), rules=packs("cl"))
    assert "feriado: La Inmaculada Concepción" in explain(record, packs("cl"), "es").headline


def test_lifted_and_warned_lines() -> None:
    talk = event("talk", NIGHT - timedelta(days=1), EventKind.CONVERSATION)
    known = facts(FLORIDA, history=[talk], points=[phone("+13055550123", also_reference=True)])
    told = explain(judge(known, NIGHT), packs(), "en")
    warned = [line for line in told.lines if line.outcome is Outcome.WARN]
    assert "it is another person's reference" in warned[0].text


def test_a_rule_no_longer_among_the_packs_is_told_by_its_code() -> None:
    record = judge(facts(FLORIDA), NIGHT)
    told = explain(record, PackSet([]), "en")
    hours = next(line for line in told.lines if line.rule_id == "us-fl/hours")
    assert hours.citation is None
    assert hours.text.startswith("after closing")


@pytest.mark.parametrize("language", ["es", "en"])
def test_no_gaps_in_any_bundled_prose(language: Language) -> None:
    """Every placeholder of a denial is filled from its own finding."""
    seen = 0
    for place in (FLORIDA, SANTIAGO, Place(country="CO"), Place(country="PE"), Place(country="PA")):
        zone = {"CL": "America/Santiago"}.get(place.country, "America/Bogota")
        calls = [
            event(f"e{n}", local(zone, 2026, 11, 22, 9 + n), EventKind.CONVERSATION)
            for n in range(8)
        ]
        record = judge(facts(place, history=calls), local(zone, 2026, 11, 22, 23))
        for line in explain(record, packs(), language).reasons():
            assert "?" not in line.text, line
            seen += 1
    assert seen >= 12


def test_every_code_and_event_in_the_source_has_words() -> None:
    root = Path(compliance.__file__).parent
    source = "\n".join(p.read_text("utf-8") for p in sorted(root.glob("rules/*.py")))
    codes = set(re.findall(r"\.stop\(\s*\"([a-z_]+)\"", source))
    codes |= set(re.findall(r"_(?:stop|missing|unknown|unless_passed)\(\"([a-z_]+)\"", source))
    codes |= set(re.findall(r"not_known\(\s*self,\s*[\w.]+,\s*\"([a-z_]+)\"", source))
    assert codes >= {"number_check_stale", "ring_time_not_known", "statement_forbidden"}
    assert codes >= {"cap_reached", "opted_out", "zone_unknown"}
    assert codes <= CODES.keys()
    texts = source + (root / "gate.py").read_text("utf-8")
    texts += "\n".join(p.read_text("utf-8") for p in sorted(root.glob("packs/*.toml")))
    events = set(re.findall(r"releasing_event(?:: str)? ?= ?\"([a-z_]+)\"", texts))
    assert events >= {"reviewed", "consent_given", "stay_ended"}
    assert events <= EVENTS.keys()


def test_an_explanation_is_json() -> None:
    told = explain(judge(facts(FLORIDA), NIGHT), packs(), "en")
    assert msgspec.json.decode(msgspec.json.encode(told))["allowed"] is False
