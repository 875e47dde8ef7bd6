"""Packs: what loads, what is refused and how the refusal reads, and whom they bind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compliance.messages import DebtFacts, Place
from compliance.packs import BUNDLED, PackError, PackSet, load_packs, parse_pack
from compliance.rules import KINDS
from compliance.types import Basis, DebtClass, RuleKind
from tests.compliance.build import (
    NEW_JERSEY,
    SANTIAGO,
    debt,
    facts,
    finding,
    judge,
    packs,
    phone,
    rule,
    stops,
    tiny_pack,
)

EXAMPLE = Path(__file__).parents[2] / "docs/examples/pack.toml"
NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
HOURS = 'weekly = [{ days = ["mon"], open = 08:00:00, close = 20:00:00 }]'
TENANT = 'scopes = ["tenant"]'
NOTHING = rule("opt_out", TENANT)
MARCH = "effective_from = 2026-03-01\neffective_to = 2026-03-31"
RENEWED = 'consent = { scope = "channel" }\nrenewed_by = ["inbound_message"]'
COUNT = 'count = { events = ["conversation"] }'


def error(rules: str, extra: str = "") -> PackError:
    with pytest.raises(PackError) as caught:
        tiny_pack(rules, extra=extra)
    return caught.value


def test_every_bundled_pack_is_complete() -> None:
    loaded = packs()
    assert {path.stem for path in BUNDLED.glob("*.toml")} == {r.pack for r in loaded.refs}
    for head in loaded.heads.values():
        assert head.citation.instrument
        assert head.explain.es
        assert head.explain.en
    for pack in loaded.packs:
        assert len(pack.ref.sha256) == 64
        if pack.doc.pack not in ("marcador", "house", "default"):
            assert all(r.citation.retrieved_on for r in pack.doc.rules), pack.doc.pack


def test_basis_tells_law_from_presumption_harbour_and_policy() -> None:
    heads = packs().heads
    assert heads["us/hours"].basis is Basis.LAW
    assert heads["us/calls_7_in_7"].basis is Basis.PRESUMPTION
    assert heads["us/sms_safe_harbour"].basis is Basis.SAFE_HARBOUR
    assert heads["house/rest_after_abandoned"].basis is Basis.POLICY


@pytest.mark.parametrize(
    ("text", "key", "value", "reason"),
    [
        (rule("contact_window", HOURS + "\nholidy = 1"), "rules.rule.params.", None, "holidy"),
        (rule("contact_window", HOURS, extra="chanels = []"), "rules.rule", None, "chanels"),
        (rule("opt_out", TENANT, extra='channels = ["fax"]'), "rules.rule.channels", "fax", "fax"),
        (rule("contact_windows", HOURS), "rules.rule.kind", "contact_windows", "Invalid enum"),
        (rule("contact_window", ""), "rules.rule.params.", None, "weekly"),
        (
            rule("contact_window", HOURS.replace("20:", "06:")),
            "rules.rule.params.close", None, "is not after open",
        ),
        (
            rule("contact_window", HOURS + '\ncalendar = "CL"'),
            "rules.rule.params.calendar", "CL", "not among the pack's",
        ),
        (
            rule("contact_window", HOURS + '\nzones = "fixed"'),
            "rules.rule.params.fixed_zone", None, "zones = 'fixed'",
        ),
        (
            rule("contact_window", HOURS + '\nzones = "fixed"\nfixed_zone = "Mars/Base"'),
            "rules.rule.params.fixed_zone", "Mars/Base", "no IANA zone",
        ),
        (
            rule("frequency_cap", f'max = -1\nwindow = {{ unit = "calendar_day" }}\n{COUNT}'),
            "rules.rule.params.max", -1, ">= 0",
        ),
        (
            rule("frequency_cap", f'max = 1\nwindow = {{ unit = "fortnight" }}\n{COUNT}'),
            "rules.rule.params.window.unit", "fortnight", "fortnight",
        ),
        (
            rule("frequency_cap", f'max = 1\nwindow = {{ unit = "rolling_days", n = 0 }}\n{COUNT}'),
            "rules.rule.params.window.n", 0, ">= 1",
        ),
        (
            rule("cooldown", f'length = 3\nunit = "hours"\ncounted_from = "next_day"\n{COUNT}'),
            "rules.rule.params.counted_from", "next_day", "hours",
        ),
        (rule("status_gate", ""), "rules.rule.params.statuses", None, "both empty"),
        (
            rule("blackout", "dates = [{ first = 2026-02-02, last = 2026-02-01 }]"),
            "rules.rule.params.last", None, "before first",
        ),
        (
            rule("consent_requirement", RENEWED),
            "rules.rule.params.renewed_by", None, "max_age_days",
        ),
        (
            rule("contact_window", HOURS, extra=MARCH.replace("03-31", "02-01")),
            "rules.rule.effective_to", None, "before effective_from",
        ),
        (
            rule("sequence_gate", 'events = ["notice_given"]\nclear_days = 0\ndue_days = 5'),
            "rules.rule.params.due_days", 5, "due_after",
        ),
        (rule("contact_window", HOURS) * 2, "rules.rule", "rule", "twice"),
        (rule("contact_window", HOURS, name="Bad Name"), "rules.Bad Name.id", "Bad Name", "regex"),
    ],
)  # fmt: skip
def test_mistakes_are_told_exactly(text: str, key: str, value: object, reason: str) -> None:
    caught = error(text)
    assert caught.file == "tiny.toml"
    assert caught.key.startswith(key)
    if value is not None:
        assert caught.value == value
    assert reason in caught.reason
    assert caught.mend
    assert str(caught).startswith(f"tiny.toml: {caught.key}")


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ('zone = "Nowhere/City"', "zone"),
        ('[[calendars]]\ncountry = "ZZ"', "calendars.country"),
        ('[[calendars]]\ncountry = "CL"\nadd = { "2026-13-01" = "x" }', "calendars.CL.add"),
        ("unknown_key = 1", "(top level)"),
        ('[applies_when]\nany_of = { living_in = ["US"] }', "applies_when.any_of"),
    ],
)
def test_mistakes_of_the_envelope(extra: str, key: str) -> None:
    assert error(rule("contact_window", HOURS), extra).key == key


def test_a_draft_is_refused_in_production_only(tmp_path: Path) -> None:
    text = (BUNDLED / "pe.toml").read_text("utf-8").replace("machine_checked", "draft")
    (tmp_path / "pe.toml").write_text(text, "utf-8")
    with pytest.raises(PackError, match="draft is not used in production"):
        load_packs([tmp_path], production=True)
    loaded = load_packs([tmp_path], production=False)
    assert [ref.pack for ref in loaded.refs] == ["marcador", "pe"]


def test_a_reviewed_pack_names_its_reviewer() -> None:
    text = (BUNDLED / "pe.toml").read_text("utf-8").replace("machine_checked", "counsel_reviewed")
    with pytest.raises(PackError, match="by whom"):
        parse_pack(text, name="pe.toml")
    named = 'reviewed = { by = "A. Counsel", on = 2026-11-20, next_review_by = 2027-05-20 }\n'
    parse_pack(text.replace('zone = "', named + 'zone = "', 1), name="pe.toml")


def test_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="does not exist"):
        load_packs([tmp_path / "none"], production=True)
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PackError, match="cannot be read"):
        load_packs([tmp_path], production=True)
    (tmp_path / "bad.toml").write_text("pack = ", "utf-8")
    with pytest.raises(PackError, match="is not TOML"):
        load_packs([tmp_path], production=True)
    (tmp_path / "bad.toml").unlink()
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text((BUNDLED / "pe.toml").read_text("utf-8"), "utf-8")
    with pytest.raises(PackError, match="already defined"):
        load_packs([tmp_path], production=True)
    with pytest.raises(PackError, match="not among the packs"):
        load_packs(production=True, only=["atlantis"])


def test_a_house_policy_can_only_tighten(tmp_path: Path) -> None:
    text = (BUNDLED / "house.toml").read_text("utf-8")
    loosened = text.replace("[[rules]]", '[[rules]]\nlifted_by = [{ scope = "frequency" }]', 1)
    with pytest.raises(PackError, match="can only tighten"):
        parse_pack(loosened, name="house.toml")


def test_a_house_policy_cannot_take_the_place_of_the_default() -> None:
    """A policy for a country without a law of its own comes on top of the strict default."""
    panama = Place(country="PA")
    extra = '[applies_when]\nany_of = { residence_in = ["PA"] }'
    default = packs("default").packs
    for kind, default_binds in (("house_policy", True), ("contract", True), ("law", False)):
        text = f"""
pack = "pa"
version = "2026.1.1"
kind = "{kind}"
status = "machine_checked"
title = "Panama"
{extra}
{NOTHING}
"""
        both = PackSet([*default, parse_pack(text, name="pa.toml")])
        known = facts(panama, points=[phone("+50761234567")])
        bound = {ref.pack for ref in judge(known, NOON, rules=both).packs}
        assert ("default" in bound) is default_binds, kind
        assert "pa" in bound


def test_every_kind_has_an_evaluator_and_an_example() -> None:
    assert set(RuleKind) == KINDS.keys()
    example = parse_pack(EXAMPLE.read_text("utf-8"), name=str(EXAMPLE))
    assert {rule.kind for rule in example.doc.rules} == KINDS.keys()


def test_fingerprints_follow_the_text() -> None:
    text = (BUNDLED / "pe.toml").read_text("utf-8")
    first, second = (parse_pack(t, name="pe") for t in (text, text + "# a remark\n"))
    assert first.ref.sha256 != second.ref.sha256
    assert first.ref == packs("pe").packs[1].ref


# --- whom a pack binds --------------------------------------------------------------------------


def binds(
    loaded: PackSet,
    place: Place | None,
    number: str = "+12015550123",
    owed: DebtFacts | None = None,
) -> bool:
    known = facts(place, points=[phone(number)], debts=[owed or debt()])
    return "tiny" in [ref.pack for ref in judge(known, NOON, rules=loaded).packs]


def test_what_is_not_known_binds() -> None:
    florida = tiny_pack(NOTHING, extra='[applies_when]\nany_of = { residence_in = ["US-FL"] }')
    assert binds(florida, Place(country="US", subdivision="US-FL"))
    assert binds(florida, Place(country="US", subdivision="FL"))
    assert binds(florida, Place(country="US"))
    assert binds(florida, None)
    assert not binds(florida, NEW_JERSEY)
    assert not binds(florida, SANTIAGO)


def test_regions_of_numbers() -> None:
    florida = tiny_pack(NOTHING, extra='[applies_when]\nany_of = { number_region_in = ["US-FL"] }')
    assert binds(florida, SANTIAGO, "+13055550123")
    assert not binds(florida, SANTIAGO, "+12015550123")
    assert binds(florida, NEW_JERSEY, "+18005550123")  # toll-free does not tell its state
    assert not binds(florida, SANTIAGO, "+56221234567")


def test_laws_of_contracts_and_classes_of_debts() -> None:
    law = tiny_pack(NOTHING, extra='[applies_when]\nany_of = { contract_law = ["CL"] }')
    assert binds(law, NEW_JERSEY, owed=debt(contract_law=Place(country="CL")))
    assert not binds(law, NEW_JERSEY, owed=debt(contract_law=Place(country="PE")))
    assert binds(law, NEW_JERSEY)
    student = tiny_pack(NOTHING, extra='[applies_when]\ndebt_class = ["student"]')
    assert binds(student, NEW_JERSEY, owed=debt(debt_class=DebtClass.STUDENT))
    assert binds(student, NEW_JERSEY, owed=debt(debt_class=DebtClass.UNKNOWN))
    assert not binds(student, NEW_JERSEY, owed=debt(debt_class=DebtClass.MEDICAL))


def test_effective_dates_bind_both_ways_at_legal_midnight() -> None:
    loaded = tiny_pack(
        rule("status_gate", 'debt_statuses = ["overdue"]', extra=MARCH),
        extra='zone = "America/Lima"',
    )
    second = timedelta(seconds=1)
    begins = datetime(2026, 3, 1, 5, tzinfo=UTC)
    ends = datetime(2026, 4, 1, 5, tzinfo=UTC)
    for at, in_force in (
        (begins - second, False),
        (begins, True),
        (ends - second, True),
        (ends, False),
    ):
        assert judge(facts(), at, rules=loaded).allowed is not in_force
    # A denial that only the end of the rule releases is released then.
    assert judge(facts(), begins, rules=loaded).first_allowed == ends


def test_without_a_legal_zone_a_rule_begins_first_and_ends_last() -> None:
    loaded = tiny_pack(rule("status_gate", 'debt_statuses = ["overdue"]', extra=MARCH))
    assert not judge(facts(), datetime(2026, 2, 28, 10, tzinfo=UTC), rules=loaded).allowed
    assert judge(facts(), datetime(2026, 2, 28, 9, 59, tzinfo=UTC), rules=loaded).allowed
    assert not judge(facts(), datetime(2026, 4, 1, 11, 59, tzinfo=UTC), rules=loaded).allowed
    assert judge(facts(), datetime(2026, 4, 1, 12, tzinfo=UTC), rules=loaded).allowed


def test_an_unknown_line_or_label_is_taken_as_the_bound_one() -> None:
    at_work = tiny_pack(
        rule("status_gate", 'debt_statuses = ["overdue"]', extra='when = { labels = ["work"] }')
    )
    record = judge(facts(), NOON, rules=at_work)
    assert stops(record) == ["tiny/rule"]
    assert finding(record, "tiny/rule").code == "debt_status"
