"""Every code is whole, and is chosen as the network or the agent's rights say."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import effects as fx
from campaigns.dispositions import (
    Answerer,
    CallEnding,
    CallResult,
    ContactClass,
    Counts,
    DispositionCode,
    DispositionTableError,
    Field,
    Identity,
    NonPaymentReason,
    SetBy,
    allowed_for_agent,
    automatic_code,
    automatic_outcome,
    bundled,
    disposition,
    missing_fields,
    non_payment_reasons,
    outcome_of,
    parse_table,
    required_fields,
)
from campaigns.effects import StepAction
from compliance.types import (
    Channel,
    DebtStatus,
    EventKind,
    PartyRole,
    StatusKind,
    SuppressionScope,
    Validity,
)

Code = DispositionCode
TABLE = (files("campaigns") / "data" / "dispositions.toml").read_text(encoding="utf-8")

NOT_CONNECTED = {
    EventKind.NOT_CONNECTED_BUSY,
    EventKind.NOT_CONNECTED_NETWORK,
    EventKind.NOT_CONNECTED_OUT_OF_SERVICE,
}


# --- the table -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_whole_entry(code: Code) -> None:
    entry = disposition(code)
    assert entry.code is code
    assert entry.es
    assert entry.en
    assert entry.name("es-CL") == entry.es
    assert entry.name("en-US") == entry.en
    assert entry.level is ContactClass(code.value.split("-")[0])
    assert entry.retry[-1].up_to is None
    for rung in entry.retry:
        waits = rung.action is StepAction.WAIT_FOR_EVENT
        assert (rung.waits_for is not None) == (waits or rung.uses is fx.StateInstant.FIRST_ALLOWED)


def test_the_table_keeps_the_order_of_the_codes() -> None:
    assert list(bundled()) == list(Code)
    assert len(Code) == 47


@pytest.mark.parametrize("code", list(Code))
def test_the_counts_column_agrees_with_how_laws_count_the_outcome(code: Code) -> None:
    entry = disposition(code)
    if entry.counts is Counts.NO:
        assert entry.outcome is None or entry.outcome in NOT_CONNECTED | {
            EventKind.CONSENT_REVOKED,
            EventKind.MESSAGE_BOUNCED,
            EventKind.INBOUND_MESSAGE,
        }
    if entry.counts is Counts.YES:
        assert entry.outcome is not None
        assert entry.outcome not in NOT_CONNECTED


def test_only_a_block_and_a_payment_are_no_contact() -> None:
    without = {code for code in Code if disposition(code).outcome is None}
    assert without == {Code.BLOCKED_BY_COMPLIANCE, Code.PAID_BY_LINK}


def test_talking_to_the_person_is_a_conversation() -> None:
    direct = {code for code in Code if code.level is ContactClass.DIRECT} - {Code.DECEASED}
    assert {disposition(code).outcome for code in direct} == {EventKind.CONVERSATION}
    assert disposition(Code.DECEASED).outcome is EventKind.ANSWERED_THIRD_PARTY


def effects_of(code: Code) -> tuple[fx.Effect, ...]:
    return disposition(code).effects


def has_suppression(code: Code, scope: SuppressionScope, channel: Channel | None = None) -> bool:
    return any(
        isinstance(effect, fx.Suppress) and effect.scope is scope and effect.channel is channel
        for effect in effects_of(code)
    )


@pytest.mark.parametrize(
    ("code", "validity"),
    [
        (Code.DISCONNECTED, Validity.DISCONNECTED),
        (Code.WRONG_NUMBER, Validity.WRONG_NUMBER),
        (Code.THIRD_PARTY_KNOWS, Validity.THIRD_PARTY),
    ],
)
def test_codes_that_change_the_number(code: Code, validity: Validity) -> None:
    assert fx.SetValidity(validity=validity) in effects_of(code)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.CEASE, StatusKind.CEASE),
        (Code.ATTORNEY, StatusKind.ATTORNEY),
        (Code.DECEASED, StatusKind.DECEASED),
    ],
)
def test_codes_that_stop_the_person_for_ever(code: Code, status: StatusKind) -> None:
    assert fx.AddStatus(status=status) in effects_of(code)
    stops = [effect for effect in effects_of(code) if isinstance(effect, fx.Suppress)]
    assert [(stop.scope, stop.channel) for stop in stops] == [(SuppressionScope.PERSON, None)]
    assert (stops[0].duration, stops[0].business_days, stops[0].until) == (None, None, None)
    assert [rung.action for rung in disposition(code).retry] == [StepAction.DONE]


def test_holds_and_flags_of_the_other_codes() -> None:
    assert fx.ForbidWork() in effects_of(Code.WORK_REFUSED)
    assert fx.SetRole(role=PartyRole.REFERENCE) in effects_of(Code.REFERENCE_REACHED)
    assert has_suppression(Code.FAX, SuppressionScope.CONTACT_POINT)
    assert has_suppression(Code.BANKRUPTCY, SuppressionScope.ACCOUNT)
    assert has_suppression(Code.PROMISE, SuppressionScope.DEBT, Channel.VOICE)
    assert has_suppression(Code.PLAN, SuppressionScope.DEBT, Channel.VOICE)
    assert has_suppression(Code.VULNERABLE, SuppressionScope.PERSON, Channel.VOICE)
    assert has_suppression(Code.COMPLAINT, SuppressionScope.PERSON)
    for code, status in (
        (Code.DISPUTES_AMOUNT, DebtStatus.DISPUTED),
        (Code.NOT_MINE, DebtStatus.DISPUTED),
        (Code.SERVICE_COMPLAINT, DebtStatus.PAUSED),
        (Code.CLAIMS_PAID, DebtStatus.PAYMENT_CLAIMED),
    ):
        holds = [effect for effect in effects_of(code) if isinstance(effect, fx.HoldDebt)]
        assert [hold.status for hold in holds] == [status]
        assert all(hold.until is not None for hold in holds)
    opt_out = next(e for e in effects_of(Code.OPT_OUT) if isinstance(e, fx.Suppress))
    assert opt_out.own_channel
    assert fx.ConfirmOptOut(at_latest=timedelta(minutes=5)) in effects_of(Code.OPT_OUT)
    assert fx.DemotePhone(after=8, within=timedelta(days=30)) in effects_of(Code.NO_ANSWER)
    assert fx.DemotePhone(after=2, within=timedelta(days=30)) in effects_of(Code.THIRD_PARTY_KNOWS)
    assert fx.ChangeIntensity(by=1) in effects_of(Code.REFUSES)
    assert fx.ChangeIntensity(by=-1) in effects_of(Code.HARDSHIP)


# --- a table that is not whole ----------------------------------------------------------------


def test_a_missing_code_is_named() -> None:
    start = TABLE.index("[CD-FA]")
    broken = TABLE[:start] + TABLE[TABLE.index("[CD-VU]") :]
    with pytest.raises(DispositionTableError, match=r"mine\.toml: no entry for CD-FA"):
        parse_table(broken, "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('en = "Busy"', 'en = "Busy"\ncolour = "red"', r"\[NC-OC\].*colour"),
        ('outcome = "fax"', 'outcome = "phax"', r"\[NC-FX\].*phax.*outcome"),
        ('do = "forbid_work"', 'do = "forbid_home"', r"\[CI-LB\].*forbid_home"),
        (
            'retry = [{ delay = "P3D", mode',
            'retry = [{ delay = "3 days", mode',
            r"\[SY-AB\].*delay",
        ),
        (
            'retry = [{ up_to = 2, delay = "PT30M" }, { as_code = "NC-NA" }]',
            'retry = [{ up_to = 2, delay = "PT30M" }]',
            r"\[NC-OC\]: the last step of retry has up_to",
        ),
        (
            'retry = [{ up_to = 3, delay = "PT15M" }, { delay = "P1D" }]',
            'retry = [{ delay = "PT15M" }, { delay = "P1D" }]',
            r"\[SY-ER\]: every step of retry but the last needs an up_to",
        ),
        (
            'retry = [{ up_to = 3, delay = "PT15M" }, { delay = "P1D" }]',
            'retry = [{ up_to = 3, delay = "PT15M" }, { as_code = "NC-OC" }]',
            r"\[SY-ER\]: as_code NC-OC leads to another",
        ),
        (
            'retry = [{ action = "wait_for_event", waits_for = "complaint_closed" }]',
            'retry = [{ action = "wait_for_event" }]',
            r"\[CD-QJ\]: .* needs waits_for",
        ),
        ("after = 8", "after = 0", r"\[NC-NA\]: an effect's after"),
        ('delay = "P14D"', 'delay = "-P14D"', r"\[CD-DF\]: a delay cannot be negative"),
    ],
)
def test_a_wrong_entry_is_named_with_its_fault(old: str, new: str, message: str) -> None:
    assert TABLE.count(old) >= 1
    with pytest.raises(DispositionTableError, match=message):
        parse_table(TABLE.replace(old, new, 1), "mine.toml")


def test_an_empty_ladder_and_an_unknown_code_are_refused() -> None:
    start = TABLE.index("retry", TABLE.index("[DG-PE]"))
    end = TABLE.index("\n", start)
    with pytest.raises(DispositionTableError, match=r"\[DG-PE\]: retry is empty"):
        parse_table(TABLE[:start] + "retry = []" + TABLE[end:], "mine.toml")
    with pytest.raises(DispositionTableError, match="XX-YY"):
        parse_table(TABLE.replace("[DG-PE]", "[XX-YY]"), "mine.toml")
    with pytest.raises(DispositionTableError, match=r"mine\.toml: "):
        parse_table("[NC-NA", "mine.toml")


# --- agents ----------------------------------------------------------------------------------


def test_without_identity_no_code_that_presupposes_talk_of_the_debt() -> None:
    codes = allowed_for_agent(identity_verified=False, country="US")
    assert not {
        Code.PROMISE,
        Code.PLAN,
        Code.PAID_ON_CALL,
        Code.CLAIMS_PAID,
        Code.REFUSES,
        Code.HARDSHIP,
        Code.DISPUTES_AMOUNT,
        Code.RIGHT_PARTY_HUNG_UP,
    } & set(codes)
    assert {Code.NOT_VERIFIED, Code.WRONG_NUMBER, Code.THIRD_PARTY_KNOWS, Code.DECEASED} <= set(
        codes
    )


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("country", ["US", "CO", None])
def test_whatever_stops_or_protects_is_always_offered(verified: bool, country: str | None) -> None:
    codes = allowed_for_agent(identity_verified=verified, country=country)
    assert {
        Code.CEASE,
        Code.ATTORNEY,
        Code.NOT_THIS_WAY,
        Code.COMPLAINT,
        Code.NOT_MINE,
        Code.VULNERABLE,
        Code.BANKRUPTCY,
    } <= set(codes)


def test_with_identity_nobody_else_can_have_answered() -> None:
    codes = allowed_for_agent(identity_verified=True, country="US")
    assert Code.NOT_VERIFIED not in codes
    assert not [code for code in codes if code.level is ContactClass.INDIRECT]
    assert Code.PROMISE in codes


@pytest.mark.parametrize("verified", [False, True])
def test_agents_never_set_what_only_the_network_knows(verified: bool) -> None:
    for channel in Channel:
        for code in allowed_for_agent(identity_verified=verified, country="MX", channel=channel):
            assert disposition(code).set_by is not SetBy.SYSTEM
            identity = disposition(code).identity
            assert identity is Identity.ANY or (identity is Identity.VERIFIED) == verified


def test_visits_are_offered_for_visits_and_not_in_colombia() -> None:
    def visits(country: str | None, channel: Channel = Channel.VISIT) -> list[Code]:
        codes = allowed_for_agent(identity_verified=False, country=country, channel=channel)
        return [code for code in codes if code.level is ContactClass.VISIT]

    assert visits("MX") == [Code.VISIT_MET, Code.VISIT_NOT_MET]
    assert visits("CO") == []
    assert visits(None) == []
    assert visits("MX", Channel.VOICE) == []


def test_written_channels_offer_the_opt_out_and_no_call_codes() -> None:
    codes = allowed_for_agent(identity_verified=False, country="US", channel=Channel.SMS)
    assert Code.OPT_OUT in codes
    assert not [c for c in codes if c.level in (ContactClass.NO_CONTACT, ContactClass.SYSTEM)]


def test_required_fields() -> None:
    assert required_fields(Code.PROMISE) == (Field.AMOUNT, Field.DUE_DATE)
    assert required_fields(Code.CALLBACK) == (Field.CALLBACK_AT, Field.CALLBACK_AGENT)
    assert required_fields(Code.CEASE) == ()
    assert missing_fields(Code.PROMISE, {Field.AMOUNT}) == (Field.DUE_DATE,)
    assert missing_fields(Code.PROMISE, list(Field)) == ()


def test_nobody_asks_why_in_colombia_nor_where_the_country_is_unknown() -> None:
    assert non_payment_reasons("CO") == ()
    assert non_payment_reasons(None) == ()
    assert non_payment_reasons("MX") == tuple(NonPaymentReason)


# --- the network -----------------------------------------------------------------------------

E = CallEnding


@pytest.mark.parametrize(
    ("call", "code", "outcome"),
    [
        (CallResult(ending=E.BUSY), Code.BUSY, EventKind.NOT_CONNECTED_BUSY),
        (CallResult(ending=E.NO_ANSWER, rang=True), Code.NO_ANSWER, EventKind.RANG_NO_ANSWER),
        (CallResult(ending=E.NO_ANSWER), Code.NO_ANSWER, EventKind.RANG_NO_ANSWER),
        (CallResult(ending=E.UNAVAILABLE), Code.NO_ANSWER, EventKind.RANG_NO_ANSWER),
        (
            CallResult(ending=E.NOT_IN_SERVICE),
            Code.DISCONNECTED,
            EventKind.NOT_CONNECTED_OUT_OF_SERVICE,
        ),
        (CallResult(ending=E.REJECTED), Code.CARRIER_BLOCKED, EventKind.NOT_CONNECTED_NETWORK),
        (CallResult(ending=E.REJECTED, rang=True), Code.NO_ANSWER, EventKind.RANG_NO_ANSWER),
        (CallResult(ending=E.BUSY, rang=True), Code.NO_ANSWER, EventKind.RANG_NO_ANSWER),
        (CallResult(ending=E.FAILED, rang=True), Code.NO_ANSWER, EventKind.RANG_NO_ANSWER),
        (CallResult(ending=E.CONGESTION), Code.TECHNICAL_ERROR, EventKind.NOT_CONNECTED_NETWORK),
        (CallResult(ending=E.ROUTE_DOWN), Code.TECHNICAL_ERROR, EventKind.NOT_CONNECTED_NETWORK),
        (CallResult(ending=E.FAILED), Code.TECHNICAL_ERROR, EventKind.NOT_CONNECTED_NETWORK),
        (CallResult(ending=E.CANCELLED), Code.NO_ANSWER, EventKind.DIAL_REQUESTED),
        (CallResult(ending=E.CANCELLED, rang=True), Code.NO_ANSWER, EventKind.RANG_NO_ANSWER),
        (CallResult(ending=E.UNKNOWN), Code.NO_ANSWER, EventKind.DIAL_REQUESTED),
        (
            CallResult(ending=E.NORMAL_CALLEE, answered=True, answerer=Answerer.HUMAN),
            Code.HUNG_UP_BEFORE_TALK,
            EventKind.ANSWERED_DROPPED,
        ),
        (
            CallResult(ending=E.NORMAL_CALLEE, answered=True, abandoned=True),
            Code.ABANDONED,
            EventKind.ABANDONED,
        ),
        (CallResult(ending=E.NORMAL_CALLER, answered=True), Code.ABANDONED, EventKind.ABANDONED),
        (CallResult(ending=E.FAILED, answered=True), Code.ABANDONED, EventKind.ABANDONED),
        (CallResult(ending=E.UNKNOWN, answered=True), Code.ABANDONED, EventKind.ABANDONED),
        (
            CallResult(ending=E.NORMAL_CALLER, answered=True, answerer=Answerer.UNSURE),
            Code.ABANDONED,
            EventKind.ABANDONED,
        ),
        (
            CallResult(ending=E.NORMAL_CALLER, answered=True, answerer=Answerer.MACHINE),
            Code.VOICEMAIL_NO_MESSAGE,
            EventKind.MACHINE_NO_MESSAGE,
        ),
        (
            CallResult(
                ending=E.NORMAL_CALLER, answered=True, answerer=Answerer.MACHINE, message_left=True
            ),
            Code.VOICEMAIL_MESSAGE,
            EventKind.MACHINE_MESSAGE,
        ),
        (
            CallResult(ending=E.NORMAL_CALLER, answered=True, answerer=Answerer.FAX),
            Code.FAX,
            EventKind.FAX,
        ),
        (
            CallResult(ending=E.NORMAL_CALLEE, answered=True, bridged=True),
            None,
            EventKind.CONVERSATION,
        ),
    ],
)
def test_how_a_call_ended_gives_its_code(
    call: CallResult, code: Code | None, outcome: EventKind
) -> None:
    assert automatic_code(call) is code
    assert automatic_outcome(call) is outcome


CALLS = st.builds(
    CallResult,
    ending=st.sampled_from(CallEnding),
    rang=st.booleans(),
    answered=st.booleans(),
    answerer=st.none() | st.sampled_from(Answerer),
    bridged=st.booleans(),
    abandoned=st.booleans(),
    message_left=st.booleans(),
)


@given(CALLS)
def test_a_call_that_reached_somebody_always_counts(call: CallResult) -> None:
    code, outcome = automatic_code(call), automatic_outcome(call)
    assert (code is None) == call.bridged
    if call.rang or call.answered or call.abandoned or call.bridged:
        assert outcome not in NOT_CONNECTED
    if code is not None:
        assert disposition(code).set_by is not SetBy.AGENT


def test_a_technical_error_counts_only_after_an_answer() -> None:
    assert outcome_of(Code.TECHNICAL_ERROR, answered=False) is EventKind.NOT_CONNECTED_NETWORK
    assert outcome_of(Code.TECHNICAL_ERROR, answered=True) is EventKind.ANSWERED_DROPPED
    assert outcome_of(Code.BUSY, answered=False) is EventKind.NOT_CONNECTED_BUSY
