"""Evidence that rules wait for, on both engines: what is closed without it opens with it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.portfolio.model import ImportedAccount, ImportedDebt
from compliance.messages import Place
from compliance.rules.windows import emergency_codes
from compliance.types import Outcome, PartyRole, StreamKey
from dialer.core.planning import Plan
from dialer.core.records import SubjectChanged, to_ms
from dialer.core.snapshots import HOUSE_STREAM
from dialer.core.snapshots import House as Household
from dialer.runtime.evidence_files import read_checks, read_notices
from dialer.runtime.listed_files import BadList, ListRead
from dialer.runtime.replaying import replay_sample
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.emergencies import (
    Emergency,
    declare_emergency,
    end_emergency,
    list_emergencies,
)
from dialer.stores.ledger.erasing import decide_erasure, request_erasure, would_erase
from dialer.stores.ledger.house import read_house
from dialer.stores.ledger.oversight_schema import number_check
from dialer.stores.ledger.profiles import read_subjects
from dialer.stores.ledger.schema import audit_event
from dialer.stores.ledger.sharing import mark_shared
from dialer.stores.ledger.streams import Appended, NewEvent
from dialer.stores.ledger.verify import verify_ledger
from tests.runtime.officer.world import ANA, EVA, LUIS, NOON, House, packs, settled
from tests.stores.ledger.relational.world import account, bring_in, party, phone, subject

DAY = timedelta(days=1)
WAITS = "ca-on/notice_first"
"""NOON is 10:00 of a Tuesday in Toronto."""


def ontario(*, name: str = "A-1", notice: date | None = None) -> tuple[ImportedAccount, ...]:
    """Ana with Luis as guarantor, both of Toronto."""
    home = {
        "residence": Place(country="CA", subdivision="CA-ON"),
        "zones": ("America/Toronto",),
    }
    ana = party(ANA, phone("+14165550111"))
    luis = party(LUIS, phone("+14165550122"), name="Luis Soto", role=PartyRole.GUARANTOR)
    debt = ImportedDebt(reference=name, total_cents=100_000, notice_date=notice)
    return (
        account(
            name,
            msgspec.structs.replace(ana, **home),
            msgspec.structs.replace(luis, **home),
            debts=(debt,),
        ),
    )


@pytest.fixture
async def toronto(ledger: Ledger) -> House:
    return await settled(ledger, packs("ca", "ca-on"), accounts=ontario())


def stopped(plan: Plan, rule: str = WAITS) -> set[str]:
    """People whom the rule stops."""
    return {
        str(blocked.person_id)
        for blocked in plan.blocked
        for finding in blocked.record.findings
        if finding.rule_id == rule and finding.outcome is Outcome.DENY
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


async def test_a_letter_about_one_account_opens_no_other(toronto: House, tmp_path: Path) -> None:
    other = ontario(name="A-2")
    await bring_in(toronto.ledger, toronto.context, *other, now_ms=to_ms(NOON - 30 * DAY))
    await notices(toronto, tmp_path, "account,date,kind\nA-2,2026-11-01,letter\n")
    plan = await toronto.decide("A-1", NOON)
    assert (plan.dial, stopped(plan)) == (None, {str(toronto.people[d]) for d in (ANA, LUIS)})
    # About nobody's debt in particular: all of theirs.
    await notices(toronto, tmp_path, f"document,date,kind\n{ANA},2026-11-02,letter\n")
    assert (await toronto.decide("A-1", NOON)).dial is not None


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


# --- checks of numbers ----------------------------------------------------------------------------

NUMBER, SHARED = "+12025550111", "+12025550122"
REASSIGNED = "us-tcpa/reassigned"


def washington() -> tuple[ImportedAccount, ...]:
    """Ana with a number of her own; Luis and Eva on one that they share."""
    home = {"residence": Place(country="US", subdivision="US-DC"), "zones": ("America/New_York",)}
    people = {
        "A-1": [party(ANA, phone(NUMBER))],
        "A-2": [
            party(LUIS, phone(SHARED), name="Luis Soto"),
            party(EVA, phone(SHARED), name="Eva Rios", role=PartyRole.GUARANTOR),
        ],
    }
    return tuple(
        account(name, *(msgspec.structs.replace(one, **home) for one in parties))
        for name, parties in people.items()
    )


@pytest.fixture
async def capital(ledger: Ledger) -> House:
    house = await settled(ledger, packs("us-tcpa", "us-dc"), accounts=washington())
    await mark_shared(ledger, now_ms=to_ms(NOON - 30 * DAY), source="test")
    return house


async def checks(house: House, tmp_path: Path, text: str, now: datetime = NOON) -> ListRead:
    file = tmp_path / "checks.csv"
    file.write_text("number,kind,answer,checked_at\n" + text)
    rejects = tmp_path / "rejects.csv"
    return await read_checks(house.ledger, file, rejects=rejects, actor="eva", now=now)


def line(number: str, answer: str, at: str = "2026-11-20") -> str:
    return f"{number},reassigned_numbers_database,{answer},{at}\n"


async def test_a_reassigned_number_is_not_called(capital: House, tmp_path: Path) -> None:
    before = await capital.decider.plan([capital.accounts["A-1"]], NOON)
    read = await checks(capital, tmp_path, line("1 (202) 555-0111", "sí") + line(SHARED, "yes"))
    assert (read.added, read.rejected) == (2, 0)
    # What was decided before the check was known loses its append.
    assert before[0].dial is not None
    assert (await capital.decider.append(before[0], NOON)).dial is None
    alone, shared = await capital.decide("A-1", NOON), await capital.decide("A-2", NOON)
    assert (alone.dial, shared.dial) == (None, None)
    assert stopped(alone, REASSIGNED) == {str(capital.people[ANA])}
    assert stopped(shared, REASSIGNED) == {str(capital.people[d]) for d in (LUIS, EVA)}
    # A younger answer counts, an older one does not.
    await checks(capital, tmp_path, line(NUMBER, "no", "2026-11-19"), NOON + DAY)
    assert (await capital.decide("A-1", NOON + DAY)).dial is None
    await checks(capital, tmp_path, line(NUMBER, "no", "2026-11-25"), NOON + DAY)
    assert (await capital.decide("A-1", NOON + DAY)).dial is not None
    report = await replay_sample(capital.ledger, sample=100, seed=1)
    assert (report.replayed, report.same) == (report.decisions, report.decisions) != (0, 0)


async def test_the_same_checks_again_change_nothing(capital: House, tmp_path: Path) -> None:
    text = line(NUMBER, "no") + line(NUMBER, "NO") + line(SHARED, "no")
    first = await checks(capital, tmp_path, text)
    assert (first.lines, first.added, first.known) == (3, 2, 0)
    events = (await verify_ledger(capital.ledger)).events
    again = await checks(capital, tmp_path, text, NOON + DAY)
    assert (again.added, again.known) == (0, 2)
    found = await verify_ledger(capital.ledger)
    assert (found.events, found.holds) == (events, True)


async def test_a_check_is_of_whoever_has_the_number(capital: House, tmp_path: Path) -> None:
    await checks(capital, tmp_path, line(NUMBER, "no"))
    home = {"residence": Place(country="US", subdivision="US-DC")}
    newcomer = msgspec.structs.replace(party("4-4", phone(NUMBER), name="Rosa Paz"), **home)
    await bring_in(capital.ledger, capital.context, account("A-3", newcomer), now_ms=to_ms(NOON))
    known = await subject(capital.ledger, "4-4")
    (check,) = known.number_checks
    assert (check.answer, check.contact_point_id) == (
        "no",
        known.contact_points[0].contact_point_id,
    )


async def test_bad_lines_of_checks_are_given_back(capital: House, tmp_path: Path) -> None:
    read = await checks(
        capital,
        tmp_path,
        line("+12025550199", "no")
        + line("", "no")
        + line(NUMBER, "")
        + line(NUMBER, "no", "2026-11-25")
        + line(NUMBER, "no", "")
        + line(NUMBER, "no", "yesterday")
        + f"{NUMBER},horoscope,no,2026-11-20\n",
    )
    assert (read.added, read.rejected) == (0, 7)
    told = (tmp_path / "rejects.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in told] == [
        *("number", "number", "answer", "checked_at", "checked_at", "checked_at", "kind")
    ]


async def erase(house: House, document: str) -> int:
    """Two people erase somebody; how many checks of numbers that is said to take away."""
    person_id, now_ms = house.people[document], to_ms(NOON)

    async def work(conn: AsyncConnection) -> int:
        preview = await would_erase(conn, person_id)
        asked = await request_erasure(
            conn, person_id, reason="in writing", actor="eva", now_ms=now_ms
        )
        await decide_erasure(conn, asked.erasure_id, approve=True, actor="rosa", now_ms=now_ms)
        return preview.rows["number_check"]

    return await house.ledger.transact(work)


async def test_checks_go_with_whoever_is_erased(capital: House, tmp_path: Path) -> None:
    await checks(capital, tmp_path, line(NUMBER, "no") + line(SHARED, "no"))
    assert await erase(capital, ANA) == 1
    assert await erase(capital, LUIS) == 0
    async with capital.ledger.read() as conn:
        left = (await conn.execute(select(number_check.c.address))).scalars().all()
        subjects = await read_subjects(conn, [capital.people[d] for d in (ANA, LUIS, EVA)])
    # Eva still has the number that she shared with Luis.
    assert left == [SHARED]
    checked = {s.person.person_id for s in subjects if s.number_checks}
    assert checked == {capital.people[EVA]}


# --- emergencies ----------------------------------------------------------------------------------

CODE = "US-DC:public_health"
BLACKOUT = "us-dc/public_health_emergency"


async def declare(house: House, now: datetime, code: str = CODE) -> Emergency:
    known = emergency_codes(rule for pack in packs("us-dc").packs for rule in pack.rules)
    return await house.ledger.transact(
        lambda conn: declare_emergency(conn, code, known=known, actor="eva", now_ms=to_ms(now))
    )


async def end(house: House, now: datetime) -> Emergency:
    return await house.ledger.transact(
        lambda conn: end_emergency(conn, CODE, actor="rosa", now_ms=to_ms(now))
    )


async def test_an_emergency_stops_everybody_at_once_and_for_60_days(capital: House) -> None:
    assert (await capital.decider.plan([capital.accounts["A-1"]], NOON))[0].dial is not None
    first = await declare(capital, NOON)
    assert stopped(await capital.decide("A-1", NOON), BLACKOUT) == {str(capital.people[ANA])}
    assert await declare(capital, NOON + DAY) == first
    assert (await capital.decide("A-2", NOON + 300 * DAY)).dial is None
    over = NOON + 2 * DAY
    ended = await end(capital, over)
    assert (ended.declared_by, ended.ended_by) == ("eva", "rosa")
    for days in (0, 1, 60):
        plan = await capital.decide("A-1", over + days * DAY)
        assert (plan.dial, bool(stopped(plan, BLACKOUT))) == (None, True)
    assert (await capital.decide("A-1", over + 61 * DAY)).dial is not None
    report = await replay_sample(capital.ledger, sample=100, seed=1)
    assert (report.replayed, report.same) == (report.decisions, report.decisions) != (0, 0)
    # Declared again, it holds again; the last end is what counts.
    await declare(capital, over + 62 * DAY)
    assert (await capital.decide("A-2", over + 62 * DAY)).dial is None
    await end(capital, over + 63 * DAY)
    assert (await capital.decide("A-2", over + 123 * DAY)).dial is None


async def test_what_was_decided_before_an_emergency_loses(capital: House) -> None:
    async def append(house: Household) -> object:
        person_id = capital.people[ANA]
        stream = await capital.decider.store.read_person(person_id)
        body = SubjectChanged(change="test")
        heads = {StreamKey(person_id): len(stream), HOUSE_STREAM: house.head}
        event = NewEvent(person_id=person_id, at_ms=to_ms(NOON), body=body, expected=heads)
        (result,) = await capital.decider.store.append([event])
        return result

    async with capital.ledger.read() as conn:
        before = await read_house(conn)
    assert isinstance(await append(before), Appended)
    await declare(capital, NOON)
    assert await append(before) is None
    batch = await capital.decider.store.read_batch(None, [], 0)
    assert batch.house.emergencies.in_force == (CODE,)
    assert isinstance(await append(batch.house), Appended)


async def test_an_emergency_elsewhere_stops_nobody_here(toronto: House, tmp_path: Path) -> None:
    await notices(toronto, tmp_path, f"document,date,kind\n{ANA},2026-11-01,letter\n")
    await declare(toronto, NOON)
    assert (await toronto.decide("A-1", NOON)).dial is not None


async def test_emergencies_are_on_record(capital: House) -> None:
    with pytest.raises(LookupError, match="not in force"):
        await end(capital, NOON)
    with pytest.raises(ValueError, match=f"known: {CODE}"):
        await declare(capital, NOON, "US-DC:public_helth")
    await declare(capital, NOON)
    await end(capital, NOON + DAY)
    async with capital.ledger.read() as conn:
        (told,) = await list_emergencies(conn, code=CODE)
        assert await list_emergencies(conn, code="other") == []
        rows = await conn.execute(
            select(audit_event.c.actor, audit_event.c.action, audit_event.c.target).where(
                audit_event.c.action.like("emergency.%")
            )
        )
        assert [tuple(row) for row in rows] == [
            ("eva", "emergency.declare", told.emergency_id),
            ("rosa", "emergency.end", told.emergency_id),
        ]
