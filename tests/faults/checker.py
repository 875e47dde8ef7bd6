"""An independent, slow judge: recomputes from the ledger's raw rows what must hold.

Own SQL, own JSON, own arithmetic; nothing of the engine, the gate or the event store is used. It
says what is wrong in sentences, and says nothing when all is well.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.faults.journal import Line
from tests.faults.prepared import ATTEMPTS_A_DAY, PERIOD_H

PERMIT_MS = 10_000
"""Real milliseconds between a decision and its dial, at most."""
RUNG = frozenset(
    {
        "dial_requested",
        "rang_no_answer",
        "machine_no_message",
        "machine_message",
        "mailbox_full",
        "fax",
        "answered_dropped",
        "abandoned",
        "answered_wrong_party",
        "answered_third_party",
        "conversation",
    }
)
"""What 12 CFR 1006.14(b)(3) and the stricter reading of Ley 21.320 count as a call."""
HOURS = {"US": (8, 21, 7), "CL": (8, 20, 6)}
"""Opening, closing (local hours) and last ISO weekday."""
CHILEAN_HOLIDAYS_2026 = frozenset(
    date(2026, month, day)
    for month, day in (
        *((1, 1), (4, 3), (4, 4), (5, 1), (5, 21), (6, 7), (6, 21), (6, 29), (7, 16), (8, 15)),
        *((9, 18), (9, 19), (10, 12), (10, 31), (11, 1), (12, 8), (12, 25)),
    )
)


@dataclass
class Attempt:
    """One attempt as its person's stream tells it."""

    attempt_id: str
    person_id: str
    account_id: str
    campaign_id: str
    point_id: str
    mode: str
    debt_ids: tuple[str, ...]
    answers: str | None
    seq: int
    at_ms: int
    record: dict[str, object]
    outcome: str = "dial_requested"
    ends: int = 0
    bridged: bool = False
    disposed: int = 0


@dataclass
class Judgement:
    """What was found, and how much was looked at."""

    problems: list[str] = field(default_factory=list)
    attempts: int = 0
    blocked: int = 0
    ended: int = 0
    conversations: int = 0
    originates: int = 0
    binding: Counter[str] = field(default_factory=Counter)
    """How often a limit was met exactly: one more would have broken it."""

    def bad(self, what: str) -> None:
        self.problems.append(what)


def judge(
    ledger: Path, journal: list[Line], country: str, *, speed: float, healed: bool = False
) -> Judgement:
    """Recompute everything. With `healed`, nothing may be left open, either."""
    found = Judgement(originates=len(journal))
    with closing(sqlite3.connect(ledger, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        # One moment of the ledger: a worker may be writing all the while.
        db.execute("BEGIN")
        attempts: dict[str, Attempt] = {}
        zones = _zones(db)
        for person_id, rows in _streams(db):
            _walk(person_id, rows, zones, country, speed, attempts, found)
        _journal(journal, attempts, db, found)
        _tables(db, attempts, found)
    if healed:
        for attempt in attempts.values():
            if attempt.ends != 1:
                found.bad(f"attempt {attempt.attempt_id} has {attempt.ends} ends after healing")
            if attempt.bridged and not attempt.disposed:
                found.bad(f"nobody has said what conversation {attempt.attempt_id} was")
    return found


def _streams(db: sqlite3.Connection) -> Iterator[tuple[str, list[sqlite3.Row]]]:
    person_id = ""
    rows: list[sqlite3.Row] = []
    query = "SELECT person_id, seq, at_ms, kind, decision_id, body, record FROM ledger_event"
    for row in db.execute(f"{query} ORDER BY person_id, seq"):
        if row["person_id"] != person_id and rows:
            yield person_id, rows
            rows = []
        person_id = row["person_id"]
        rows.append(row)
    if rows:
        yield person_id, rows


def _zones(db: sqlite3.Connection) -> dict[str, set[str]]:
    """Where each person may be: their own zones and those of their numbers that are in use."""
    zones: dict[str, set[str]] = defaultdict(set)
    for row in db.execute("SELECT person_id, zones FROM person"):
        zones[row["person_id"]] |= set(json.loads(row["zones"]))
    # A number that turned out to be a reference's or an employer's says nothing of the person.
    others = "role IN ('reference', 'third_party', 'employer')"
    known = "validity IN ('unverified', 'verified_right_party')"
    in_use = f"kind = 'phone' AND {known} AND NOT {others}"
    for row in db.execute(f"SELECT person_id, zones FROM contact_point WHERE {in_use}"):
        zones[row["person_id"]] |= set(json.loads(row["zones"]))
    return zones


# --- one person ----------------------------------------------------------------------------------


def _walk(
    person_id: str,
    rows: list[sqlite3.Row],
    zones: dict[str, set[str]],
    country: str,
    speed: float,
    attempts: dict[str, Attempt],
    found: Judgement,
) -> None:
    """Read a stream in its order; judge every attempt by what stood before it."""
    own: list[Attempt] = []
    stopped_by: str | None = None
    callbacks: set[str] = set()
    for position, row in enumerate(rows, 1):
        if row["seq"] != position:
            found.bad(f"{person_id}: event {position} is numbered {row['seq']}")
        body = json.loads(row["body"])
        kind = row["kind"]
        if kind == "attempt_planned":
            attempt = _attempt(person_id, row, body)
            if attempt.attempt_id in attempts:
                found.bad(f"attempt {attempt.attempt_id} was planned twice")
            found.attempts += 1
            _judge_attempt(attempt, own, zones[person_id], country, speed, callbacks, found)
            if stopped_by is not None:
                found.bad(f"{attempt.attempt_id}: {person_id} was dialed after {stopped_by}")
            attempts[attempt.attempt_id] = attempt
            own.append(attempt)
        elif kind == "contact_blocked":
            found.blocked += 1
            if json.loads(row["record"])["allowed"]:
                found.bad(f"{person_id}/{position}: a blocked contact was allowed")
        elif kind in ("attempt_ended", "disposition_set"):
            known = attempts.get(body["attempt_id"])
            if known is None or known.person_id != person_id:
                found.bad(f"{person_id}/{position}: {kind} of an attempt that was never planned")
                continue
            _close(known, kind, body, found)
        elif kind == "callback_requested":
            callbacks.add(f"{person_id}/{position}")
        elif kind == "subject_changed" and body.get("change") == "stop":
            stopped_by = f"the stop at {position}"


def _attempt(person_id: str, row: sqlite3.Row, body: dict[str, object]) -> Attempt:
    debts = body["debt_ids"]
    assert isinstance(debts, list)
    answers = body.get("answers_event_id")
    return Attempt(
        attempt_id=str(body["attempt_id"]),
        person_id=person_id,
        account_id=str(body["account_id"]),
        campaign_id=str(body["campaign_id"]),
        point_id=str(body["contact_point_id"]),
        mode=str(body["mode"]),
        debt_ids=tuple(debts),
        answers=None if answers is None else str(answers),
        seq=row["seq"],
        at_ms=row["at_ms"],
        record=json.loads(row["record"]),
    )


def _close(attempt: Attempt, kind: str, body: dict[str, object], found: Judgement) -> None:
    attempt.outcome = str(body["outcome"])
    if kind == "disposition_set":
        attempt.disposed += 1
        if attempt.disposed > 1 and not body.get("corrects"):
            found.bad(f"attempt {attempt.attempt_id} was disposed of {attempt.disposed} times")
        return
    attempt.ends += 1
    attempt.bridged = body.get("talk_ms") is not None
    found.ended += 1
    found.conversations += attempt.bridged
    if attempt.ends > 1:
        found.bad(f"attempt {attempt.attempt_id} ended {attempt.ends} times")


def _judge_attempt(
    attempt: Attempt,
    before: list[Attempt],
    zones: set[str],
    country: str,
    speed: float,
    callbacks: set[str],
    found: Judgement,
) -> None:
    name = attempt.attempt_id
    record = attempt.record
    if record.get("allowed") is not True or record.get("decision_id") != name:
        found.bad(f"attempt {name}: its decision did not allow it")
    stopped = [f for f in _findings(record) if f.get("outcome") in ("deny", "hold")]
    if stopped:
        found.bad(f"attempt {name}: allowed in spite of {stopped[0].get('rule_id')}")
    for other in before:
        if other.ends == 0:
            found.bad(f"attempt {name} was planned while {other.attempt_id} was open")
    decided = datetime.fromisoformat(str(record["at"]))
    waited_ms = attempt.at_ms - decided.timestamp() * 1000
    if not -1 <= waited_ms <= PERMIT_MS * speed:
        found.bad(f"attempt {name} was recorded {waited_ms:.0f} ms after its decision")
    _judge_hours(name, decided, zones, country, found)
    recent = [a for a in before if a.at_ms > decided.timestamp() * 1000 - PERIOD_H * 3_600_000]
    _limit(f"{PERIOD_H} hours", name, len(recent), ATTEMPTS_A_DAY, found)
    asked_for = attempt.mode == "callback"
    if asked_for and attempt.answers not in callbacks:
        found.bad(f"attempt {name} answers {attempt.answers}, which nobody asked for")
    if country == "US" and not asked_for:
        _judge_reg_f(attempt, before, decided, zones, found)
    if country == "CL":
        week = [a for a in before if a.outcome in RUNG and _same_week(a, decided, zones)]
        _limit("one week", name, len(week), 1, found)


def _findings(record: dict[str, object]) -> list[dict[str, object]]:
    findings = record["findings"]
    assert isinstance(findings, list)
    return findings


def _limit(what: str, name: str, before: int, most: int, found: Judgement) -> None:
    if before >= most:
        found.bad(f"attempt {name} is number {before + 1} in {what}; {most} are allowed")
    elif before == most - 1:
        found.binding[what] += 1


def _judge_hours(
    name: str, decided: datetime, zones: set[str], country: str, found: Judgement
) -> None:
    opens, closes, last_day = HOURS[country]
    if not zones:
        found.bad(f"attempt {name}: nobody knows where this person is")
    for zone in zones:
        local = decided.astimezone(ZoneInfo(zone))
        holiday = country == "CL" and local.date() in CHILEAN_HOLIDAYS_2026
        if not opens <= local.hour < closes or local.isoweekday() > last_day or holiday:
            found.bad(f"attempt {name} was decided at {local} in {zone}")


def _judge_reg_f(
    attempt: Attempt, before: list[Attempt], decided: datetime, zones: set[str], found: Judgement
) -> None:
    """12 CFR 1006.14(b)(2)(i): seven calls in seven days about a debt, and seven days of silence
    after a conversation; the day of each is the first of the seven."""
    week = [a for a in before if _within_days(a, decided, 7, zones)]
    for debt in attempt.debt_ids:
        about = [a for a in week if _counts_for(a, debt)]
        _limit("seven days about one debt", attempt.attempt_id, len(about), 7, found)
        if any(a.outcome == "conversation" for a in about):
            found.bad(f"attempt {attempt.attempt_id}: a conversation about {debt} is too recent")


def _counts_for(attempt: Attempt, debt: str) -> bool:
    if attempt.outcome == "conversation":
        return debt in attempt.debt_ids
    return attempt.outcome in RUNG and attempt.debt_ids[0] == debt


def _within_days(attempt: Attempt, at: datetime, days: int, zones: set[str]) -> bool:
    """In every zone: the engine may look further back, never less far."""
    then = datetime.fromtimestamp(attempt.at_ms / 1000, UTC)
    return all(
        (at.astimezone(ZoneInfo(z)).date() - then.astimezone(ZoneInfo(z)).date()).days < days
        for z in zones
    )


def _same_week(attempt: Attempt, at: datetime, zones: set[str]) -> bool:
    then = datetime.fromtimestamp(attempt.at_ms / 1000, UTC)
    return all(
        _monday(then.astimezone(ZoneInfo(z)).date()) == _monday(at.astimezone(ZoneInfo(z)).date())
        for z in zones
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


# --- the world outside, and the tables -----------------------------------------------------------


def _journal(
    journal: list[Line], attempts: dict[str, Attempt], db: sqlite3.Connection, found: Judgement
) -> None:
    """What was asked of the carrier, beside what the ledger says."""
    addresses = dict(db.execute("SELECT contact_point_id, address FROM contact_point").fetchall())
    times = Counter(line.call_id for line in journal)
    for call_id, count in times.items():
        if count > 1:
            found.bad(f"call {call_id} was originated {count} times")
    for line in journal:
        attempt = attempts.get(line.call_id)
        if attempt is None:
            found.bad(f"call {line.call_id} has no decision in the ledger")
            continue
        if not line.durable:
            found.bad(f"call {line.call_id} was asked for without a durable, open attempt")
        if addresses.get(attempt.point_id) != line.to:
            found.bad(f"call {line.call_id} went to another number than was decided")


def _tables(db: sqlite3.Connection, attempts: dict[str, Attempt], found: Judgement) -> None:
    """The projections say what the streams say."""
    rows = {row["attempt_id"]: row for row in db.execute("SELECT * FROM attempt")}
    if rows.keys() != attempts.keys():
        found.bad(f"the attempt table differs by {len(rows.keys() ^ attempts.keys())} rows")
    for attempt_id, row in rows.items():
        attempt = attempts.get(attempt_id)
        if attempt is not None and (row["ended_ms"] is not None) != (attempt.ends > 0):
            found.bad(f"attempt {attempt_id}: table and stream disagree about its end")
        if attempt is not None and attempt.ends and row["outcome"] != attempt.outcome:
            found.bad(f"attempt {attempt_id} is {row['outcome']} in the table, not its stream")
    made = Counter((a.campaign_id, a.account_id) for a in attempts.values())
    for row in db.execute("SELECT campaign_id, account_id, attempts FROM enrolment"):
        counted = made[row["campaign_id"], row["account_id"]]
        if row["attempts"] != counted:
            account, said = row["account_id"], row["attempts"]
            found.bad(f"{account} has {counted} attempts, its enrolment says {said}")
    lifting = "SELECT count(*) FROM consent WHERE scope IN ('frequency', 'hours')"
    if db.execute(lifting).fetchone()[0]:
        found.bad("this judge does not know consents that lift limits")
