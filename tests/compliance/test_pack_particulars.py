"""Exceptions, consents and notices that single packs know, each at the case that shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from compliance.hours import day_start
from compliance.messages import (
    ContactPointFacts,
    ContactRequest,
    Facts,
    HistoryEvent,
    NumberCheckFact,
    StatusFact,
    SuppressionFact,
)
from compliance.types import (
    Channel,
    CollectorRole,
    ConsentScope,
    ConsentType,
    ContactPointKind,
    ContentClass,
    DebtClass,
    DebtStatus,
    EventKind,
    LineType,
    Mode,
    PartyRole,
    PointLabel,
    Purpose,
    StatusKind,
    SuppressionScope,
)
from compliance.zones import zone as pinned
from tests.compliance.build import (
    consent,
    debt,
    dialed,
    event,
    facts,
    finding,
    judge,
    packs,
    phone,
    request,
    stops,
    when,
)
from tests.compliance.places import EASTERN, HOMES, PACIFIC

DAY = timedelta(days=1)
MAIL = phone("ana@example.com", kind=ContactPointKind.EMAIL)
MESSAGE = request(Channel.SMS, Mode.BLAST, content=ContentClass.NEUTRAL)
EMAIL = request(Channel.EMAIL, Mode.BLAST, content=ContentClass.NEUTRAL)
MARKETING = dialed(purpose=Purpose.MARKETING)


def noon(pack: str, day: str = "2026-11-24") -> datetime:
    return when(HOMES[pack].zone, f"{day} 12:00")


def resident(pack: str, point: ContactPointFacts | None = None, **more: object) -> Facts:
    home = HOMES[pack]
    values: dict[str, object] = {
        "points": [point or phone(home.number)],
        "debts": [debt(debt_class=home.debt_class)],
        "role": home.role,
        "declared_zone": home.zone,
    }
    return facts(home.place, **(values | more))  # type: ignore[arg-type]  # test shorthand


def letter(at: datetime) -> HistoryEvent:
    return event("letter", at, EventKind.LETTER_MAILED, channel=Channel.LETTER, mode=None)


def blocking(known: Facts, at: datetime, asked: ContactRequest, pack: str) -> list[str]:
    """Rules of one pack that stop a contact."""
    record = judge(known, at, asked, packs(pack))
    return [rule_id for rule_id in stops(record) if rule_id.startswith(f"{pack}/")]


# --- United States ------------------------------------------------------------------------------


def test_a_revocation_of_one_matter_becomes_one_of_all_in_2027() -> None:
    """47 CFR 64.1200(a)(10); FCC DA 26-12: 'revoke-all' is waived to 2027-01-31."""

    stopped = SuppressionFact(
        suppression_id="s",
        scope=SuppressionScope.PERSON,
        reason="stop",
        starts_at=when(EASTERN, "2026-10-01 12:00"),
    )
    known = resident("us", suppressions=[stopped])
    service = request(Channel.SMS, Mode.BLAST, purpose=Purpose.SERVICE)
    rule_id = "us-tcpa/revocation_of_everything"
    start = day_start(EASTERN, when(EASTERN, "2027-01-31 12:00").date())
    before = judge(known, start - timedelta(seconds=1), service, packs("us-tcpa"))
    after = judge(known, start, service, packs("us-tcpa"))
    assert rule_id not in stops(before)
    assert rule_id in stops(after)


def test_an_opt_out_of_a_number_revokes_at_once() -> None:
    at = noon("us")
    out = phone(HOMES["us"].number, opted_out_at=at - timedelta(minutes=1))
    assert "us-tcpa/revocation" in blocking(resident("us", out), at, dialed(), "us-tcpa")


def test_a_number_known_to_be_reassigned_is_not_called() -> None:
    """47 CFR 64.1200(m): no check is needed, a bad answer stops."""

    at = noon("us")
    known = resident("us")
    assert blocking(known, at, dialed(), "us-tcpa") == []
    for answer, stopped in (("yes", ["us-tcpa/reassigned"]), ("no", [])):
        check = NumberCheckFact(
            kind="reassigned_numbers_database",
            contact_point_id=known.subject.contact_points[0].contact_point_id,
            checked_at=at - DAY,
            answer=answer,
        )
        subject = msgspec.structs.replace(known.subject, number_checks=(check,))
        there = msgspec.structs.replace(known, subject=subject)
        assert blocking(there, at, dialed(), "us-tcpa") == stopped


def test_new_york_email_needs_written_consent_disclosures_and_a_private_address() -> None:
    """23 NYCRR 1.6; the creditor's own e-mail is not bound."""
    pack, at = "us-ny-collectors", noon("us-ny-collectors")
    assert blocking(resident(pack, MAIL), at, EMAIL, pack) == [
        f"{pack}/email_consent",
        f"{pack}/email_after_disclosures",
    ]
    written = consent(ConsentScope.CHANNEL, at - 9 * DAY, type=ConsentType.WRITTEN)
    spoken = consent(ConsentScope.CHANNEL, at - 9 * DAY, type=ConsentType.EXPRESS)
    mailed = [letter(at - 20 * DAY)]
    ready = resident(pack, MAIL, consents=[written], history=mailed)
    assert blocking(ready, at, EMAIL, pack) == []
    oral = resident(pack, MAIL, consents=[spoken], history=mailed)
    assert blocking(oral, at, EMAIL, pack) == [f"{pack}/email_consent"]
    work = msgspec.structs.replace(MAIL, label=PointLabel.WORK)
    known = resident(pack, work, consents=[written], history=mailed)
    assert blocking(known, at, EMAIL, pack) == [f"{pack}/work_email"]
    own = resident(pack, MAIL, role=CollectorRole.FIRST_PARTY)
    assert pack not in [ref.pack for ref in judge(own, at, EMAIL).packs]


def test_new_york_city_asks_consent_for_messages_since_september_2026() -> None:
    """6 RCNY 5-77."""
    pack = "us-ny-nyc"
    for day, expected in (("2026-08-31", []), ("2026-09-01", [f"{pack}/electronic_consent"])):
        assert blocking(resident(pack), noon(pack, day), MESSAGE, pack) == expected
    at = noon(pack)
    agreed = consent(ConsentScope.CHANNEL, at - DAY, channel=Channel.SMS)
    assert blocking(resident(pack, consents=[agreed]), at, MESSAGE, pack) == []


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(PartyRole.HOLDER, True), (PartyRole.SPOUSE, False), (PartyRole.PARENT_OF_MINOR, True)],
)
def test_a_spouse_is_a_relative_in_the_district_of_columbia(role: PartyRole, allowed: bool) -> None:
    """D.C. Code 28-3814(d): no relatives; the federal definition of consumer does not help."""
    known = resident("us-dc", debts=[debt(role=role)])
    assert (blocking(known, noon("us-dc"), dialed(), "us-dc") == []) is allowed


def test_sixty_days_of_rest_after_a_public_health_emergency() -> None:
    """D.C. Code 28-3814(bb)."""
    rule_id = "us-dc/public_health_emergency"
    ended = when(EASTERN, "2026-09-20 15:00")
    known = msgspec.structs.replace(
        resident("us-dc"), ended_emergencies={"US-DC:public_health": ended}
    )
    opens = day_start(EASTERN, when(EASTERN, "2026-11-20 12:00").date())
    for at, stopped in ((opens - timedelta(seconds=1), True), (opens, False)):
        assert (rule_id in blocking(known, at, dialed(), "us-dc")) is stopped


def test_oklahoma_reminds_before_the_due_date_only_with_a_signature() -> None:
    """OAC 160:70-11-3."""
    pack, at = "us-ok", noon("us-ok")
    current = [debt(status=DebtStatus.CURRENT)]
    assert blocking(resident(pack, debts=current), at, dialed(), pack) == [
        f"{pack}/no_reminder_before_due"
    ]
    for kind, opened in ((ConsentType.WRITTEN, True), (ConsentType.EXPRESS, False)):
        given = consent(ConsentScope.CHANNEL, at - 9 * DAY, type=kind)
        known = resident(pack, debts=current, consents=[given])
        assert (blocking(known, at, dialed(), pack) == []) is opened


def test_nevada_waits_sixty_days_with_a_medical_debt_and_no_other() -> None:
    """SB 248 (2021)."""
    pack, rule_id = "us-nv-medical", "us-nv-medical/notice_60_days"
    at = noon(pack)
    assert blocking(resident(pack), at, dialed(), pack) == [rule_id]
    mailed = when(PACIFIC, "2026-09-01 10:00")
    opens = day_start(PACIFIC, when(PACIFIC, "2026-11-01 12:00").date())
    known = resident(pack, history=[letter(mailed)])
    assert finding(judge(known, mailed + DAY, dialed(), packs(pack)), rule_id).first_ok == opens
    assert blocking(known, noon(pack), dialed(), pack) == []
    other = resident(pack, debts=[debt(debt_class=DebtClass.CONSUMER)])
    assert blocking(other, at, dialed(), pack) == []


@pytest.mark.parametrize("pack", ["us-nh", "us-or", "us-ma"])
def test_a_workplace_that_was_forbidden_is_left_alone(pack: str) -> None:
    at = noon(pack)
    there = phone(HOMES[pack].number, label=PointLabel.WORK, work_forbidden=True)
    assert f"{pack}/workplace" in blocking(resident(pack, there), at, dialed(), pack)
    free = phone(HOMES[pack].number, label=PointLabel.WORK)
    assert blocking(resident(pack, free), at, dialed(), pack) == []


def test_california_applies_the_federal_act_to_creditors() -> None:
    """Civ. Code 1788.17: cease, attorney, hours, silence; not to agencies, who have the act."""
    pack, at = "us-ca-creditors", noon("us-ca-creditors")

    for status in (StatusKind.CEASE, StatusKind.ATTORNEY):
        known = resident(pack, statuses=[StatusFact(kind=status, since=at - DAY)])
        assert f"{pack}/{status}" in blocking(known, at, dialed(), pack)
    night = when(PACIFIC, "2026-11-24 21:00")
    assert blocking(resident(pack), night, dialed(), pack) == [f"{pack}/hours"]
    talked = event("talk", at - 2 * DAY, EventKind.CONVERSATION)
    known = resident(pack, history=[talked])
    assert blocking(known, at, dialed(), pack) == [f"{pack}/silence_after_conversation"]
    agency = resident(pack, role=CollectorRole.THIRD_PARTY)
    assert pack not in [ref.pack for ref in judge(agency, at).packs]


def test_massachusetts_households_keep_eastern_time_and_holders_their_own() -> None:
    """940 CMR 7.04(1)(d), 7.05: in Pacific time at 18:30 it is 21:30 in Boston."""
    away = resident("us-ma", declared_zone=PACIFIC)
    at = when(PACIFIC, "2026-11-24 18:30")
    assert blocking(away, at, dialed(), "us-ma") == ["us-ma/household_hours"]


def test_washington_hours_follow_landlines_and_the_residence() -> None:
    """RCW 19.16.250(13)(c): at the residence, 7:30 to 21:00."""
    early = when(PACIFIC, "2026-11-24 07:30")
    assert blocking(resident("us-wa"), early, dialed(), "us-wa") == []
    toll_free = resident("us-wa", phone("+18005550123"))
    assert blocking(toll_free, early, dialed(), "us-wa") == []


def test_washington_wireless_numbers_alone_have_a_daily_limit() -> None:
    """RCW 19.16.250(17)."""
    at = noon("us-wa")
    two = [event(f"e{n}", at - timedelta(hours=n)) for n in (1, 2)]
    for line, stopped in ((LineType.MOBILE, True), (LineType.FIXED, False)):
        point = phone(HOMES["us-wa"].number, line=line)
        found = blocking(resident("us-wa", point, history=two), at, dialed(), "us-wa")
        assert ("us-wa/wireless_two_a_day" in found) is stopped


# --- other countries ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pack", "rule"),
    [("ar", "marketing_consent"), ("es", "commercial_calls"), ("pe", "marketing_consent")],
)
def test_marketing_needs_consent_and_collection_does_not(pack: str, rule: str) -> None:
    at = noon(pack)
    assert blocking(resident(pack), at, MARKETING, pack) == [f"{pack}/{rule}"]
    assert blocking(resident(pack), at, dialed(), pack) == []
    given = consent(ConsentScope.MARKETING, at - DAY)
    assert blocking(resident(pack, consents=[given]), at, MARKETING, pack) == []


def test_ecuador_leaves_no_message_at_work_and_may_call_there() -> None:
    """LODC art. 49."""
    at = noon("ec")
    work = phone(HOMES["ec"].number, label=PointLabel.WORK)
    assert blocking(resident("ec", work), at, MESSAGE, "ec") == ["ec/no_messages_at_work"]
    assert blocking(resident("ec", work), at, dialed(), "ec") == []


def test_a_recorded_message_in_quebec_says_only_whom_to_ask_for() -> None:
    """CQLR c R-2.2."""
    pack, at = "ca-qc", noon("ca-qc")
    known = resident(pack, history=[letter(at - 30 * DAY)])
    for content, expected in (
        (ContentClass.NEUTRAL, [f"{pack}/recorded_voice_content"]),
        (ContentClass.VOICEMAIL_LIMITED, []),
    ):
        asked = dialed(Mode.IVR, prerecorded=True, content_class=content)
        assert blocking(known, at, asked, pack) == expected


def test_ontario_counts_voicemail_and_email_and_neither_rings_nor_letters() -> None:
    """R.R.O. 1990 Reg. 74: three contacts in seven days for a creditor."""
    pack, at = "ca-on", noon("ca-on")
    kinds = (
        (EventKind.MACHINE_MESSAGE, Channel.VOICE, True),
        (EventKind.MESSAGE_SENT, Channel.EMAIL, True),
        (EventKind.CONVERSATION, Channel.VOICE, True),
        (EventKind.RANG_NO_ANSWER, Channel.VOICE, False),
        (EventKind.LETTER_MAILED, Channel.LETTER, False),
    )
    for kind, channel, counts in kinds:
        history = [letter(at - 30 * DAY)]
        history += [event(f"e{n}", at - n * DAY, kind, channel=channel) for n in (1, 2, 3)]
        found = blocking(resident(pack, history=history), at, dialed(), pack)
        assert (found == [f"{pack}/three_in_7_days"]) is counts, kind


@pytest.mark.parametrize(("pack", "days"), [("ca-on", 6), ("ca-qc", 5)])
def test_a_notice_dated_in_the_debts_serves_where_all_of_them_have_one(
    pack: str, days: int
) -> None:
    """R.R.O. 1990 Reg. 74; CQLR c R-2.2: the portfolio may tell when the notice was sent."""
    at = noon(pack)
    zone = HOMES[pack].zone
    for sent, expected in (
        (at - (days + 1) * DAY, []),
        (at - days * DAY, [f"{pack}/notice_first"]),
    ):
        known = resident(pack, debts=[debt(validation_sent_at=sent)])
        assert blocking(known, at, dialed(), pack) == expected
    waits = judge(known, at, dialed(), packs(pack))
    opens = day_start(zone, (at + DAY).astimezone(pinned(zone)).date())
    assert finding(waits, f"{pack}/notice_first").first_ok == opens
    two = resident(pack, debts=[debt(validation_sent_at=at - 30 * DAY), debt("debt-2")])
    both = msgspec.structs.replace(dialed(), debt_ids=("debt-1", "debt-2"))
    assert blocking(two, at, both, pack) == [f"{pack}/notice_first"]


def test_the_city_of_sao_paulo_closes_its_state() -> None:
    """Lei SP 15.426/2014: no calls on holidays, those of the capital among them; elsewhere in
    Brazil nobody keeps the anniversary of São Paulo."""
    at = datetime(2027, 1, 25, 15, tzinfo=UTC)
    known = resident("br-sp")
    assert blocking(known, at, dialed(), "br-sp") == ["br-sp/hours"]
    assert blocking(known, at, dialed(), "br") == []
    assert blocking(known, at + DAY, dialed(), "br-sp") == []


@pytest.mark.parametrize(("pack", "days"), [("ca-on", 6), ("ca-qc", 5)])
def test_a_notice_may_be_an_event_of_one_debt_and_a_date_of_another(pack: str, days: int) -> None:
    """R.R.O. 1990 Reg. 74; CQLR c R-2.2: every debt named had its notice, however it is known."""
    at = noon(pack)
    both = msgspec.structs.replace(dialed(), debt_ids=("debt-1", "debt-2"))
    early, late = at - 30 * DAY, at - days * DAY

    def stopped(told: datetime, dated: datetime) -> bool:
        sent = event("n", told, EventKind.NOTICE_GIVEN, channel=Channel.LETTER, debts=("debt-2",))
        debts = [debt(validation_sent_at=dated), debt("debt-2")]
        known = resident(pack, debts=debts, history=[sent])
        return blocking(known, at, both, pack) == [f"{pack}/notice_first"]

    assert not stopped(early, early)
    assert stopped(late, early)
    assert stopped(early, late)


@pytest.mark.parametrize(("pack", "days"), [("ca-on", 6), ("ca-qc", 5)])
def test_a_notice_of_one_debt_serves_no_other(pack: str, days: int) -> None:
    """R.R.O. 1990 Reg. 74; CQLR c R-2.2: every debt named needs its own; the last counts."""
    at = noon(pack)
    early, late = at - 30 * DAY, at - days * DAY
    both = msgspec.structs.replace(dialed(), debt_ids=("debt-1", "debt-2"))

    def stopped(*letters: tuple[datetime, tuple[str, ...]]) -> bool:
        history = [
            event(str(n), sent, EventKind.LETTER_MAILED, channel=Channel.LETTER, debts=debts)
            for n, (sent, debts) in enumerate(letters)
        ]
        known = resident(pack, debts=[debt(), debt("debt-2")], history=history)
        return f"{pack}/notice_first" in blocking(known, at, both, pack)

    assert stopped((early, ("debt-1",)))
    assert stopped((early, ("debt-1",)), (late, ("debt-2",)))
    assert not stopped((early, ("debt-1",)), (early + DAY, ("debt-2",)))
    assert not stopped((early, ("debt-1", "debt-2")), (late, ("debt-2",)))
    assert not stopped((early, ()))


def test_ofcom_rests_bind_automatic_calls_to_that_number_alone() -> None:
    """Ofcom statement of 2016: 72 h after an abandoned call, 24 h after a detected machine, unless
    an agent is guaranteed."""
    at = noon("gb")
    for kind, hours, rule in (
        (EventKind.ABANDONED, 71, "gb/rest_after_abandoned"),
        (EventKind.MACHINE_NO_MESSAGE, 23, "gb/rest_after_machine"),
    ):
        last = event("e", at - timedelta(hours=hours))
        last = msgspec.structs.replace(last, kind=kind)
        assert blocking(resident("gb", history=[last]), at, dialed(), "gb") == [rule]
        assert blocking(resident("gb", history=[last]), at, dialed(Mode.PREVIEW), "gb") == []
        elsewhere = msgspec.structs.replace(
            last, contact_point_id="point-2", address="+442079999999"
        )
        assert blocking(resident("gb", history=[elsewhere]), at, dialed(), "gb") == []


def test_the_state_binds_beside_the_nation_in_brazil() -> None:
    """Rio keeps 9 to 19 on weekdays; the national policy alone would open Saturday morning."""
    saturday = when(HOMES["br-rj"].zone, "2026-11-28 10:00")
    rules = packs("br", "br-rj", "br-sp")
    assert stops(judge(resident("br-rj"), saturday, rules=rules)) == ["br-rj/hours"]
    assert judge(resident("br-sp"), saturday, rules=rules).allowed
