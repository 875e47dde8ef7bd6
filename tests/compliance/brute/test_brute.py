"""The engine against the second reading, for any facts that hypothesis can think of."""

from __future__ import annotations

import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.messages import ContactRequest, Facts
from compliance.packs import PackSet, parse_pack
from compliance.types import RuleKind
from tests.compliance.brute.kinds import KINDS, broken
from tests.compliance.brute.law import Table, bundled
from tests.compliance.build import judge, packs, rule, stops, tiny_pack
from tests.compliance.strategies import questions

SECOND = timedelta(seconds=1)
EXAMPLE = (Path(__file__).parents[3] / "docs/examples/pack.toml").read_text("utf-8")
EVERY_KIND = PackSet([*packs("marcador").packs, parse_pack(EXAMPLE, name="example.toml")])
EVERY_KIND_FILES = [*bundled("marcador"), tomllib.loads(EXAMPLE)]
BUNDLED_FILES = bundled()

Question = tuple[ContactRequest, Facts, datetime]
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def compare(question: Question, loaded: PackSet, files: list[Table]) -> None:
    """Allowed: nothing is broken. Blocked: exactly the rules that the engine names are."""
    asked, known, now = question
    known = msgspec.structs.replace(known, complete_from=None)  # the engine's own bookkeeping
    record = judge(known, now, asked, loaded)
    assert set(stops(record)) == broken(files, asked, known, now, now)
    assert record.allowed is (not stops(record))
    first = record.first_allowed
    if record.allowed or first is None:
        return
    assert broken(files, asked, known, first, now) == set()
    assert broken(files, asked, known, first - SECOND, now) or first - SECOND < now
    for eighths in range(1, 8):
        between = now + (first - now) * eighths / 8
        if between < first - SECOND:
            assert broken(files, asked, known, between, now), between


def test_every_kind_is_read_twice() -> None:
    assert set(KINDS) == {str(kind) for kind in RuleKind}
    assert {rule["kind"] for pack in EVERY_KIND_FILES for rule in pack["rules"]} == set(KINDS)


@given(questions())
@many
def test_the_bundled_packs(question: Question) -> None:
    compare(question, packs(), BUNDLED_FILES)


@given(questions())
@many
def test_a_pack_of_every_kind(question: Question) -> None:
    compare(question, EVERY_KIND, EVERY_KIND_FILES)


# --- packs that nobody wrote --------------------------------------------------------------------

UNITS = [
    'unit = "rolling_days", n = {n}',
    'unit = "rolling_days", n = {n}, first_day_inclusive = false',
    'unit = "rolling_hours", n = {h}',
    'unit = "calendar_day", n = {n}',
    'unit = "calendar_week"',
    'unit = "calendar_week", week_start = "mon"',
    'unit = "calendar_week", week_start = "sun", n = 2',
    'unit = "calendar_month"',
    'unit = "campaign_30d"',
]
ZONES = ["", ', zones = "residence"', ', zones = "number_area"']
ZONES.append(', zones = "fixed", fixed_zone = "Pacific/Auckland"')
WHAT = [
    'basis = "attempt"',
    'basis = "connected", exclude = ["machine_message"]',
    'basis = "two_way_contact", include_inbound = true',
    'events = ["conversation", "rang_no_answer"], exclude_roles = ["attorney"]',
    'events = ["message_sent", "letter_mailed", "dial_requested"], exclude_replies = true',
]
KEYS = ["person", "debt", "account", "number", "creditor", "household", "collector", "campaign"]
MORE = ["", ", own_only = true", ', channels = ["voice"]', ', modes = ["predictive"]']
MORE += [", prerecorded = true", ', labels = ["work"]', ', multi_debt = "any_one"']
MORE.append(', exclude_consented = { scope = "frequency", within_days = 7 }')


HOURS = """weekly = [
  {{ days = ["mon", "wed", "sat"], open = 0{n}:30:00, close = 1{n}:00:00 }},
  {{ days = ["tue", "sun"], open = 2{late}:00:00, close = 00:00:00 }}]"""
LIFTED = 'lifted_by = [{ scope = "frequency", within_days = 7, ends_on = ["conversation"] }]'


DAILY = 'window = { unit = "rolling_hours", n = 24 }'
CONDUCT = [
    ("number_check", 'check = "reassigned_numbers_database"\nmax_age_days = 30\naccept = ["no"]'),
    ("number_check", 'check = "reassigned_numbers_database"\nrequired = false\nrefuse = ["yes"]'),
    ("disclosure", 'statement = "creditor"\nat = "first_contact"\nif_unknown = "ignore"'),
    ("disclosure", 'statement = "creditor"\nat = "later_contacts"\nif_unknown = "warn"'),
    ("disclosure", 'statement = "opt_out"\nphrases = ["stop"]\npersons_language = true'),
    ("language_access", 'serve = ["es"]\nstatement = "languages"\nif_unknown = "warn"'),
    ("sender_identity", 'caller_id_visible = true\nattestation = ["A", "B"]'),
    ("sender_identity", 'forbidden_prefixes = ["+56600"]\nif_unknown = "ignore"'),
    ("recording_consent", 'parties = "one"\npause = true\nif_unknown = "ignore"'),
    ("recording_consent", 'parties = "all"\nannounce = "recording_notice"'),
    ("abandonment_limit", f'max_rate = 0.03\n{DAILY}\nif_unknown = "ignore"'),
    ("abandonment_limit", f"max_rate = 0.1\nstop_at = 0.05\n{DAILY}\nmin_answered = 50"),
    ("traffic_shape", f'above = 100\nattestation = ["A"]\n{DAILY}\nif_unknown = "warn"'),
    ("content_rule", 'require = ["creditor"]\nif_unknown = "ignore"'),
    ("content_rule", 'forbid = ["creditor"]\nforbid_phrases = ["hola"]'),
    ("content_rule", 'allow_only = ["creditor", "languages"]\nif_labels = ["work", "home"]'),
    ("ring_min", 'seconds = 15\nif_unknown = "ignore"'),
    ("agent_connect_max", "milliseconds = 2000"),
    ("abandon_message", 'statements = ["identity"]\nwithin_ms = 2000\nif_unknown = "warn"'),
    ("recipient_rule", 'deny = ["reference"]'),
    ("consumer_time_preference", 'sources = ["person"]'),
]
"""Rules about the conduct of a contact, with parameters that the bundled packs do not have."""


@st.composite
def invented(draw: st.DrawFn) -> str:
    """A rule that no law has, valid all the same."""
    zones = draw(st.sampled_from(ZONES))
    unit = draw(st.sampled_from(UNITS)).format(
        n=draw(st.integers(1, 9)), h=draw(st.sampled_from([1, 5, 24, 72]))
    )
    count = (
        f'count = {{ {draw(st.sampled_from(WHAT))}, key = "{draw(st.sampled_from(KEYS))}"'
        f"{draw(st.sampled_from(MORE))} }}"
    )
    apart = zones.removeprefix(", ").replace(", ", "\n")
    n = draw(st.integers(1, 5))
    kind, params = draw(
        st.sampled_from(
            [
                *CONDUCT,
                ("frequency_cap", f"max = {n}\nwindow = {{ {unit}{zones} }}\n{count}"),
                ("channel_exclusivity", f"window = {{ {unit}{zones} }}\n{count}"),
                ("cooldown", f"length = {n}\n{apart}\n{count}"),
                ("cooldown", f'length = {n}\ncounted_from = "next_day"\n{apart}\n{count}'),
                ("cooldown", f'length = {n * 7}\nunit = "hours"\n{count}'),
                ("min_spacing", f"clear_days = {n}\n{apart}\n{count}"),
                ("min_spacing", f"hours = {n * 9}\n{count}"),
                ("redial_guard", f"hours = {n * 9}\n{count}"),
                ("prerecorded_cap", f"max = {n - 1}\nwindow = {{ {unit}{zones} }}"),
                ("contact_window", f"{HOURS.format(n=n, late=min(n, 3))}\n{apart}"),
                ("blackout", f"dates = [{{ first = 2026-0{n}-01, last = 2026-0{n}-20 }}]\n{apart}"),
                ("sequence_gate", f'events = ["letter_mailed"]\nclear_days = {n}\n{apart}'),
                ("sequence_gate", f'events = ["notice_given"]\nclear_days = {n}\n{apart}'),
            ]
        )
    )
    extra = draw(
        st.sampled_from(
            [
                "",
                'exceptions = ["reply_to_inbound", "requested_callback"]',
                LIFTED,
                "effective_from = 2026-03-08\neffective_to = 2026-10-04",
                "effective_from = 2026-02-01\ncompliance_from = 2026-06-01",
                'severity = "hold"',
            ]
        )
    )
    return rule(kind, params, extra=extra)


@given(questions(), st.lists(invented(), min_size=1, max_size=3))
@many
def test_packs_that_nobody_wrote(question: Question, rules: list[str]) -> None:
    text = "".join(r.replace('id = "rule"', f'id = "r{n}"') for n, r in enumerate(rules))
    loaded = tiny_pack(text)
    files = [
        *bundled("marcador"),
        {"pack": "tiny", "kind": "law", **tomllib.loads(text)},
    ]
    compare(question, loaded, files)
