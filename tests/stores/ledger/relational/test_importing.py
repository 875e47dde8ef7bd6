"""Imports: what a file changes, what it never changes, and that a batch is whole or absent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from functools import partial

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.portfolio.model import FlagAction, FlagKind, ImportedAccount, ImportedConsent
from compliance.types import (
    Channel,
    ConsentScope,
    DebtStatus,
    PartyRole,
    PointLabel,
    StatusKind,
    StreamKey,
    SuppressionScope,
    Validity,
)
from dialer.core.records import SubjectChanged, from_ms
from dialer.core.writes import (
    AddSuppression,
    ForbidWork,
    OptOutPoint,
    RevokeConsent,
    SetDebtStatus,
    SetPointRole,
    SetValidity,
)
from dialer.stores.ledger.bulk import Bulk, Row
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.importing import (
    ImportContext,
    active_accounts,
    import_batch,
    load_typical,
    recall_accounts,
)
from dialer.stores.ledger.jobs import note_progress
from dialer.stores.ledger.profiles import read_subjects
from dialer.stores.ledger.reviews import AlreadyResolved, list_reviews, resolve_review
from dialer.stores.ledger.streams import EventStore, NewEvent
from dialer.stores.ledger.subjects import apply_subject_writes
from tests.stores.ledger.relational.world import (
    DAY_MS,
    NOW_MS,
    account,
    bring_in,
    column,
    contents,
    events_of,
    flag,
    new_context,
    next_job,
    party,
    person_of,
    phone,
    point,
    profiles_agree,
    subject,
    table_counts,
)

ANA, LUIS = "11111111-1", "22222222-2"
MOBILE, OFFICE = "+56911111111", "+56222222222"
LATER_MS = NOW_MS + 7 * DAY_MS


def some_accounts() -> list[ImportedAccount]:
    """Several of everything: shared people, references, flags, notes, consents, a recalled one."""
    ana = party(ANA, phone(MOBILE), phone(OFFICE, label=PointLabel.WORK, rank=1))
    reference = party(
        None,
        phone("+56944444444", role=PartyRole.REFERENCE),
        role=PartyRole.REFERENCE,
        name="",
        match_key="acct:A1:reference:0",
    )
    sms = ImportedConsent(
        scope=ConsentScope.CHANNEL,
        channel=Channel.SMS,
        granted=True,
        given_on=date(2026, 2, 3),
        evidence="consentimiento_sms=S",
    )
    return [
        account("A1", ana, reference, notes=("llamar tarde",), consents=(sms,)),
        account("A2", ana, total=5_000_000, flags=(flag(FlagKind.NO_WORK_CALLS),)),
        account("B1", party(LUIS, phone("+56933333333")), flags=(flag(FlagKind.ATTORNEY),)),
        account("C1", recalled=True),
        account("D1", flags=(flag(FlagKind.WRONG_NUMBER, "no es", action=FlagAction.REVIEW),)),
    ]


# --- the same again, and interruptions ------------------------------------------------------------


async def test_the_same_accounts_again_change_nothing(ledger: Ledger) -> None:
    context = await new_context(ledger)
    first = await bring_in(ledger, context, *some_accounts())
    assert (first.new, first.updated, first.unchanged, first.recalled) == (5, 0, 0, 1)
    assert (first.persons, first.contact_points) == (5, 6)
    assert (first.statuses, first.reviews) == (1, 1)
    before, counted = await contents(ledger), await table_counts(ledger)
    again = await bring_in(ledger, context, *some_accounts(), now_ms=LATER_MS)
    assert (again.new, again.updated, again.unchanged) == (0, 0, 5)
    assert await contents(ledger) == before
    assert await table_counts(ledger) == counted
    await profiles_agree(ledger)


async def test_every_new_person_has_one_event(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, *some_accounts())
    ((kind, body),) = await events_of(ledger, ANA)
    assert kind == "person_imported"
    assert context.job_id in body
    assert "Ana" not in body
    counted = await table_counts(ledger)
    assert counted["ledger_event"] == counted["person"] == counted["person_profile"]


async def test_a_batch_that_breaks_at_any_statement_leaves_no_trace(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, *some_accounts()[:2])
    before = await contents(ledger)
    newer = [*some_accounts(), account("E1", party("5-5", phone("+56955555555")))]
    newer[0] = account("A1", *newer[0].parties, total=7)
    plain = Bulk.run
    runs_left = 0

    async def breaking(self: Bulk, conn: AsyncConnection, rows: Sequence[Row]) -> int:
        nonlocal runs_left
        if not runs_left:
            raise RuntimeError("pulled the plug")
        runs_left -= 1
        return await plain(self, conn, rows)

    broken = 0
    done = False
    while not done:
        runs_left = broken
        monkeypatch.setattr(Bulk, "run", breaking)
        try:
            await bring_in(ledger, context, *newer, now_ms=LATER_MS)
            done = True
        except RuntimeError:
            monkeypatch.setattr(Bulk, "run", plain)
            assert await contents(ledger) == before, f"after {broken} statements"
            broken += 1
    assert broken > 10
    await profiles_agree(ledger)


async def test_interrupted_and_run_again_is_as_if_run_once(
    ledger: Ledger, second_ledger: Ledger
) -> None:
    accounts = some_accounts()
    batches = [accounts[:2], accounts[2:4], accounts[4:]]
    context = await new_context(ledger)
    await bring_in(ledger, context, *batches[0])

    async def until_the_plug_is_pulled(conn: AsyncConnection) -> None:
        await import_batch(conn, context, batches[1], NOW_MS)
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError, match="plug"):
        await ledger.transact(until_the_plug_is_pulled)
    again = await next_job(ledger, context)
    once = await new_context(second_ledger)
    for batch in batches:
        await bring_in(ledger, again, *batch)
        await bring_in(second_ledger, once, *batch)
    assert await contents(ledger) == await contents(second_ledger)
    await profiles_agree(ledger)


async def test_one_account_twice_in_a_batch_is_refused(ledger: Ledger) -> None:
    context = await new_context(ledger)
    with pytest.raises(ValueError, match="twice"):
        await bring_in(ledger, context, account("A1"), account("A1", total=3))


# --- newer files ----------------------------------------------------------------------------------


async def test_a_newer_file_updates_balances_and_people(ledger: Ledger) -> None:
    context = await new_context(ledger)
    ana = party(ANA, phone(MOBILE))
    await bring_in(ledger, context, account("A1", ana, dpd=20), account("B1", party(LUIS)))
    moved = msgspec.structs.replace(
        party(ANA, phone("+56977777777"), phone(MOBILE, rank=1), name="Ana María Díaz"),
        birth_date=date(1980, 5, 6),
    )
    job = await next_job(ledger, context)
    counts = await bring_in(
        ledger, job, account("A1", moved, total=30_000, dpd=100), now_ms=LATER_MS
    )
    assert (counts.new, counts.updated, counts.unchanged) == (0, 1, 0)
    assert (counts.persons, counts.contact_points) == (0, 1)
    after = await subject(ledger, ANA)
    assert [p.address for p in after.contact_points] == ["+56977777777", MOBILE]
    assert point(after, MOBILE).acquired_at == from_ms(NOW_MS)
    assert point(after, "+56977777777").acquired_at == from_ms(LATER_MS)
    assert after.debts[0].balance_as_of == from_ms(LATER_MS)
    assert await column(ledger, "SELECT total_cents FROM debt ORDER BY total_cents") == [
        30_000,
        100_000,
    ]
    assert await column(
        ledger, "SELECT full_name || ' ' || birth_date FROM person WHERE birth_date IS NOT NULL"
    ) == ["Ana María Díaz 1980-05-06"]
    assert await column(ledger, "SELECT bucket FROM account WHERE external_id = 'A1'") == ["91-180"]
    assert [kind for kind, _ in await events_of(ledger, ANA)] == [
        "person_imported",
        "subject_changed",
    ]
    assert [kind for kind, _ in await events_of(ledger, LUIS)] == ["person_imported"]
    await profiles_agree(ledger)


async def test_a_file_that_says_less_takes_nothing_away(ledger: Ledger) -> None:
    context = await new_context(ledger)
    full = msgspec.structs.replace(
        party(ANA, phone(MOBILE), phone(OFFICE, label=PointLabel.WORK, rank=1)), language="es"
    )
    guarantor = party(LUIS, phone("+56933333333"), role=PartyRole.GUARANTOR)
    await bring_in(ledger, context, account("A1", full, guarantor))
    bare = msgspec.structs.replace(
        party(ANA, phone(OFFICE, label=PointLabel.UNKNOWN)),
        residence=None,
        zones=(),
        document_type=None,
        document_number=None,
    )
    await bring_in(ledger, context, account("A1", bare, total=1), now_ms=LATER_MS)
    after = await subject(ledger, ANA)
    assert {p.address for p in after.contact_points} == {MOBILE, OFFICE}
    assert point(after, OFFICE).label is PointLabel.WORK
    assert after.person.residence is not None
    assert after.person.zones == ("America/Santiago",)
    assert after.person.language == "es"
    luis = await subject(ledger, LUIS)
    assert luis.debts[0].balance_as_of == from_ms(LATER_MS), "a party the row left out"
    assert len(await events_of(ledger, LUIS)) == 2
    await profiles_agree(ledger)


async def test_recalled_accounts_leave_debts_queues_and_callbacks(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, account("A1", party(ANA)), account("B1", party(LUIS)))
    await enrol_by_hand(ledger, context)
    counts = await bring_in(
        ledger, context, account("A1", party(ANA), recalled=True), now_ms=LATER_MS
    )
    assert (counts.updated, counts.recalled, counts.returned) == (1, 1, 0)
    assert (await subject(ledger, ANA)).debts[0].status is DebtStatus.RECALLED
    assert await states(ledger) == {"A1": ("recalled", "done", 0), "B1": ("active", "ready", 1)}
    assert await column(ledger, "SELECT state FROM callback ORDER BY state") == [
        "expired",
        "open",
    ]
    again = await bring_in(ledger, context, account("A1", party(ANA), recalled=True))
    assert again.unchanged == 1
    back = await bring_in(ledger, context, account("A1", party(ANA), total=9), now_ms=LATER_MS)
    assert (back.recalled, back.returned) == (0, 1)
    assert (await subject(ledger, ANA)).debts[0].status is DebtStatus.OVERDUE
    assert (await states(ledger))["A1"] == ("active", "ready", 1)
    await profiles_agree(ledger)


async def test_a_dispute_outlives_a_recall(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, account("A1", party(ANA), flags=(flag(FlagKind.DISPUTE),)))
    await bring_in(ledger, context, account("A1", party(ANA), recalled=True), now_ms=LATER_MS)
    await bring_in(ledger, context, account("A1", party(ANA), total=9), now_ms=LATER_MS)
    ana = await subject(ledger, ANA)
    (held,) = ana.suppressions
    assert (held.scope, held.target_id, held.reason) == (
        SuppressionScope.DEBT,
        ana.debts[0].debt_id,
        "disputed",
    )
    assert held.ends_at is None


async def test_accounts_missing_from_a_whole_file_are_recalled(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, account("A1", party(ANA)), account("B1", party(LUIS)))
    await enrol_by_hand(ledger, context)
    async with ledger.read() as conn:
        page = await active_accounts(conn, context.portfolio.portfolio_id, after="", limit=10)
    assert [number for _, number in page] == ["A1", "B1"]
    gone = [account_id for account_id, number in page if number == "A1"]
    job = await next_job(ledger, context)
    for expected in (1, 0):
        recalled = await ledger.transact(lambda c: recall_accounts(c, job, gone, LATER_MS))
        assert recalled == expected
    assert (await states(ledger))["A1"] == ("recalled", "done", 0)
    assert (await subject(ledger, ANA)).debts[0].status is DebtStatus.RECALLED
    assert [kind for kind, _ in await events_of(ledger, ANA)] == [
        "person_imported",
        "subject_changed",
    ]
    same_row = await bring_in(ledger, context, account("A1", party(ANA)), now_ms=LATER_MS)
    assert same_row.returned == 1, "the file has it again, with the very same row"
    assert (await states(ledger))["A1"] == ("active", "ready", 1)


# --- what an import must not undo -----------------------------------------------------------------


async def test_an_import_resurrects_nothing(ledger: Ledger) -> None:
    context = await new_context(ledger)
    said = ImportedConsent(
        scope=ConsentScope.CHANNEL,
        channel=Channel.SMS,
        granted=True,
        given_on=date(2026, 2, 3),
        evidence="sms=S",
    )
    first = party(
        ANA,
        phone(MOBILE),
        phone(OFFICE, label=PointLabel.WORK, rank=1),
        phone("+56966666666", rank=2),
    )
    await bring_in(ledger, context, account("A1", first, consents=(said,)))
    ana = await subject(ledger, ANA)
    person_id = ana.person.person_id
    mobile, office, other = (p.contact_point_id for p in ana.contact_points)
    async with ledger.write() as conn:
        await apply_subject_writes(
            conn,
            [
                OptOutPoint(person_id=person_id, contact_point_id=mobile, at_ms=NOW_MS + 1),
                SetValidity(
                    person_id=person_id,
                    contact_point_id=mobile,
                    validity=Validity.WRONG_NUMBER,
                    at_ms=NOW_MS + 2,
                ),
                ForbidWork(person_id=person_id, contact_point_id=office),
                SetPointRole(person_id=person_id, contact_point_id=other, role=PartyRole.RELATIVE),
                RevokeConsent(
                    person_id=person_id,
                    consent_id=ana.consents[0].consent_id,
                    at_ms=NOW_MS + 3,
                ),
                AddSuppression(
                    person_id=person_id,
                    suppression_id="s1",
                    scope=SuppressionScope.PERSON,
                    reason="cease",
                    starts_ms=NOW_MS,
                    created_by="agent",
                ),
                SetDebtStatus(
                    person_id=person_id,
                    debt_id=ana.debts[0].debt_id,
                    status=DebtStatus.PAYMENT_CLAIMED,
                ),
            ],
        )
    newer = msgspec.structs.replace(
        party(
            ANA,
            phone(MOBILE, label=PointLabel.HOME),
            phone(OFFICE, label=PointLabel.HOME),
            phone("+56966666666"),
        ),
    )
    await bring_in(
        ledger, context, account("A1", newer, total=3, consents=(said,)), now_ms=LATER_MS
    )
    after = await subject(ledger, ANA)
    assert point(after, MOBILE).opted_out_at == from_ms(NOW_MS + 1)
    assert point(after, MOBILE).validity is Validity.WRONG_NUMBER
    assert point(after, MOBILE).label is PointLabel.HOME
    assert point(after, OFFICE).work_forbidden
    assert point(after, "+56966666666").role is PartyRole.RELATIVE
    assert [c.revoked_at for c in after.consents] == [from_ms(NOW_MS + 3)]
    assert [s.suppression_id for s in after.suppressions] == ["s1"]
    assert after.debts[0].status is DebtStatus.PAYMENT_CLAIMED


async def test_a_consent_given_after_it_was_revoked_counts(ledger: Ledger) -> None:
    context = await new_context(ledger)

    def said(on: date | None) -> ImportedConsent:
        return ImportedConsent(
            scope=ConsentScope.CHANNEL,
            channel=Channel.SMS,
            granted=True,
            given_on=on,
            evidence=f"on {on}",
        )

    await bring_in(ledger, context, account("A1", party(ANA), consents=(said(date(2026, 2, 3)),)))
    await bring_in(ledger, context, account("A1", party(ANA), consents=(said(date(2026, 4, 1)),)))
    (renewed,) = (await subject(ledger, ANA)).consents
    assert renewed.renewed_at is not None
    assert renewed.renewed_at.date() == date(2026, 4, 1)
    ana = (await subject(ledger, ANA)).person.person_id
    async with ledger.write() as conn:
        revoke = RevokeConsent(person_id=ana, consent_id=renewed.consent_id, at_ms=NOW_MS)
        await apply_subject_writes(conn, [revoke])
    for on in (None, date(2026, 4, 2), date(2027, 1, 1)):
        await bring_in(ledger, context, account("A1", party(ANA), total=5, consents=(said(on),)))
    revoked, fresh = sorted(
        (await subject(ledger, ANA)).consents, key=lambda c: c.revoked_at is None
    )
    assert revoked.revoked_at is not None
    assert fresh.given_at.date() == date(2027, 1, 1)


async def test_a_refusal_in_the_file_is_no_consent(ledger: Ledger) -> None:
    context = await new_context(ledger)
    no = ImportedConsent(
        scope=ConsentScope.CHANNEL, channel=Channel.SMS, granted=False, evidence="sms=N"
    )
    await bring_in(ledger, context, account("A1", party(ANA), consents=(no,)))
    assert (await subject(ledger, ANA)).consents == ()


@pytest.mark.parametrize(
    ("standing", "total", "expected"),
    [
        (DebtStatus.OVERDUE, 50, DebtStatus.OVERDUE),
        (DebtStatus.CHARGED_OFF, 50, DebtStatus.OVERDUE),
        (DebtStatus.DISPUTED, 50, DebtStatus.DISPUTED),
        (DebtStatus.IN_LITIGATION, 50, DebtStatus.IN_LITIGATION),
        (DebtStatus.PAID, 50, DebtStatus.PAID),
        (DebtStatus.SETTLED, 50, DebtStatus.SETTLED),
        (DebtStatus.PAUSED, 50, DebtStatus.PAUSED),
        (DebtStatus.RECALLED, 50, DebtStatus.OVERDUE),
    ],
)
async def test_a_hold_outlives_a_newer_file(
    ledger: Ledger, standing: DebtStatus, total: int, expected: DebtStatus
) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, account("A1", party(ANA)))
    ana = await subject(ledger, ANA)
    async with ledger.write() as conn:
        await apply_subject_writes(
            conn,
            [
                SetDebtStatus(
                    person_id=ana.person.person_id,
                    debt_id=ana.debts[0].debt_id,
                    status=standing,
                )
            ],
        )
    await bring_in(ledger, context, account("A1", party(ANA), total=total), now_ms=LATER_MS)
    assert (await subject(ledger, ANA)).debts[0].status is expected
    async with ledger.read() as conn:
        kinds = [review.kind for review in await list_reviews(conn)]
    paid = standing in (DebtStatus.PAID, DebtStatus.SETTLED)
    assert kinds == (["balance_after_payment"] if paid else [])


async def test_nothing_owed_pauses_until_something_is_owed(ledger: Ledger) -> None:
    context = await new_context(ledger)
    nothing = account("A1", party(ANA), total=0, flags=(flag(FlagKind.NOTHING_OWED),))
    await bring_in(ledger, context, nothing)
    assert (await subject(ledger, ANA)).debts[0].status is DebtStatus.PAUSED
    await bring_in(ledger, context, account("A1", party(ANA), total=700))
    assert (await subject(ledger, ANA)).debts[0].status is DebtStatus.OVERDUE


# --- flags, notes, reviews ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FlagKind.ATTORNEY, StatusKind.ATTORNEY),
        (FlagKind.CEASE, StatusKind.CEASE),
        (FlagKind.DECEASED, StatusKind.DECEASED),
        (FlagKind.BANKRUPTCY, StatusKind.BANKRUPTCY),
    ],
)
async def test_flags_become_statuses_that_stay(
    ledger: Ledger, kind: FlagKind, status: StatusKind
) -> None:
    context = await new_context(ledger)
    luis = party(LUIS, role=PartyRole.GUARANTOR)
    flagged = account("A1", party(ANA), luis, flags=(flag(kind, "SI"),))
    counts = await bring_in(ledger, context, flagged)
    assert counts.statuses == 1
    again = await bring_in(
        ledger, context, account("A1", party(ANA), luis, total=2, flags=flagged.flags)
    )
    assert again.statuses == 0
    await bring_in(ledger, context, account("A1", party(ANA), luis))
    assert [s.kind for s in (await subject(ledger, ANA)).person.statuses] == [status]
    assert (await subject(ledger, LUIS)).person.statuses == ()
    assert await column(ledger, "SELECT text FROM note") == ["observaciones: SI"]


async def test_flags_suppress_channels_and_workplaces(ledger: Ledger) -> None:
    context = await new_context(ledger)
    ana = party(ANA, phone(MOBILE), phone(OFFICE, label=PointLabel.WORK))
    flags = (flag(FlagKind.NO_CALLS), flag(FlagKind.NO_SMS), flag(FlagKind.NO_WORK_CALLS))
    counts = await bring_in(ledger, context, account("A1", ana, flags=flags))
    assert counts.suppressions == 2
    await bring_in(ledger, context, account("A1", ana, total=4, flags=flags))
    after = await subject(ledger, ANA)
    assert sorted(
        (str(s.scope), str(s.channel), s.reason, s.ends_at) for s in after.suppressions
    ) == [("channel", "sms", "opt_out", None), ("channel", "voice", "opt_out", None)]
    assert point(after, OFFICE).work_forbidden
    assert not point(after, MOBILE).work_forbidden
    assert [p.forbidden_labels for p in after.preferences] == [(PointLabel.WORK,)]


async def test_a_doubtful_note_holds_the_account_until_it_is_reviewed(ledger: Ledger) -> None:
    context = await new_context(ledger)
    luis = party(LUIS, role=PartyRole.GUARANTOR)
    doubt = flag(FlagKind.LEGAL_UNCLEAR, "ver con legal", action=FlagAction.REVIEW)
    counts = await bring_in(ledger, context, account("A1", party(ANA), luis, flags=(doubt, doubt)))
    assert counts.reviews == 1
    for document in (ANA, LUIS):
        (held,) = (await subject(ledger, document)).suppressions
        assert (held.scope, held.reason, held.ends_at) == (
            SuppressionScope.ACCOUNT,
            "review",
            None,
        )
    async with ledger.read() as conn:
        (review,) = await list_reviews(conn)
    assert (review.kind, review.text) == ("legal_unclear", "ver con legal")
    assert review.review_id == held.suppression_id

    async def resolve(resolution: str) -> None:
        async with ledger.write() as conn:
            await resolve_review(
                conn, review.review_id, resolution=resolution, actor="officer", now_ms=LATER_MS
            )

    with pytest.raises(ValueError, match="what was decided"):
        await resolve(" ")
    await resolve("no legal meaning")
    with pytest.raises(AlreadyResolved, match="officer"):
        await resolve("again")
    for document in (ANA, LUIS):
        (released,) = (await subject(ledger, document)).suppressions
        assert released.ends_at == from_ms(LATER_MS)
        assert [kind for kind, _ in await events_of(ledger, document)][-1] == "subject_changed"
    counts = await bring_in(
        ledger, context, account("A1", party(ANA), luis, total=5, flags=(doubt,))
    )
    assert counts.reviews == 0, "the same words are not reviewed twice"
    (still,) = (await subject(ledger, ANA)).suppressions
    assert still.ends_at == from_ms(LATER_MS)
    await profiles_agree(ledger)


async def test_notes_are_kept_once(ledger: Ledger) -> None:
    context = await new_context(ledger)
    for total in (1, 2, 3):
        await bring_in(
            ledger, context, account("A1", party(ANA), total=total, notes=("tarde", "de lejos"))
        )
    assert sorted(map(str, await column(ledger, "SELECT text FROM note"))) == [
        "de lejos",
        "tarde",
    ]


# --- people ---------------------------------------------------------------------------------------


async def test_one_person_over_accounts_and_roles(ledger: Ledger) -> None:
    context = await new_context(ledger)
    as_holder = party(ANA, phone(MOBILE, rank=1))
    as_guarantor = party(
        ANA, phone(MOBILE, role=PartyRole.GUARANTOR), role=PartyRole.GUARANTOR, name=""
    )
    await bring_in(
        ledger,
        context,
        account("B1", party(LUIS), as_guarantor),
        account("A1", as_holder),
    )
    await bring_in(ledger, context, account("C1", party(LUIS), as_guarantor))
    ana = await subject(ledger, ANA)
    assert sorted(d.role for d in ana.debts) == ["guarantor", "guarantor", "holder"]
    assert point(ana, MOBILE).role is PartyRole.HOLDER, "it is their own number"
    assert await column(ledger, "SELECT full_name FROM person ORDER BY match_key") == [
        "Ana Díaz",
        "Ana Díaz",
    ]
    assert await column(ledger, "SELECT count(*) FROM contact_point") == [1]


async def test_portfolios_do_not_mix(ledger: Ledger) -> None:
    one, two = await new_context(ledger, "one"), await new_context(ledger, "two")
    for context in (one, two):
        counts = await bring_in(ledger, context, account("A1", party(ANA, phone(MOBILE))))
        assert (counts.new, counts.persons) == (1, 1)
    assert await column(ledger, "SELECT count(*) FROM person") == [2]


async def test_very_long_values_fit(ledger: Ledger) -> None:
    context = await new_context(ledger)
    key = "acct:" + "9" * 200 + ":reference:0"
    long = msgspec.structs.replace(
        party(None, match_key=key, name="N" * 5_000), document_type="t" * 90
    )
    for total in (1, 2):
        await bring_in(ledger, context, account("9" * 200, long, total=total))
    assert await column(ledger, "SELECT count(*) FROM person") == [1]


async def test_priorities_of_all_jobs_are_on_one_scale(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(
        ledger,
        context,
        account("A1", party("1"), total=100),
        account("A2", party("2"), total=10_000),
        account("A3", party("3"), total=1_000_000),
    )
    assert context.typical == {"CLP": 10_000}
    async with ledger.write() as conn:
        await note_progress(conn, context.job_id, rows_read=3, counts=context.typical_counts())
        assert await load_typical(conn, context.portfolio.portfolio_id) == {"CLP": 10_000}
    later = await next_job(ledger, context)
    await bring_in(ledger, later, account("A4", party("4"), total=20_000))
    assert await column(ledger, "SELECT external_id FROM account ORDER BY priority") == [
        "A1",
        "A2",
        "A4",
        "A3",
    ]


# --- decisions in flight --------------------------------------------------------------------------


async def test_a_decision_made_from_older_facts_loses(ledger: Ledger, store: EventStore) -> None:
    context = await new_context(ledger)
    await bring_in(ledger, context, account("A1", party(ANA)))
    ana = (await subject(ledger, ANA)).person.person_id
    await bring_in(ledger, context, account("A1", party(ANA), flags=(flag(FlagKind.CEASE),)))
    decided = NewEvent(
        person_id=ana,
        at_ms=NOW_MS,
        body=SubjectChanged(change="preference"),
        expected={StreamKey(ana): 1},
    )
    assert await store.append([decided]) == [None]


async def test_opt_outs_during_imports_are_in_the_profiles(
    ledger: Ledger, store: EventStore
) -> None:
    context = await new_context(ledger)
    documents = [f"{number}-K" for number in range(40)]
    accounts = [account(f"A{d}", party(d, phone(f"+5691{i:07d}"))) for i, d in enumerate(documents)]
    await bring_in(ledger, context, *accounts)
    people = [await subject(ledger, document) for document in documents]

    async def opt_out() -> None:
        for person in people:
            person_id = person.person.person_id
            point_id = person.contact_points[0].contact_point_id
            write = OptOutPoint(person_id=person_id, contact_point_id=point_id, at_ms=NOW_MS)
            body = SubjectChanged(change="opt_out", target=point_id)
            await store.append(
                [NewEvent(person_id=person_id, at_ms=NOW_MS, body=body, writes=(write,))]
            )

    async def import_again() -> None:
        for total in range(1, 9):
            newer = [account(a.external_id, *a.parties, total=total) for a in accounts]
            await bring_in(ledger, context, *newer, now_ms=LATER_MS)

    await asyncio.gather(opt_out(), import_again())
    for document in documents:
        (number,) = (await subject(ledger, document)).contact_points
        assert number.opted_out_at == from_ms(NOW_MS)
    await profiles_agree(ledger)


async def test_two_imports_of_one_portfolio_at_once(ledger: Ledger) -> None:
    context = await new_context(ledger)
    other = await next_job(ledger, context)
    accounts = [account(f"A{i}", party(f"{i}", phone(f"+5691{i:07d}"))) for i in range(60)]

    async def whole(job: ImportContext) -> list[int]:
        new = []
        for start in range(0, len(accounts), 10):
            batch = accounts[start : start + 10]
            counts = await ledger.transact(
                partial(import_batch, context=job, accounts=batch, now_ms=NOW_MS)
            )
            new.append(counts.new)
        return new

    one, two = await asyncio.gather(whole(context), whole(other))
    assert sum(one) + sum(two) == len(accounts)
    assert await column(ledger, "SELECT count(*) FROM account") == [60]
    assert await column(ledger, "SELECT count(*) FROM person") == [60]
    async with ledger.read() as conn:
        ids = [await person_of(conn, f"doc:rut:{i}") for i in range(60)]
        assert len(await read_subjects(conn, ids)) == 60


# --- helpers --------------------------------------------------------------------------------------


async def enrol_by_hand(ledger: Ledger, context: ImportContext) -> None:
    """A campaign with every account enrolled and a callback each."""
    async with ledger.write() as conn:
        portfolio = {"portfolio": context.portfolio.portfolio_id}
        await conn.execute(
            text(
                "INSERT INTO campaign (campaign_id, name, portfolio_id, state, settings, "
                "settings_sha256, created_ms, updated_ms) "
                "VALUES ('c', 'c', :portfolio, 'running', '{}', '', 0, 0)"
            ),
            portfolio,
        )
        await conn.execute(
            text(
                "INSERT INTO enrolment (campaign_id, account_id, priority, state, "
                "not_before_ms, reason) SELECT 'c', account_id, priority, 'ready', 0, '' "
                "FROM account"
            )
        )
        await conn.execute(
            text(
                "INSERT INTO callback (callback_id, person_id, account_id, contact_point_id, "
                "due_ms, expires_ms, event_id, state) "
                "SELECT account_id, 'p', account_id, 'x', 0, 0, 'e', 'open' FROM account"
            )
        )


async def states(ledger: Ledger) -> dict[str, tuple[str, str, int]]:
    """Account number to its state, its enrolment's state, and whether it has a priority there."""
    async with ledger.read() as conn:
        rows = await conn.execute(
            text(
                "SELECT a.external_id, a.state, e.state AS queue, a.priority > 0 AS placed "
                "FROM account a JOIN enrolment e ON e.account_id = a.account_id"
            )
        )
        return {row.external_id: (row.state, row.queue, int(row.placed)) for row in rows}
