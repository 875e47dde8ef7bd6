"""Compares what Redis holds with what the ledger says, row by row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from dialer.stores.redis.client import connect_url
from dialer.stores.redis.queue import CampaignQueue, Place, Whereabouts

SLACK_MS = 150_000
"""A person who is just being called is looked at again two minutes later."""


class Standing(msgspec.Struct, frozen=True):
    """An enrolment, as the ledger's row has it."""

    account_id: str
    state: str
    not_before_ms: int


def enrolments(ledger: Path, campaign_id: str) -> list[Standing]:
    query = (
        "SELECT account_id, state, not_before_ms FROM enrolment"
        " WHERE campaign_id = ? ORDER BY account_id"
    )
    with closing(sqlite3.connect(ledger)) as db:
        return [Standing(*row) for row in db.execute(query, (campaign_id,))]


async def compare(
    ledger: Path, redis_url: str, campaign_id: str, now_ms: int, *, rebuilt: bool = False
) -> list[str]:
    """What is wrong. With `rebuilt`, the queue must say exactly what the ledger says; otherwise
    it may be behind, for then the next claim corrects it, but never too late or gone."""
    rows = enrolments(ledger, campaign_id)
    problems: list[str] = []
    async with await connect_url(redis_url) as client:
        queue = CampaignQueue(client, campaign_id)
        found = await queue.look_up([row.account_id for row in rows])
        enrolled = (await queue.counts(now_ms)).enrolled
    if enrolled != len(rows):
        problems.append(f"{enrolled} accounts are queued, {len(rows)} are enrolled")
    for row, place in zip(rows, found, strict=True):
        wrong = _wrong(row, place, now_ms) if not rebuilt else _differs(row, place)
        if wrong:
            problems.append(f"{row} is {wrong}: {place}")
    return problems


def _wrong(row: Standing, place: Whereabouts | None, now_ms: int) -> str:
    if place is None:
        return "lost"
    if place.place is Place.LEASED:
        return "leased by nobody"
    if place.place is Place.DONE and row.state != "done":
        return "done too early"
    sleeps_ms = place.at_ms or 0
    if (
        row.state == "waiting"
        and row.not_before_ms > now_ms
        and sleeps_ms > max(row.not_before_ms, now_ms) + SLACK_MS
    ):
        return "asleep too long"
    return ""


def _differs(row: Standing, place: Whereabouts | None) -> str:
    if place is None or place.place != row.state:
        return "elsewhere"
    if place.place is Place.WAITING and place.at_ms != row.not_before_ms:
        return "waiting for another moment"
    return ""
