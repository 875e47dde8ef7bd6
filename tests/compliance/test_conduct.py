"""Rules about how a contact is made: sender, words, recording, dialling, figures, records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from compliance.messages import (
    AbandonmentStat,
    DecisionRecord,
    Facts,
    Finding,
    NumberCheckFact,
    StatScope,
    TrafficStat,
)
from compliance.packs import PackError
from compliance.retention import FOREVER, Keep, keep_until, schedule
from compliance.schema_conduct import RetentionStart
from compliance.types import (
    Attestation,
    Channel,
    ConsentScope,
    ContactPointId,
    ContentClass,
    EventKind,
    Mode,
    Outcome,
    PartyRole,
    PersonId,
)
from tests.compliance.build import (
    consent,
    debt,
    event,
    facts,
    judge,
    local,
    phone,
    request,
    rule,
    stops,
    tiny_pack,
)

ZONE = "America/New_York"
NOON = local(ZONE, 2026, 11, 24, 12)  # a Tuesday
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def ask(kind: str, params: str, known: Facts | None = None, /, **fields: object) -> DecisionRecord:
    asked = request(**fields)  # type: ignore[arg-type]  # test shorthand
    return judge(known or facts(), NOON, asked, tiny_pack(rule(kind, params)))


def code(record: DecisionRecord) -> str:
    """Code of the rule's finding; empty: it passed."""
    return said(record).code if "tiny/rule" not in record.passed else ""


def said(record: DecisionRecord) -> Finding:
    return next(f for f in record.findings if f.rule_id == "tiny/rule")


# --- number_check -------------------------------------------------------------------------------


def checked(answer: str, at: datetime, point: str = "point-1", kind: str = "rnd") -> Facts:
    known = facts()
    check = NumberCheckFact(
        kind=kind, contact_point_id=ContactPointId(point), checked_at=at, answer=answer
    )
    subject = msgspec.structs.replace(known.subject, number_checks=(check,))
    return msgspec.structs.replace(known, subject=subject)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (facts(), "number_not_checked"),
        (checked("no", NOON - 30 * DAY + SECOND), ""),
        (checked("no", NOON - 30 * DAY), "number_check_stale"),
        (checked("yes", NOON - DAY), "number_check_refused"),
        (checked("yes", NOON - 300 * DAY), "number_check_refused"),
        (checked("perhaps", NOON - DAY), "number_check_refused"),
        (checked("no", NOON - DAY, point="point-2"), "number_not_checked"),
        (checked("no", NOON - DAY, kind="other"), "number_not_checked"),
        (checked("no", NOON + DAY), "number_not_checked"),
    ],
)
def test_a_number_must_have_been_looked_up(known: Facts, expected: str) -> None:
    params = 'check = "rnd"\nmax_age_days = 30\nrefuse = ["yes"]\naccept = ["no"]'
    record = ask("number_check", params, known)
    assert code(record) == expected
    assert record.allowed is (expected == "")
    assert record.releasing_event == ("number_checked" if expected else None)


def test_the_latest_look_up_counts() -> None:
    known = checked("yes", NOON - 5 * DAY)
    newer = checked("no", NOON - DAY).subject.number_checks
    checks = (*newer, *known.subject.number_checks)
    subject = msgspec.structs.replace(known.subject, number_checks=checks)
    params = 'check = "rnd"\nrefuse = ["yes"]'
    assert ask("number_check", params, msgspec.structs.replace(known, subject=subject)).allowed


@pytest.mark.parametrize("answers", [("no", "yes"), ("yes", "no")])
def test_of_two_look_ups_at_one_instant_the_worse_counts(answers: tuple[str, str]) -> None:
    known = checked(answers[0], NOON - DAY)
    more = checked(answers[1], NOON - DAY).subject.number_checks
    checks = (*known.subject.number_checks, *more)
    subject = msgspec.structs.replace(known.subject, number_checks=checks)
    for params in ('refuse = ["yes"]', 'accept = ["no"]'):
        asked = msgspec.structs.replace(known, subject=subject)
        assert not ask("number_check", f'check = "rnd"\n{params}', asked).allowed


def test_an_optional_look_up_only_refuses() -> None:
    params = 'check = "litigator"\nmax_age_days = 30\nrequired = false\nrefuse = ["yes"]'
    assert ask("number_check", params).allowed
    assert ask("number_check", params, checked("no", NOON - 90 * DAY, kind="litigator")).allowed
    assert not ask(
        "number_check", params, checked("yes", NOON - 90 * DAY, kind="litigator")
    ).allowed


# --- disclosure and language --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "expected"),
    [(None, "statements_not_declared"), ((), "statement_missing"), (("mini_miranda",), "")],
)
def test_what_must_be_said(statements: tuple[str, ...] | None, expected: str) -> None:
    params = 'statement = "mini_miranda"'
    assert code(ask("disclosure", params, statements=statements)) == expected


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [("stop", Outcome.DENY), ("warn", Outcome.WARN), ("ignore", None)],
)
def test_what_nobody_declared(policy: str, outcome: Outcome | None) -> None:
    record = ask("disclosure", f'statement = "id"\nif_unknown = "{policy}"')
    assert record.allowed is (outcome is not Outcome.DENY)
    if outcome is None:
        assert "tiny/rule" in record.passed
    else:
        assert said(record).outcome is outcome


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("Reply STOP to opt out.", True),
        ("Responda ALTO para no recibir más.", True),
        ("responda áltó", True),
        ("Nothing here stops anything", False),
        (None, False),
    ],
)
def test_a_text_is_read_for_the_phrase(text: str | None, allowed: bool) -> None:
    """The text outweighs what is declared of it (12 CFR 1006.6(e))."""
    params = 'statement = "opt_out"\nphrases = ["STOP", "ALTO"]'
    statements = ("opt_out",) if text is not None else ()
    record = ask("disclosure", params, channel=Channel.SMS, text=text, statements=statements)
    assert record.allowed is allowed


def test_the_first_contact_and_the_later_ones() -> None:
    """15 USC 1692e(11): the full warning in the initial communication, the short one later."""
    talk = event("e", NOON - 9 * DAY, EventKind.CONVERSATION)
    ring = event("e", NOON - 9 * DAY, EventKind.RANG_NO_ANSWER)
    other = event("e", NOON - 9 * DAY, EventKind.CONVERSATION, debts=("debt-2",))
    unnamed = event("e", NOON - 9 * DAY, EventKind.CONVERSATION, debts=())
    first, later = (
        'statement = "full"\nat = "first_contact"',
        'statement = "short"\nat = "later_contacts"',
    )
    for history, is_first in (
        ((), True),
        ((ring,), True),
        ((other,), True),
        ((talk,), False),
        ((unnamed,), False),
    ):
        known = facts(history=history, debts=[debt(), debt("debt-2")])
        assert ask("disclosure", first, known, statements=("full",)).allowed
        assert ask("disclosure", first, known, statements=()).allowed is not is_first
        assert ask("disclosure", later, known, statements=()).allowed is is_first
    both = facts(history=[other], debts=[debt(), debt("debt-2")])
    asked = {"debts": ("debt-1", "debt-2"), "statements": ()}
    assert not ask("disclosure", first, both, **asked).allowed
    assert not ask("disclosure", later, both, **asked).allowed


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", ""), ("en-US", ""), ("es", "wrong_language"), (None, "language_not_known")],
)
def test_the_language_of_a_disclosure(language: str | None, expected: str) -> None:
    params = 'statement = "id"\nlanguages = ["en"]'
    assert code(ask("disclosure", params, statements=("id",), language=language)) == expected


def speaking(language: str | None, offered: tuple[str, ...] = ()) -> Facts:
    known = facts()
    person = msgspec.structs.replace(known.subject.person, language=language)
    subject = msgspec.structs.replace(known.subject, person=person)
    collector = msgspec.structs.replace(known.collector, languages=offered)
    return msgspec.structs.replace(known, subject=subject, collector=collector)


def test_a_disclosure_in_the_persons_language() -> None:
    params = 'statement = "id"\npersons_language = true'
    assert ask("disclosure", params, speaking("es-CL"), statements=("id",), language="es").allowed
    assert not ask("disclosure", params, speaking("es"), statements=("id",), language="en").allowed
    assert ask("disclosure", params, speaking(None), statements=("id",), language="en").allowed


@pytest.mark.parametrize(
    ("params", "known", "fields", "expected"),
    [
        ("record = true", speaking(None), {}, "language_not_recorded"),
        ("record = true", speaking("zh"), {}, ""),
        ('serve = ["es"]', speaking("es"), {"language": "en"}, "wrong_language"),
        ('serve = ["es"]', speaking("es"), {"language": "es-MX"}, ""),
        ('serve = ["es"]', speaking("es"), {}, "language_not_known"),
        ('serve = ["es"]', speaking("zh"), {"language": "en"}, ""),
        ("serve_offered = true", speaking("zh", ("zh",)), {"language": "en"}, "wrong_language"),
        ("serve_offered = true", speaking("zh"), {"language": "en"}, ""),
        ('statement = "languages"', speaking("es"), {"statements": ()}, "statement_missing"),
        ('statement = "languages"', speaking("es"), {}, "statements_not_declared"),
        ('statement = "languages"', speaking("es"), {"statements": ("languages",)}, ""),
    ],
)
def test_language_access(
    params: str, known: Facts, fields: dict[str, object], expected: str
) -> None:
    assert code(ask("language_access", params, known, **fields)) == expected


# --- sender -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "fields", "expected"),
    [
        ("caller_id_visible = true", {}, "caller_id_withheld"),
        ("caller_id_visible = true", {"caller_id_withheld": False}, ""),
        ("caller_id_visible = true", {"caller_id": "+12025550123"}, ""),
        (
            "caller_id_visible = true",
            {"caller_id": "+12025550123", "caller_id_withheld": True},
            "caller_id_withheld",
        ),
        ('prefixes = ["+56600"]', {"caller_id": "+56600123456"}, ""),
        ('prefixes = ["+56600"]', {"caller_id": "+56809123456"}, "caller_id_prefix"),
        ('prefixes = ["+56600"]', {"caller_id_withheld": False}, "caller_id_not_known"),
        ('forbidden_prefixes = ["+56809"]', {"caller_id": "+56809123456"}, "caller_id_prefix"),
        ('attestation = ["A"]', {"attestation": Attestation.A}, ""),
        ('attestation = ["A"]', {"attestation": Attestation.C}, "attestation_too_weak"),
        ('attestation = ["A"]', {}, "attestation_not_known"),
        ('name = "present"', {}, "sender_name_missing"),
        ('name = "present"', {"sender_name": "Acme Collections"}, ""),
        ('name = "neutral"', {"sender_name": "Acme Collections"}, "sender_name_not_neutral"),
        ('name = "neutral"', {"sender_name": "acme"}, ""),
    ],
)
def test_who_calls_is_seen(params: str, fields: dict[str, object], expected: str) -> None:
    known = facts()
    collector = msgspec.structs.replace(known.collector, name_neutral="Acme")
    known = msgspec.structs.replace(known, collector=collector)
    assert code(ask("sender_identity", params, known, **fields)) == expected


def test_a_finding_does_not_hold_the_whole_caller_id() -> None:
    record = ask("sender_identity", 'prefixes = ["+56600"]', caller_id="+56223456789")
    assert said(record).detail == {"shown": "+562234", "wanted": "+56600"}


# --- dialling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "params", "fields", "expected"),
    [
        ("ring_min", "seconds = 15", {"ring_timeout_s": 15}, ""),
        ("ring_min", "seconds = 15", {"ring_timeout_s": 14}, "ring_too_short"),
        ("ring_min", "seconds = 15", {}, "ring_time_not_known"),
        ("agent_connect_max", "milliseconds = 2000", {"connect_limit_ms": 2000}, ""),
        (
            "agent_connect_max",
            "milliseconds = 2000",
            {"connect_limit_ms": 2001},
            "connects_too_late",
        ),
        ("agent_connect_max", "milliseconds = 2000", {}, "connect_limit_not_known"),
        ("abandon_message", 'statements = ["identity"]', {}, "abandon_message_not_known"),
        (
            "abandon_message",
            'statements = ["identity"]',
            {"abandon_message": ()},
            "abandon_message_incomplete",
        ),
        ("abandon_message", 'statements = ["identity"]', {"abandon_message": ("identity",)}, ""),
        (
            "abandon_message",
            'statements = ["identity"]\nwithin_ms = 2000',
            {"abandon_message": ("identity",), "connect_limit_ms": 2500},
            "abandon_message_too_late",
        ),
        (
            "abandon_message",
            'statements = ["identity"]\nwithin_ms = 2000',
            {"abandon_message": ("identity",)},
            "connect_limit_not_known",
        ),
    ],
)
def test_how_a_call_is_dialled(
    kind: str, params: str, fields: dict[str, object], expected: str
) -> None:
    assert code(ask(kind, params, **fields)) == expected


# --- figures ------------------------------------------------------------------------------------

MONTH_S = 30 * 86_400
LIMIT = 'max_rate = 0.03\nwindow = { unit = "campaign_30d" }'


def abandoned(answered: int, lost: int, **fields: object) -> Facts:
    stat = AbandonmentStat(window_s=MONTH_S, live_answered=answered, abandoned=lost)
    stat = msgspec.structs.replace(stat, **fields)
    return msgspec.structs.replace(facts(), abandonment=(stat,))


@pytest.mark.parametrize(
    ("extra", "known", "expected"),
    [
        ("", abandoned(100, 3), ""),
        ("", abandoned(100, 4), "abandonment_limit"),
        ("", abandoned(0, 0), ""),
        # Answered just before the window began, abandoned in it.
        ("", abandoned(0, 1), "abandonment_limit"),
        ("\nstop_at = 0.025", abandoned(0, 1), "abandonment_limit"),
        ("", facts(), "abandonment_not_known"),
        ("", abandoned(100, 0, window_s=86_400), "abandonment_not_known"),
        ("", abandoned(100, 0, scope=StatScope.COLLECTOR), "abandonment_not_known"),
        ("\nstop_at = 0.025", abandoned(1000, 24), ""),
        ("\nstop_at = 0.025", abandoned(1000, 25), "abandonment_limit"),
        ("\nmin_answered = 100", abandoned(3, 1), ""),
        ("\nmin_answered = 100", abandoned(20, 3), ""),
        ("\nmin_answered = 100", abandoned(20, 4), "abandonment_limit"),
        ('\ndenominator = "passed_or_abandoned"', abandoned(200, 3), "abandonment_not_known"),
        ('\ndenominator = "passed_or_abandoned"', abandoned(200, 3, passed_to_agent=97), ""),
        (
            '\ndenominator = "passed_or_abandoned"',
            abandoned(200, 3, passed_to_agent=96),
            "abandonment_limit",
        ),
        ('\ndenominator = "placed"', abandoned(10, 3, placed=100), ""),
    ],
)
def test_too_many_abandoned_calls(extra: str, known: Facts, expected: str) -> None:
    record = ask("abandonment_limit", LIMIT + extra, known)
    assert (code(record) if not record.allowed else "") == expected
    if expected == "":
        assert said(record).detail["abandoned"] == known.abandonment[0].abandoned


def test_an_abandonment_limit_is_released_when_its_period_ends() -> None:
    ends = NOON + 3 * DAY
    record = ask("abandonment_limit", LIMIT, abandoned(100, 9, resets_at=ends))
    assert (record.first_allowed, said(record).counter, said(record).limit) == (ends, 900, 300)
    rolling = ask("abandonment_limit", LIMIT, abandoned(100, 9))
    assert (rolling.first_allowed, rolling.releasing_event) == (None, "abandonment_fell")


def traffic(placed: int, short: int = 0, **fields: object) -> Facts:
    stat = TrafficStat(window_s=86_400, placed=placed, short=short, short_s=6)
    return msgspec.structs.replace(facts(), traffic=(msgspec.structs.replace(stat, **fields),))


SHORT = (
    'window = { unit = "rolling_hours", n = 24 }\n'
    "short_s = 6\nmax_short_share = 0.85\nabove = 100000"
)
VOLUME = 'window = { unit = "rolling_hours", n = 24 }\nabove = 500000\nattestation = ["A"]'


@pytest.mark.parametrize(
    ("params", "known", "fields", "expected"),
    [
        (SHORT, facts(), {}, "traffic_not_known"),
        (SHORT, traffic(100_000, 100_000), {}, ""),
        (SHORT, traffic(200_000, 169_999), {}, ""),
        (SHORT, traffic(200_000, 170_000), {}, "too_many_short_calls"),
        (SHORT + "\nstop_at = 0.7", traffic(200_000, 140_000), {}, "too_many_short_calls"),
        (SHORT, traffic(200_000, 190_000, short_s=3), {}, "traffic_not_known"),
        (VOLUME, traffic(500_000), {}, ""),
        (VOLUME, traffic(500_001), {}, "attestation_too_weak"),
        (VOLUME, traffic(500_001), {"attestation": Attestation.A}, ""),
        (VOLUME, facts(), {"attestation": Attestation.A}, ""),
        (VOLUME, facts(), {}, "traffic_not_known"),
    ],
)
def test_the_shape_of_the_traffic(
    params: str, known: Facts, fields: dict[str, object], expected: str
) -> None:
    assert code(ask("traffic_shape", params, known, **fields)) == expected


# --- recorded voices and recordings -------------------------------------------------------------


def test_recorded_voices_are_counted_by_line() -> None:
    """47 CFR 64.1200(a)(3)(ii): three in any thirty days to a line, whoever they were for."""
    params = 'max = 3\nwindow = { unit = "rolling_days", n = 30 }'
    shared = [phone(shared_with=(PersonId("other"),))]
    recorded = [
        event("a", NOON - 29 * DAY, prerecorded=True),
        event(
            "b",
            NOON - 9 * DAY,
            prerecorded=True,
            person_id=PersonId("other"),
            address=shared[0].address,
        ),
        event("c", NOON - 8 * DAY, prerecorded=True),
        event("d", NOON - 7 * DAY),
        event("e", NOON - 6 * DAY, EventKind.NOT_CONNECTED_BUSY, prerecorded=True),
    ]
    known = facts(points=shared, history=recorded)
    record = ask("prerecorded_cap", params, known, mode=Mode.IVR, prerecorded=True)
    assert (said(record).counter, said(record).event_ids) == (3, ("a", "b", "c"))
    assert record.first_allowed == local(ZONE, 2026, 11, 25)
    assert f"number:{shared[0].address}" in record.guards
    assert "tiny/rule" in ask("prerecorded_cap", params, known).passed


ALL_PARTIES = 'parties = "all"\nannounce = "recording_notice"\nconsent = { scope = "recording" }'


@pytest.mark.parametrize(
    ("params", "fields", "expected"),
    [
        ('parties = "one"', {"recorded": True}, ""),
        ('parties = "one"', {}, "recording_not_known"),
        (ALL_PARTIES, {"recorded": False}, ""),
        (ALL_PARTIES, {"recorded": True}, "statements_not_declared"),
        (ALL_PARTIES, {"recorded": True, "statements": ()}, "recording_without_consent"),
        (ALL_PARTIES, {"recorded": True, "statements": ("recording_notice",)}, ""),
        ('parties = "one"\npause = true', {"recorded": True}, "recording_pause_not_known"),
        (
            'parties = "one"\npause = true',
            {"recorded": True, "recording_can_pause": False},
            "recording_cannot_pause",
        ),
        ('parties = "one"\npause = true', {"recorded": True, "recording_can_pause": True}, ""),
    ],
)
def test_recording(params: str, fields: dict[str, object], expected: str) -> None:
    assert code(ask("recording_consent", params, **fields)) == expected


def test_a_consent_to_recording_serves_instead_of_the_notice() -> None:
    given = facts(consents=[consent(ConsentScope.RECORDING, NOON - DAY)])
    assert ask("recording_consent", ALL_PARTIES, given, recorded=True, statements=()).allowed
    later = facts(consents=[consent(ConsentScope.RECORDING, NOON + DAY)])
    record = ask("recording_consent", ALL_PARTIES, later, recorded=True, statements=())
    assert record.first_allowed == NOON + DAY


# --- retention ----------------------------------------------------------------------------------

THREE_YEARS = 'artefacts = ["call_log", "message"]\nstart = "last_activity"\nyears = 3'


def test_retention_never_stops_a_contact() -> None:
    record = ask("retention", THREE_YEARS)
    assert record.allowed
    assert "tiny/rule" not in record.passed


def test_the_longest_period_wins() -> None:
    rules = rule("retention", THREE_YEARS, name="a") + rule(
        "retention",
        'artefacts = ["all"]\nstart = "created"\nyears = 5\nlegal_hold = false',
        name="b",
    )
    periods = schedule(tiny_pack(rules), NOON)
    assert [(k.artefact, k.rule_id) for k in periods] == [
        ("all", "tiny/b"),
        ("call_log", "tiny/a"),
        ("message", "tiny/a"),
    ]
    made = datetime(2026, 1, 15, 18, tzinfo=UTC)
    active = datetime(2028, 2, 29, 18, tzinfo=UTC)
    started = {RetentionStart.CREATED: made, RetentionStart.LAST_ACTIVITY: active}
    assert keep_until(periods, "call_log", started) == datetime(2031, 3, 1, 12, tzinfo=UTC)
    assert keep_until(periods, "letter", started) == datetime(2031, 1, 16, 12, tzinfo=UTC)
    assert keep_until(periods, "call_log", started, on_hold=True) == FOREVER
    assert keep_until(periods, "letter", started, on_hold=True) == keep_until(
        periods, "letter", started
    )
    open_still = {RetentionStart.CREATED: made, RetentionStart.LAST_ACTIVITY: None}
    assert keep_until(periods, "call_log", open_still) == FOREVER
    assert keep_until((), "call_log", started) is None


def test_a_schedule_is_of_the_packs_and_the_time() -> None:
    """NRS 649.313 asks for three years; a law not yet in force asks for nothing."""
    later = rule("retention", THREE_YEARS, extra="effective_from = 2027-01-01")
    loaded = tiny_pack(later)
    assert schedule(loaded, NOON) == ()
    assert [keep.years for keep in schedule(loaded, NOON + 60 * DAY)] == [3, 3]
    assert schedule(loaded, NOON + 60 * DAY, only=frozenset({"marcador"})) == ()


def test_months_end_on_a_day_that_exists() -> None:
    keep = Keep(
        rule_id="r",
        artefact="message",
        start=RetentionStart.CREATED,
        months=1,
        citation=tiny_pack(rule("retention", THREE_YEARS)).heads["tiny/rule"].citation,
    )
    assert keep.until(datetime(2026, 1, 31, 3, tzinfo=UTC)) == datetime(2026, 3, 1, 12, tzinfo=UTC)


# --- content ------------------------------------------------------------------------------------

LIMITED = (
    'require = ["business_name", "reply_request", "contact_name", "callback_number"]\n'
    'allow_only = ["salutation", "date_time", "suggested_times", "any_representative"]'
)
BASICS = ("business_name", "reply_request", "contact_name", "callback_number")


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (BASICS, ""),
        ((*BASICS, "salutation", "any_representative"), ""),
        (BASICS[:3], "statement_missing"),
        ((*BASICS, "creditor_name"), "statement_forbidden"),
        (None, "statements_not_declared"),
    ],
)
def test_a_limited_content_message_says_that_and_no_more(
    statements: tuple[str, ...] | None, expected: str
) -> None:
    """12 CFR 1006.2(j)(1), (2): what it must hold, what it may, and nothing else."""
    record = ask(
        "content_rule", LIMITED, content=ContentClass.VOICEMAIL_LIMITED, statements=statements
    )
    assert code(record) == expected


@pytest.mark.parametrize(
    ("params", "fields", "expected"),
    [
        (
            'forbid_classes = ["verified"]',
            {"content": ContentClass.VERIFIED},
            "content_class_forbidden",
        ),
        ('forbid_classes = ["verified"]', {}, ""),
        ('forbid = ["threat"]', {"statements": ("threat",)}, "statement_forbidden"),
        ('forbid = ["threat"]', {"statements": ()}, ""),
        (
            'forbid_phrases = ["citación judicial"]',
            {"text": "CITACION  JUDICIAL urgente"},
            "phrase_forbidden",
        ),
        ('forbid_phrases = ["citación judicial"]', {"text": "una citación"}, ""),
        ('forbid_phrases = ["citación judicial"]', {}, ""),
    ],
)
def test_what_must_not_be_said(params: str, fields: dict[str, object], expected: str) -> None:
    assert code(ask("content_rule", params, **fields)) == expected


@pytest.mark.parametrize(
    ("kind", "params", "reason"),
    [
        ("content_rule", "", "nothing is asked for"),
        ("content_rule", 'forbid = ["a"]\nrequire = ["a"]', "also asked for"),
        ("sender_identity", "", "nothing is asked for"),
        ("language_access", "", "nothing is asked for"),
        ("recording_consent", 'parties = "all"', "nothing would ever do"),
        ("retention", 'artefacts = ["all"]\nstart = "created"', "empty"),
        ("number_check", 'check = "rnd"\nrequired = false', "nothing to check"),
        ("number_check", 'check = "rnd"\nrefuse = ["a"]\naccept = ["a"]', "also in accept"),
        ("abandonment_limit", LIMIT + "\nstop_at = 0.05", "not below"),
        ("traffic_shape", 'window = { unit = "calendar_day" }\nshort_s = 6', "goes with"),
        ("traffic_shape", 'window = { unit = "calendar_day" }', "nothing is asked for"),
        ("recipient_rule", "", "all empty"),
        ("min_spacing", 'count = { basis = "attempt" }', "or hours"),
        ("min_spacing", 'hours = 2\ncount = { channels = ["sms"] }', "or a basis"),
    ],
)
def test_parameters_that_make_no_sense(kind: str, params: str, reason: str) -> None:
    with pytest.raises(PackError, match=reason):
        tiny_pack(rule(kind, params))


# --- recipients within limits -------------------------------------------------------------------

LOCATION = (
    'allow = ["holder"]\ndeny = ["employer"]\n'
    'limited = [{ roles = ["relative", "employer"], content = ["neutral"],'
    ' script = "location_only", max = 1 }]'
)


@pytest.mark.parametrize(
    ("role", "fields", "reached", "expected"),
    [
        (PartyRole.RELATIVE, {"statements": ("location_only",)}, 0, ""),
        (PartyRole.RELATIVE, {"statements": ("location_only",)}, 1, "role_contacts_spent"),
        (PartyRole.RELATIVE, {}, 0, "statement_missing"),
        (
            PartyRole.RELATIVE,
            {"statements": ("location_only",), "content": ContentClass.VERIFIED},
            0,
            "role_content",
        ),
        (PartyRole.EMPLOYER, {"statements": ("location_only",)}, 0, "role_forbidden"),
        (PartyRole.SPOUSE, {"statements": ("location_only",)}, 0, "role_forbidden"),
        (PartyRole.HOLDER, {}, 1, ""),
    ],
)
def test_roles_within_limits(
    role: PartyRole, fields: dict[str, object], reached: int, expected: str
) -> None:
    """12 CFR 1006.10(c): location information from a third party once, in the form given."""
    history = [
        event(f"e{n}", NOON - DAY, EventKind.ANSWERED_THIRD_PARTY, role=PartyRole.RELATIVE)
        for n in range(reached)
    ]
    known = facts(points=[phone(role=role)], history=history)
    fields = {"content": ContentClass.NEUTRAL} | fields
    assert code(ask("recipient_rule", LOCATION, known, **fields)) == expected


def test_everybody_but() -> None:
    params = 'deny = ["reference", "employer"]'
    assert ask("recipient_rule", params, facts(points=[phone(role=PartyRole.SPOUSE)])).allowed
    employer = facts(points=[phone(role=PartyRole.EMPLOYER)])
    assert stops(ask("recipient_rule", params, employer)) == ["tiny/rule"]
