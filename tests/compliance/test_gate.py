"""The gate itself: structural checks, records, guards, permits, faults, first_allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import msgspec
import pytest

from compliance.context import Context
from compliance.gate import decide, facts_sha256, replay, streams
from compliance.messages import (
    DecisionRecord,
    Finding,
    HistoryEvent,
    Place,
    StatusFact,
    SuppressionFact,
)
from compliance.packs import PackSet
from compliance.permit import Allowed, Blocked
from compliance.plan import Plan
from compliance.rules.base import Rule
from compliance.types import (
    AccountId,
    Channel,
    ContactPointId,
    ContactPointKind,
    ContentClass,
    DebtId,
    DebtStatus,
    EventKind,
    Outcome,
    PartyRole,
    PersonId,
    PointLabel,
    Purpose,
    ReasonGroup,
    StatusKind,
    StreamKey,
    SuppressionScope,
    Validity,
)
from tests.compliance.build import (
    NEW_JERSEY,
    PERSON,
    debt,
    event,
    facts,
    finding,
    judge,
    packs,
    phone,
    request,
    rule,
    stops,
    tiny_pack,
)

NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
BARE = packs("marcador")


def guards(record: DecisionRecord) -> list[str]:
    return [str(key) for key in record.guards]


def test_an_allowed_contact_has_a_permit_for_exactly_itself() -> None:
    verdict = decide(request(), facts(), packs(), NOON, permit_lifetime_s=4.5)
    assert isinstance(verdict, Allowed)
    permit, record = verdict.permit, verdict.record
    assert permit.address == "+12015550123"
    assert permit.expires_at == NOON + timedelta(seconds=4.5)
    assert (permit.decision_id, permit.debt_ids) == (record.decision_id, record.request.debt_ids)
    assert record.first_allowed == NOON
    permit.spend(address=permit.address, channel=Channel.VOICE, now=NOON)
    default = decide(request(), facts(), packs(), NOON)
    assert isinstance(default, Allowed)
    assert default.permit.expires_at == NOON + timedelta(seconds=10)


def test_the_record_is_complete() -> None:
    known = msgspec.structs.replace(facts(), heads={StreamKey(PERSON): 12})
    record = judge(known, NOON)
    assert record.heads == {StreamKey(PERSON): 12}
    assert guards(record) == [PERSON]
    assert record.zones == ("America/New_York",)
    assert record.local_times == {"America/New_York": "2026-11-24T12:00:00-05:00"}
    assert {"marcador", "us", "us-tcpa", "house"} <= {ref.pack for ref in record.packs}
    assert record.facts_sha256 == facts_sha256(known)
    assert record.tzdata_version
    assert all(f.outcome is Outcome.PASS for f in record.findings)
    assert {"marcador/person_status", "us/attorney", "us/recipients"} <= set(record.passed)
    assert not {f.rule_id for f in record.findings} & set(record.passed)
    order = [list(ReasonGroup).index(f.group) for f in record.findings]
    assert order == sorted(order)


def test_the_record_survives_json() -> None:
    record = judge(facts(history=[event("e", NOON - timedelta(days=1))]), NOON)
    again = msgspec.json.decode(msgspec.json.encode(record), type=DecisionRecord)
    assert again == record


def test_now_in_another_zone_is_the_same_decision_and_naive_is_refused() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    assert judge(facts(), elsewhere) == judge(facts(), NOON)
    with pytest.raises(ValueError, match="timezone-aware"):
        decide(request(), facts(), packs(), NOON.replace(tzinfo=None))


def test_replay_gives_the_same_record() -> None:
    known = facts(history=[event(f"e{n}", NOON - timedelta(hours=9 + n)) for n in range(9)])
    record = judge(known, NOON)
    assert replay(record, known, packs()) == record
    fresh = PackSet(packs().packs)
    assert replay(record, known, fresh) == record


def test_fingerprints_are_those_of_the_canonical_json() -> None:
    """However they are computed: records of every release must come out the same."""
    known = facts(history=[event("e", NOON - timedelta(days=1))])
    record = judge(known, NOON)
    assert record.facts_sha256 == _sha256_of_json(known)
    assert record.subject_sha256 == _sha256_of_json(known.subject)


def _sha256_of_json(value: object) -> str:
    return sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


# --- structural checks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "rule_id", "code"),
    [
        (phone(point="other"), "marcador/point_usable", "point_unknown"),
        (phone(kind=ContactPointKind.EMAIL), "marcador/point_usable", "point_of_other_kind"),
        (phone(""), "marcador/point_usable", "point_without_address"),
        (phone(validity=Validity.WRONG_NUMBER), "marcador/point_alive", "point_dead"),
        (phone(validity=Validity.DISCONNECTED), "marcador/point_alive", "point_dead"),
        (phone(validity=Validity.REASSIGNED), "marcador/point_alive", "point_dead"),
        (phone(opted_out_at=NOON), "marcador/opted_out", "opted_out"),
        (phone(role=PartyRole.REFERENCE), "marcador/no_reference", "role_forbidden"),
        (phone(role=PartyRole.THIRD_PARTY), "marcador/no_reference", "role_forbidden"),
        (
            phone(label=PointLabel.WORK, work_forbidden=True),
            "marcador/forbidden_place",
            "place_forbidden",
        ),
    ],
)
def test_points_that_are_never_used(point: object, rule_id: str, code: str) -> None:
    record = judge(facts(points=[point]), NOON, rules=BARE)  # type: ignore[list-item]  # parametrised
    assert rule_id in stops(record)
    assert finding(record, rule_id).code == code
    assert record.first_allowed is None
    assert record.releasing_event


@pytest.mark.parametrize(
    "status",
    [
        DebtStatus.PAID,
        DebtStatus.SETTLED,
        DebtStatus.RECALLED,
        DebtStatus.DISPUTED,
        DebtStatus.PAUSED,
        DebtStatus.PAYMENT_CLAIMED,
    ],
)
def test_debts_that_are_not_collected(status: DebtStatus) -> None:
    known = facts(debts=[debt(status=status), debt("debt-2")])
    assert stops(judge(known, NOON, rules=BARE)) == ["marcador/debt_status"]
    assert judge(known, NOON, request(debts=("debt-2",)), BARE).allowed
    service = request(purpose=Purpose.SERVICE)
    assert judge(known, NOON, service, BARE).allowed


def test_debts_must_be_named_and_known() -> None:
    nothing = judge(facts(), NOON, request(debts=()), BARE)
    assert finding(nothing, "marcador/debts_named").code == "no_debt_named"
    unknown = judge(facts(), NOON, request(debts=("debt-1", "debt-9")), BARE)
    assert finding(unknown, "marcador/debts_named").detail == {"debt": "debt-9"}
    assert judge(facts(), NOON, request(debts=(), purpose=Purpose.SERVICE), BARE).allowed


def test_facts_of_somebody_else_are_refused() -> None:
    asked = msgspec.structs.replace(request(), person_id=PersonId("another"))
    assert stops(judge(facts(), NOON, asked, BARE)) == ["marcador/subject"]


@pytest.mark.parametrize(
    ("scope", "target", "matches"),
    [
        (SuppressionScope.PERSON, None, True),
        (SuppressionScope.TENANT, None, True),
        (SuppressionScope.ACCOUNT, "account-of-debt-1", True),
        (SuppressionScope.ACCOUNT, "another", False),
        (SuppressionScope.DEBT, "debt-1", True),
        (SuppressionScope.DEBT, "debt-2", False),
        (SuppressionScope.CONTACT_POINT, "point-1", True),
        (SuppressionScope.CONTACT_POINT, "+12015550123", True),
        (SuppressionScope.CONTACT_POINT, "point-2", False),
        (SuppressionScope.CREDITOR, "creditor-1", True),
        (SuppressionScope.CREDITOR, "creditor-2", False),
        (SuppressionScope.CHANNEL, None, True),
    ],
)
@pytest.mark.parametrize("channel", [None, Channel.VOICE, Channel.SMS])
def test_suppressions_of_every_scope(
    scope: SuppressionScope, target: str | None, matches: bool, channel: Channel | None
) -> None:
    ends = NOON + timedelta(hours=5, microseconds=1)
    suppression = SuppressionFact(
        suppression_id="s-1",
        scope=scope,
        reason="manual",
        starts_at=NOON,
        ends_at=ends,
        channel=channel,
        target_id=target,
    )
    known = facts(debts=[debt(creditor_id="creditor-1")], suppressions=[suppression])
    record = judge(known, NOON, rules=BARE)
    bound = matches and channel is not Channel.SMS
    assert record.allowed is not bound
    if bound:
        assert record.first_allowed == NOON + timedelta(hours=5, seconds=1)
        forever = msgspec.structs.replace(suppression, ends_at=None)
        known = facts(debts=known.subject.debts, suppressions=[suppression, forever])
        record = judge(known, NOON, rules=BARE)
        assert (record.first_allowed, record.releasing_event) == (None, "suppression_released")


def test_statuses_hold_or_deny_until_they_end() -> None:
    until = NOON + timedelta(days=3)
    minor = StatusFact(kind=StatusKind.MINOR, since=NOON, until=until)
    record = judge(facts(statuses=[minor]), NOON, rules=BARE)
    assert (record.allowed, record.first_allowed) == (False, until)
    assert judge(facts(statuses=[minor]), until, rules=BARE).allowed
    fraud = StatusFact(kind=StatusKind.FRAUD_VICTIM, since=NOON)
    record = judge(facts(statuses=[fraud]), NOON, rules=BARE)
    assert finding(record, "marcador/person_review").outcome is Outcome.HOLD
    assert record.releasing_event == "reviewed"
    vulnerable = StatusFact(kind=StatusKind.VULNERABLE, since=NOON)
    known = facts(statuses=[vulnerable])
    assert not judge(known, NOON, rules=BARE).allowed
    text = request(Channel.SMS, content=ContentClass.NEUTRAL)
    assert judge(known, NOON, text, BARE).allowed


def test_shared_numbers_warn_and_keep_content_neutral() -> None:
    shared = facts(points=[phone(shared_with=(PersonId("another"),))])
    record = judge(shared, NOON, rules=BARE)
    assert record.allowed
    assert finding(record, "marcador/point_shared").outcome is Outcome.WARN
    assert guards(record) == [PERSON, "number:+12015550123"]
    for also in (shared, facts(points=[phone(also_reference=True)])):
        verified = request(content=ContentClass.VERIFIED)
        assert stops(judge(also, NOON, verified, BARE)) == ["marcador/shared_content"]
        assert judge(also, NOON, request(content=ContentClass.NEUTRAL), BARE).allowed
    own = facts(points=[phone(also_reference=True)])
    assert finding(judge(own, NOON, rules=BARE), "marcador/point_shared").code == "also_reference"


def test_debt_data_goes_only_to_verified_points() -> None:
    verified = request(Channel.SMS, content=ContentClass.VERIFIED)
    assert stops(judge(facts(), NOON, verified, BARE)) == ["marcador/verified_content"]
    known = facts(points=[phone(validity=Validity.VERIFIED_RIGHT_PARTY)])
    assert judge(known, NOON, verified, BARE).allowed
    at_work = phone(validity=Validity.VERIFIED_RIGHT_PARTY, label=PointLabel.WORK)
    assert stops(judge(facts(points=[at_work]), NOON, verified, BARE)) == [
        "marcador/shared_content"
    ]


# --- zones --------------------------------------------------------------------------------------


def test_without_any_zone_nothing_is_placed() -> None:
    known = facts(None, points=[phone("+18005550123")])
    record = judge(known, NOON, rules=BARE)
    assert stops(record) == ["marcador/zone_known"]
    assert record.releasing_event == "residence_known"


def test_an_unknown_country_is_blocked() -> None:
    known = facts(Place(country="ZZ"), points=[phone("+18005550123")])
    assert "marcador/zone_known" in stops(judge(known, NOON))


def test_a_mobile_that_tells_only_its_country_has_all_its_zones() -> None:
    record = judge(facts(None, points=[phone("+56912345678")]), NOON, rules=BARE)
    assert len(record.zones) == 4
    assert record.allowed


def test_a_declared_zone_replaces_every_guess() -> None:
    known = facts(NEW_JERSEY, points=[phone("+13105550123")], declared_zone="America/Denver")
    assert judge(known, NOON, rules=BARE).zones == ("America/Denver",)


def test_every_live_number_of_their_own_is_a_candidate() -> None:
    points = [
        phone(),
        phone("+13105550123", "point-2"),
        phone("+18085550123", "point-3", validity=Validity.WRONG_NUMBER),
        phone("+19075550123", "point-4", role=PartyRole.REFERENCE),
    ]
    record = judge(facts(points=points), NOON, rules=BARE)
    assert record.zones == ("America/Los_Angeles", "America/New_York")


def test_a_zone_that_does_not_exist_closes_the_gate() -> None:
    record = judge(facts(declared_zone="America/Atlantis"), NOON)
    assert stops(record) == ["marcador/fault"]
    assert finding(record, "marcador/fault").group is ReasonGroup.SYSTEM
    assert guards(record) == [PERSON]


# --- history and guards -------------------------------------------------------------------------


def test_history_must_reach_back_as_far_as_the_longest_window() -> None:
    rules = packs("us")
    known = facts(complete_from=NOON - timedelta(days=5))
    record = judge(known, NOON, rules=rules)
    assert stops(record) == ["marcador/history_complete"]
    needed = finding(record, "marcador/history_complete")
    assert needed.first_ok == NOON - timedelta(days=5) + timedelta(days=needed.limit or 0)
    assert record.first_allowed is not None
    assert judge(known, record.first_allowed, rules=rules).allowed
    assert judge(facts(complete_from=NOON - timedelta(days=30)), NOON, rules=rules).allowed


def test_rules_that_count_by_number_or_account_guard_those_streams() -> None:
    window = 'window = { unit = "calendar_day" }'
    for key, guard in (("number", "number:+12015550123"), ("account", "account:account-of-debt-1")):
        count = f'count = {{ events = ["rang_no_answer"], key = "{key}" }}'
        loaded = tiny_pack(rule("frequency_cap", f"max = 1\n{window}\n{count}"))
        record = judge(facts(), NOON, rules=loaded)
        assert guards(record) == [PERSON, guard]
    assert list(map(str, streams(facts().subject, request()))) == [
        PERSON,
        "number:+12015550123",
        "account:account-of-debt-1",
    ]


def test_other_people_count_for_a_number_and_not_for_a_person() -> None:
    window = 'window = { unit = "calendar_day" }'
    theirs = event(
        "other/1",
        NOON - timedelta(hours=1),
        person_id=PersonId("another"),
        contact_point_id=ContactPointId("their-point"),
        address="+12015550123",
    )
    for key, allowed in (("number", False), ("person", True)):
        count = f'count = {{ events = ["rang_no_answer"], key = "{key}" }}'
        loaded = tiny_pack(rule("frequency_cap", f"max = 1\n{window}\n{count}"))
        assert judge(facts(history=[theirs]), NOON, rules=loaded).allowed is allowed


def test_other_parties_count_for_an_account() -> None:
    count = 'count = { events = ["rang_no_answer"], key = "account" }'
    loaded = tiny_pack(
        rule("frequency_cap", f'max = 1\nwindow = {{ unit = "calendar_day" }}\n{count}')
    )
    theirs = event("other/1", NOON - timedelta(hours=1), person_id=PersonId("guarantor"), debts=())
    for account, allowed in (("account-of-debt-1", False), ("elsewhere", True)):
        made = msgspec.structs.replace(theirs, account_ids=(AccountId(account),))
        assert judge(facts(history=[made]), NOON, rules=loaded).allowed is allowed


def test_history_is_sorted_before_it_is_counted() -> None:
    calls = [event(f"e{n}", NOON - timedelta(hours=2 + 20 * n)) for n in range(7)]
    forward = judge(facts(history=calls), NOON, rules=packs("us"))
    backward = judge(facts(history=reversed(calls)), NOON, rules=packs("us"))
    assert forward.findings == backward.findings
    assert forward.first_allowed == backward.first_allowed


# --- failures -----------------------------------------------------------------------------------


class Broken(Rule):
    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        raise ZeroDivisionError("half a rule")


def test_a_rule_that_fails_closes_the_gate_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    head = packs("us").packs[1].rules[0].head
    broken = Broken(head)

    def plan(self: PackSet, ctx: Context, at: datetime) -> Plan:
        return Plan((), {}, (broken,), ctx.request)

    monkeypatch.setattr(PackSet, "plan", plan)
    verdict = decide(request(), facts(), packs("us"), NOON)
    assert isinstance(verdict, Blocked)
    assert stops(verdict.record) == ["marcador/fault"]
    fault = finding(verdict.record, "marcador/fault")
    assert fault.detail == {"rule": "us/hours", "error": "ZeroDivisionError: half a rule"}
    assert verdict.first_allowed is None
    assert verdict.releasing_event == "facts_corrected"


def test_facts_that_cannot_be_compared_close_the_gate() -> None:
    naive = HistoryEvent(
        event_id="e",
        at=NOON.replace(tzinfo=None),
        kind=EventKind.RANG_NO_ANSWER,
        channel=Channel.VOICE,
        debt_ids=(DebtId("debt-1"),),
    )
    record = judge(facts(history=[naive]), NOON)
    assert not record.allowed
    assert "marcador/fault" in stops(record)
    mixed = judge(facts(history=[naive, event("f", NOON)]), NOON)
    assert stops(mixed) == ["marcador/fault"]


# --- first_allowed ------------------------------------------------------------------------------


def test_first_allowed_is_exact_to_the_second_over_all_rules() -> None:
    at = datetime(2026, 11, 24, 12, 59, 30, 500_000, tzinfo=UTC)  # 7:59:30.5 in New Jersey
    ring = event("e", at - timedelta(minutes=10))
    record = judge(facts(history=[ring]), at)
    # The hours open at 8:00:00; the hour of rest after the call ends at 8:49:30.5.
    assert record.first_allowed == datetime(2026, 11, 24, 13, 49, 31, tzinfo=UTC)


def test_first_allowed_is_null_beyond_the_horizon() -> None:
    until = NOON + timedelta(days=500)
    status = StatusFact(kind=StatusKind.MINOR, since=NOON, until=until)
    record = judge(facts(statuses=[status]), NOON, rules=BARE)
    assert (record.first_allowed, record.releasing_event) == (None, "nothing_within_horizon")
    verdict = decide(request(), facts(statuses=[status]), BARE, NOON, horizon_days=600)
    assert verdict.record.first_allowed == until


def test_rules_that_never_meet_release_nothing() -> None:
    morning = 'weekly = [{ days = ["mon"], open = 08:00:00, close = 12:00:00 }]'
    evening = 'weekly = [{ days = ["tue"], open = 08:00:00, close = 12:00:00 }]'
    loaded = tiny_pack(
        rule("contact_window", morning, name="one") + rule("contact_window", evening, name="two")
    )
    record = judge(facts(), NOON, rules=loaded)
    assert (record.first_allowed, record.releasing_event) == (None, "nothing_within_horizon")
