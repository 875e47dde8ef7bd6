"""Reads the streams of a race back from the raw rows, and says who was contacted too often."""

from __future__ import annotations

import json
from collections import Counter

import msgspec
from sqlalchemy import text

from dialer.stores.ledger.database import Ledger


class Contacted(msgspec.Struct, frozen=True, kw_only=True):
    """What a race came to, by raw counting."""

    attempts: dict[str, str]
    """Attempt to person."""
    problems: list[str]
    stopped: int
    """People who were stopped before anybody had called them."""


async def judge_race(ledger: Ledger) -> Contacted:
    """One contact for each person, number and account; none after a stop or a payment."""
    async with ledger.read() as conn:
        events = (
            await conn.execute(
                text("SELECT person_id, seq, kind, body FROM ledger_event ORDER BY person_id, seq")
            )
        ).all()
        found = await conn.execute(text("SELECT contact_point_id, address FROM contact_point"))
        addresses = {row[0]: row[1] for row in found}
    by: dict[str, Counter[str]] = {key: Counter() for key in ("person", "number", "account")}
    attempts: dict[str, str] = {}
    stopped: dict[str, int] = {}
    paid: set[str] = set()
    open_of: dict[str, str] = {}
    problems: list[str] = []
    called: set[str] = set()
    for person_id, seq, kind, raw in events:
        body = json.loads(raw)
        if kind == "attempt_planned":
            attempt = body["attempt_id"]
            attempts[attempt] = person_id
            by["person"][person_id] += 1
            by["number"][addresses[body["contact_point_id"]]] += 1
            by["account"][body["account_id"]] += 1
            called.add(person_id)
            if person_id in stopped:
                problems.append(f"{person_id}/{seq}: dialed after the stop {stopped[person_id]}")
            if paid.intersection(body["debt_ids"]):
                problems.append(f"{person_id}/{seq}: dialed about a paid debt")
            if person_id in open_of:
                problems.append(f"{person_id}/{seq}: dialed while {open_of[person_id]} was open")
            open_of[person_id] = attempt
        elif kind == "attempt_ended":
            open_of.pop(person_id, None)
        elif kind == "subject_changed" and body["change"] == "stop":
            stopped[person_id] = seq
        elif kind == "payment_posted":
            paid.add(body["debt_id"])
    for key, counts in by.items():
        problems += [f"{key} {name}: {n} contacts" for name, n in counts.items() if n > 1]
    return Contacted(attempts=attempts, problems=problems, stopped=len(stopped.keys() - called))
