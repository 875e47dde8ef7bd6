"""Evidence that rules wait for, on both engines: what is closed without it opens with it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from campaigns.portfolio.model import ImportedAccount, ImportedDebt
from compliance.messages import Place
from compliance.types import Outcome, PartyRole
from dialer.core.planning import Plan
from dialer.core.records import to_ms
from dialer.runtime.evidence_files import read_notices
from dialer.runtime.listed_files import BadList, ListRead
from dialer.runtime.replaying import replay_sample
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.verify import verify_ledger
from tests.runtime.officer.world import ANA, LUIS, NOON, House, packs, settled
from tests.stores.ledger.relational.world import account, bring_in, party, phone

DAY = timedelta(days=1)
WAITS = "ca-on/notice_first"
"""NOON is 10:00 of a Tuesday in Toronto."""


def ontario(*, notice: date | None = None) -> tuple[ImportedAccount, ...]:
    """Ana with Luis as guarantor, both of Toronto."""
    home = {
        "residence": Place(country="CA", subdivision="CA-ON"),
        "zones": ("America/Toronto",),
    }
    ana = party(ANA, phone("+14165550111"))
    luis = party(LUIS, phone("+14165550122"), name="Luis Soto", role=PartyRole.GUARANTOR)
    debt = ImportedDebt(reference="A-1", total_cents=100_000, notice_date=notice)
    return (
        account(
            "A-1",
            msgspec.structs.replace(ana, **home),
            msgspec.structs.replace(luis, **home),
            debts=(debt,),
        ),
    )


@pytest.fixture
async def toronto(ledger: Ledger) -> House:
    return await settled(ledger, packs("ca", "ca-on"), accounts=ontario())


def stopped(plan: Plan) -> set[str]:
    """People whom the rule about notices stops."""
    return {
        str(blocked.person_id)
        for blocked in plan.blocked
        for finding in blocked.record.findings
        if finding.rule_id == WAITS and finding.outcome is Outcome.DENY
    }


async def notices(house: House, tmp_path: Path, text: str, now: datetime = NOON) -> ListRead:
    file = tmp_path / "notices.csv"
    file.write_text(text)
    rejects = tmp_path / "rejects.csv"
    return await read_notices(house.ledger, file, rejects=rejects, actor="eva", now=now)


async def test_ontario_opens_six_days_after_a_letter(toronto: House, tmp_path: Path) -> None:
    ana, luis = str(toronto.people[ANA]), str(toronto.people[LUIS])
    assert stopped(await toronto.decide("A-1", NOON)) == {ana, luis}
    read = await notices(toronto, tmp_path, "cuenta;fecha;tipo\nA-1;2026-11-24;carta\n")
    assert (read.added, read.known, read.rejected) == (1, 0, 0)
    # Six whole days of Toronto, and the guarantor has had no notice.
    for day in range(7):
        plan = await toronto.decide("A-1", NOON + day * DAY)
        assert (plan.dial, stopped(plan)) == (None, {ana, luis})
    plan = await toronto.decide("A-1", NOON + 7 * DAY)
    assert plan.dial is not None
    assert str(plan.dial.contact.person_id) == ana
    report = await replay_sample(toronto.ledger, sample=100, seed=1)
    assert (report.replayed, report.same) == (report.decisions, report.decisions)


async def test_a_notice_counts_however_old_it_is(toronto: House, tmp_path: Path) -> None:
    old = (NOON - 400 * DAY).date().isoformat()
    await notices(toronto, tmp_path, f"document,date,kind\n{LUIS},{old},notice\n")
    plan = await toronto.decide("A-1", NOON)
    assert plan.dial is not None
    assert plan.dial.contact.person_id == toronto.people[LUIS]
    report = await replay_sample(toronto.ledger, sample=100, seed=1)
    assert (report.replayed, report.same) == (report.decisions, report.decisions) != (0, 0)


async def test_the_same_notices_again_change_nothing(toronto: House, tmp_path: Path) -> None:
    text = (
        "person_id,document,account,date,kind,debt\n"
        f"{toronto.people[ANA]},,,2026-11-20,letter,\n"
        f",{ANA},,2026-11-20,letter,\n"  # the same said otherwise
        f",{ANA},,2026-11-20,notice,A-1\n"
        ",,A-1,2026-11-20T15:00:00-05:00,letter,\n"
    )
    first = await notices(toronto, tmp_path, text)
    assert (first.lines, first.added, first.rejected) == (4, 3, 0)
    heads = await verify_ledger(toronto.ledger)
    assert heads.holds, heads
    again = await notices(toronto, tmp_path, text, NOON + DAY)
    assert (again.added, again.known) == (0, 3)
    assert (await verify_ledger(toronto.ledger)).events == heads.events
    stream = await toronto.decider.store.read_person(toronto.people[ANA])
    told = [msgspec.json.decode(e.body) for e in stream if e.kind == "history_imported"]
    assert [body["kind"] for body in told] == ["letter_mailed", "notice_given", "letter_mailed"]
    assert [len(body.get("debt_ids", ())) for body in told] == [0, 1, 1]
    assert ANA not in str(told)


async def test_bad_lines_of_notices_are_given_back(toronto: House, tmp_path: Path) -> None:
    read = await notices(
        toronto,
        tmp_path,
        "document,date,kind,debt\n"
        f"{ANA},2026-11-25,letter,\n"
        f"{ANA},24/11/2026,letter,\n"
        f"{ANA},,letter,\n"
        f"{ANA},2026-11-24T23:00:00+00:00,letter,\n"
        f"{ANA},2026-11-20,pigeon,\n"
        f"{ANA},2026-11-20,letter,A-9\n"
        "9-9,2026-11-20,letter,\n"
        ",2026-11-20,letter,\n",
    )
    assert (read.lines, read.added, read.rejected) == (8, 0, 8)
    lines = (tmp_path / "rejects.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in lines] == [
        *("date", "date", "date", "date", "kind", "debt", "document"),
        '"person_id',
    ]
    assert stopped(await toronto.decide("A-1", NOON))
    with pytest.raises(BadList, match="`kind`"):
        await notices(toronto, tmp_path, "document,date\n1,2\n")


async def test_a_creditors_file_tells_when_the_notice_was_sent(toronto: House) -> None:
    async def file(notice: date | None, at: datetime) -> None:
        await bring_in(toronto.ledger, toronto.context, *ontario(notice=notice), now_ms=to_ms(at))

    await file(date(2026, 11, 10), NOON)
    assert (await toronto.decide("A-1", NOON)).dial is not None
    # A file without the column forgets nothing; a later notice is waited for, an earlier is not.
    await file(None, NOON + DAY)
    await file(date(2026, 11, 9), NOON + DAY)
    await file(date(2026, 11, 25), NOON + DAY)
    await file(date(2026, 11, 9), NOON + 2 * DAY)
    late = await toronto.decide("A-1", NOON + 7 * DAY)
    assert (late.dial, bool(stopped(late))) == (None, True)
    assert (await toronto.decide("A-1", NOON + 8 * DAY)).dial is not None
