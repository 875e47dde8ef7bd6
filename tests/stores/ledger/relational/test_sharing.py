"""Numbers that several people have, and numbers that are also somebody's reference."""

from __future__ import annotations

from campaigns.portfolio.model import ImportedAccount
from compliance.types import PartyRole
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.sharing import MOST_NAMED, PAGE, SharedCounts, mark_shared
from tests.stores.ledger.relational.world import (
    NOW_MS,
    account,
    bring_in,
    events_of,
    new_context,
    party,
    phone,
    point,
    profiles_agree,
    subject,
    table_counts,
)

SHARED, OWN = "+56911111111", "+56922222222"


async def mark(ledger: Ledger) -> SharedCounts:
    counts = await mark_shared(ledger, now_ms=NOW_MS, source="job")
    await profiles_agree(ledger)
    return counts


async def test_a_number_of_two_people_is_shared(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(
        ledger,
        context,
        account("A1", party("1", phone(SHARED), phone(OWN))),
        account("B1", party("2", phone(SHARED))),
    )
    assert await mark(ledger) == SharedCounts(shared=1, also_reference=0, changed=2)
    one, two = await subject(ledger, "1"), await subject(ledger, "2")
    assert point(one, SHARED).shared_with == (two.person.person_id,)
    assert point(two, SHARED).shared_with == (one.person.person_id,)
    assert point(one, OWN).shared_with == ()
    assert [kind for kind, _ in await events_of(ledger, "1")] == [
        "person_imported",
        "subject_changed",
    ]


async def test_marking_again_writes_nothing(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(
        ledger,
        context,
        account("A1", party("1", phone(SHARED))),
        account("B1", party("2", phone(SHARED))),
    )
    await mark(ledger)
    before = await table_counts(ledger)
    assert await mark(ledger) == SharedCounts(shared=1, also_reference=0, changed=0)
    assert await table_counts(ledger) == before


async def test_a_third_person_changes_only_what_it_must(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await bring_in(
        ledger,
        context,
        account("A1", party("1", phone(SHARED))),
        account("B1", party("2", phone(SHARED))),
        account("C1", party("3", phone(OWN))),
    )
    await mark(ledger)
    await bring_in(ledger, context, account("D1", party("4", phone(SHARED))))
    assert (await mark(ledger)).changed == 3
    assert len(point(await subject(ledger, "4"), SHARED).shared_with) == 2
    assert len(await events_of(ledger, "3")) == 1


async def test_a_references_number_is_marked_and_shares_with_nobody(ledger: Ledger) -> None:
    context = await new_context(ledger)
    reference = party(
        None,
        phone(SHARED, role=PartyRole.REFERENCE),
        role=PartyRole.REFERENCE,
        match_key="acct:A1:reference:0",
    )
    await bring_in(
        ledger,
        context,
        account("A1", party("1", phone(OWN)), reference),
        account("B1", party("2", phone(SHARED))),
    )
    assert await mark(ledger) == SharedCounts(shared=0, also_reference=1, changed=2)
    marked = point(await subject(ledger, "2"), SHARED)
    assert marked.also_reference
    assert marked.shared_with == ()
    assert not point(await subject(ledger, "1"), OWN).also_reference


async def test_sharing_is_over_all_portfolios(ledger: Ledger) -> None:
    for name in ("one", "two"):
        context = await new_context(ledger, name)
        await bring_in(ledger, context, account("A1", party(f"of {name}", phone(SHARED))))
    assert (await mark(ledger)).shared == 1
    assert point(await subject(ledger, "of one"), SHARED).shared_with


async def test_more_numbers_than_a_page(ledger: Ledger) -> None:
    context = await new_context(ledger)
    numbers = [phone(f"+569{number:08d}") for number in range(PAGE + 3)]
    await bring_in(
        ledger, context, account("A1", party("1", *numbers)), account("B1", party("2", *numbers))
    )
    assert await mark(ledger) == SharedCounts(shared=PAGE + 3, changed=2 * (PAGE + 3))


async def test_a_switchboard_names_only_so_many(ledger: Ledger) -> None:
    context = await new_context(ledger)
    accounts: list[ImportedAccount] = [
        account(f"A{number}", party(f"{number}", phone(SHARED))) for number in range(MOST_NAMED + 5)
    ]
    await bring_in(ledger, context, *accounts)
    assert (await mark(ledger)).changed == MOST_NAMED + 5
    assert len(point(await subject(ledger, "0"), SHARED).shared_with) == MOST_NAMED
    assert (await mark(ledger)).changed == 0
