"""Every write to a subject reaches its table and the profile, and nothing loosens by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from compliance.messages import ConsentFact, PreferenceFact, SuppressionFact
from compliance.types import (
    Channel,
    ConsentScope,
    ConsentType,
    DebtClass,
    DebtStatus,
    PartyRole,
    PersonId,
    PointLabel,
    StatusKind,
    StreamKey,
    SuppressionScope,
    Validity,
)
from dialer.core.records import SubjectChanged, from_ms
from dialer.core.writes import (
    AddConsent,
    AddPreference,
    AddStatus,
    AddSuppression,
    ForbidWork,
    OptOutPoint,
    RevokeConsent,
    SetDebtStatus,
    SetLanguage,
    SetPointRole,
    SetValidity,
    SubjectWrite,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.profiles import wide_suppressions
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent
from dialer.stores.ledger.subjects import (
    add_wide_suppression,
    apply_subject_writes,
    end_wide_suppression,
)
from tests.stores.ledger.relational.world import (
    NOW_MS,
    account,
    bring_in,
    new_context,
    party,
    phone,
    point,
    profiles_agree,
    subject,
)

ANA, LUIS = "11111111-1", "22222222-2"
MOBILE, OFFICE, AVAL = "+56911111111", "+56222222222", "+56933333333"


@pytest.fixture
async def people(ledger: Ledger) -> None:
    """Ana with two phones, and Luis who guarantees her debt and has one of his own."""
    context = await new_context(ledger)
    ana = party(ANA, phone(MOBILE), phone(OFFICE, label=PointLabel.WORK, rank=1))
    luis = party(LUIS, phone(AVAL), role=PartyRole.GUARANTOR, name="Luis Soto")
    await bring_in(
        ledger, context, account("A1", ana, luis), account("B1", party(LUIS, phone(AVAL)))
    )


async def write(ledger: Ledger, *writes: SubjectWrite) -> None:
    async with ledger.write() as conn:
        await apply_subject_writes(conn, writes)
    await profiles_agree(ledger)


async def id_of(ledger: Ledger, document: str) -> PersonId:
    return (await subject(ledger, document)).person.person_id


@pytest.mark.usefixtures("people")
async def test_a_profile_holds_what_the_gate_needs(ledger: Ledger) -> None:
    ana = await subject(ledger, ANA)
    assert ana.person.residence is not None
    assert ana.person.residence.subdivision == "CL-RM"
    assert ana.person.zones == ("America/Santiago",)
    assert [p.address for p in ana.contact_points] == [MOBILE, OFFICE]
    mobile = point(ana, MOBILE)
    assert (mobile.region, mobile.zones) == ("CL", ("America/Santiago",))
    assert mobile.acquired_at == from_ms(NOW_MS)
    (debt,) = ana.debts
    assert debt.creditor_id == "creditor-cartera"
    assert debt.role is PartyRole.HOLDER
    assert debt.status is DebtStatus.OVERDUE
    assert debt.balance_as_of == from_ms(NOW_MS)
    luis = await subject(ledger, LUIS)
    assert {d.role for d in luis.debts} == {PartyRole.HOLDER, PartyRole.GUARANTOR}


@pytest.mark.usefixtures("people")
async def test_status_is_told_once(ledger: Ledger) -> None:
    ana = await id_of(ledger, ANA)
    cease = AddStatus(person_id=ana, kind=StatusKind.CEASE, since_ms=NOW_MS, source="call")
    await write(ledger, cease)
    await write(ledger, AddStatus(person_id=ana, kind=StatusKind.CEASE, since_ms=NOW_MS + 5))
    (status,) = (await subject(ledger, ANA)).person.statuses
    assert (status.kind, status.since, status.source) == (
        StatusKind.CEASE,
        from_ms(NOW_MS),
        "call",
    )


@pytest.mark.usefixtures("people")
async def test_the_newest_validity_counts_and_an_older_one_is_ignored(ledger: Ledger) -> None:
    ana = await subject(ledger, ANA)
    mobile = point(ana, MOBILE).contact_point_id

    def said(validity: Validity, at_ms: int) -> SetValidity:
        return SetValidity(
            person_id=ana.person.person_id,
            contact_point_id=mobile,
            validity=validity,
            at_ms=at_ms,
        )

    await write(
        ledger,
        said(Validity.DISCONNECTED, NOW_MS + 20),
        said(Validity.VERIFIED_RIGHT_PARTY, NOW_MS + 10),
    )
    assert point(await subject(ledger, ANA), MOBILE).validity is Validity.DISCONNECTED
    await write(ledger, said(Validity.VERIFIED_RIGHT_PARTY, NOW_MS + 15))
    assert point(await subject(ledger, ANA), MOBILE).validity is Validity.DISCONNECTED
    await write(ledger, said(Validity.VERIFIED_RIGHT_PARTY, NOW_MS + 30))
    assert point(await subject(ledger, ANA), MOBILE).validity is Validity.VERIFIED_RIGHT_PARTY


@pytest.mark.usefixtures("people")
async def test_points_are_opted_out_forbidden_and_given_away(ledger: Ledger) -> None:
    ana = await subject(ledger, ANA)
    person_id = ana.person.person_id
    mobile, office = (point(ana, address).contact_point_id for address in (MOBILE, OFFICE))
    await write(
        ledger,
        OptOutPoint(person_id=person_id, contact_point_id=mobile, at_ms=NOW_MS + 9),
        OptOutPoint(person_id=person_id, contact_point_id=mobile, at_ms=NOW_MS + 7),
        ForbidWork(person_id=person_id, contact_point_id=office),
        ForbidWork(person_id=person_id, contact_point_id=office),
        SetPointRole(person_id=person_id, contact_point_id=office, role=PartyRole.EMPLOYER),
        SetLanguage(person_id=person_id, language="en"),
    )
    await write(ledger, OptOutPoint(person_id=person_id, contact_point_id=mobile, at_ms=NOW_MS + 8))
    after = await subject(ledger, ANA)
    assert point(after, MOBILE).opted_out_at == from_ms(NOW_MS + 7)
    assert point(after, OFFICE).work_forbidden
    assert point(after, OFFICE).role is PartyRole.EMPLOYER
    assert not point(after, MOBILE).work_forbidden
    assert after.person.language == "en"


@pytest.mark.usefixtures("people")
async def test_what_is_done_to_an_account_reaches_every_party(ledger: Ledger) -> None:
    ana = await subject(ledger, ANA)
    (debt,) = ana.debts
    for scope, target in (
        (SuppressionScope.ACCOUNT, str(debt.account_id)),
        (SuppressionScope.DEBT, str(debt.debt_id)),
        (SuppressionScope.PERSON, None),
    ):
        await write(
            ledger,
            AddSuppression(
                person_id=ana.person.person_id,
                suppression_id=f"s-{scope}",
                scope=scope,
                target_id=target,
                reason="dispute",
                starts_ms=NOW_MS,
                created_by="test",
            ),
        )
    await write(
        ledger,
        SetDebtStatus(
            person_id=ana.person.person_id, debt_id=debt.debt_id, status=DebtStatus.DISPUTED
        ),
    )
    ana, luis = await subject(ledger, ANA), await subject(ledger, LUIS)
    assert {s.suppression_id for s in ana.suppressions} == {"s-account", "s-debt", "s-person"}
    assert {s.suppression_id for s in luis.suppressions} == {"s-account", "s-debt"}
    statuses = {d.debt_id: d.status for d in luis.debts}
    assert statuses.pop(debt.debt_id) is DebtStatus.DISPUTED
    assert list(statuses.values()) == [DebtStatus.OVERDUE]


@pytest.mark.usefixtures("people")
async def test_consents_and_preferences_come_and_go(ledger: Ledger) -> None:
    ana = await id_of(ledger, ANA)
    consent = ConsentFact(
        consent_id="c1",
        scope=ConsentScope.CHANNEL,
        type=ConsentType.WRITTEN,
        given_at=datetime(2026, 5, 1, tzinfo=UTC),
        given_to="creditor",
        channel=Channel.SMS,
        expires_at=datetime(2027, 5, 1, tzinfo=UTC),
        evidence="form 7",
    )
    wish = PreferenceFact(
        preference_id="p1", at=from_ms(NOW_MS), forbidden_labels=(PointLabel.WORK,), source="call"
    )
    await write(
        ledger,
        AddConsent(person_id=ana, consent=consent),
        AddPreference(person_id=ana, preference=wish),
    )
    after = await subject(ledger, ANA)
    assert after.consents == (consent,)
    assert after.preferences == (wish,)
    await write(ledger, RevokeConsent(person_id=ana, consent_id="c1", at_ms=NOW_MS + 4))
    await write(ledger, AddConsent(person_id=ana, consent=consent))
    (revoked,) = (await subject(ledger, ANA)).consents
    assert revoked.revoked_at == from_ms(NOW_MS + 4)


@pytest.mark.usefixtures("people")
async def test_an_event_and_its_writes_stand_or_fall_together(
    ledger: Ledger, store: EventStore
) -> None:
    ana = await id_of(ledger, ANA)

    def event(expected_head: int) -> NewEvent:
        return NewEvent(
            person_id=ana,
            at_ms=NOW_MS,
            body=SubjectChanged(change="status", value="cease", actor="agent-1"),
            expected={StreamKey(ana): expected_head},
            writes=(AddStatus(person_id=ana, kind=StatusKind.CEASE, since_ms=NOW_MS),),
        )

    assert await store.append([event(expected_head=7)]) == [None]
    assert not (await subject(ledger, ANA)).person.statuses
    (result,) = await store.append([event(expected_head=1)])
    assert isinstance(result, Appended)
    assert [s.kind for s in (await subject(ledger, ANA)).person.statuses] == [StatusKind.CEASE]


@pytest.mark.usefixtures("people")
async def test_wide_suppressions_are_in_nobodys_profile_and_in_everybodys_facts(
    ledger: Ledger,
) -> None:
    async with ledger.write() as conn:
        stopped = await add_wide_suppression(
            conn,
            scope=SuppressionScope.CREDITOR,
            target_id="creditor-cartera",
            reason="legal",
            actor="officer",
            now_ms=NOW_MS,
        )
    async with ledger.read() as conn:
        assert await wide_suppressions(conn) == (
            SuppressionFact(
                suppression_id=stopped,
                scope=SuppressionScope.CREDITOR,
                reason="legal",
                starts_at=from_ms(NOW_MS),
                target_id="creditor-cartera",
            ),
        )
    assert not (await subject(ledger, ANA)).suppressions
    async with ledger.write() as conn:
        await end_wide_suppression(conn, stopped, actor="officer", now_ms=NOW_MS + 1)
    async with ledger.read() as conn:
        (ended,) = await wide_suppressions(conn)
        assert ended.ends_at == from_ms(NOW_MS + 1)


async def test_wide_suppressions_have_a_wide_scope(ledger: Ledger) -> None:
    async with ledger.write() as conn:
        with pytest.raises(ValueError, match="tenant or creditor"):
            await add_wide_suppression(
                conn, scope=SuppressionScope.PERSON, reason="x", actor="officer", now_ms=NOW_MS
            )
        with pytest.raises(ValueError, match="which creditor"):
            await add_wide_suppression(
                conn, scope=SuppressionScope.CREDITOR, reason="x", actor="officer", now_ms=NOW_MS
            )
        with pytest.raises(LookupError, match="no open suppression"):
            await end_wide_suppression(conn, "nothing", actor="officer", now_ms=NOW_MS)


async def test_student_loans_under_one_number_count_as_one(ledger: Ledger) -> None:
    loans = await new_context(ledger, "loans", debt_class=DebtClass.STUDENT)
    await bring_in(ledger, loans, account("L1", party(ANA)))
    await bring_in(ledger, await new_context(ledger), account("A1", party(LUIS)))
    (loan,) = (await subject(ledger, ANA)).debts
    (debt,) = (await subject(ledger, LUIS)).debts
    assert (loan.account_number_key, debt.account_number_key) == ("L1", None)
