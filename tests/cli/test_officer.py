"""The officer's guide: every command that it shows is run, and does what it says."""

from __future__ import annotations

import csv
import json
import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dialer.cli.exits import ExitCode
from tests.cli.conftest import PASSWORD, Cli, Ran
from tests.cli.world import CAMPAIGN, DECIDED, PORTFOLIO, Made

PAGE = Path(__file__).parents[2] / "docs" / "officer.md"
Sql = Callable[[str], list[tuple[Any, ...]]]


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture
def sql(made: Made) -> Sql:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(Path(made.folder) / "ledger.db")) as connection:
            rows = connection.execute(statement).fetchall()
            connection.commit()
            return rows

    return run


@pytest.fixture
def staff(english: Cli, made: Made) -> Cli:
    """Eva and Rosa of compliance, Luis the supervisor."""
    for name, role in (("eva", "compliance"), ("rosa", "compliance"), ("luis", "supervisor")):
        ran = english(
            *("users", "add", name, "--role", role, "--password-stdin"), stdin=f"{PASSWORD}\n"
        )
        assert ran.code == ExitCode.OK, ran.err
    return english


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def order(cli: Cli, *args: str, password: str = PASSWORD) -> Ran:
    return cli(*args, "--password-stdin", "--json", stdin=f"{password}\n")


def _cdr(folder: Path, sql: Sql) -> None:
    """What the carrier would say of every attempt: answered by nobody."""
    rows = sql(
        "SELECT c.address, a.planned_ms FROM attempt AS a JOIN contact_point AS c "
        "ON c.contact_point_id = a.contact_point_id"
    )
    with (folder / "cdr.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["calldate", "dst", "billsec", "disposition"])
        for address, planned_ms in rows:
            local_hour = 12  # the instant below is 15:00 UTC
            assert int(planned_ms) % 86_400_000 == 15 * 3_600_000
            writer.writerow([f"2026-11-24 {local_hour}:00:02", address.lstrip("+"), 0, "NO ANSWER"])


def test_every_command_of_the_page(staff: Cli, made: Made, sql: Sql) -> None:
    """In the order of the page; what one makes, the next ones use."""
    ids = {
        "DECISION": made.dialed_id,
        "PHONE": made.address,
        "PERSON": made.person_id,
    }
    folder = staff.folder
    _cdr(folder, sql)
    (folder / "list.csv").write_text(f"phone,reason\n{made.address},complaint\n")
    (folder / "notices.csv").write_text(f"account,date,kind\n{made.account},2026-11-01,letter\n")
    checked = f"{made.address},reassigned_numbers_database,no,2026-11-01"
    (folder / "checks.csv").write_text(f"number,kind,answer,checked_at\n{checked}\n")
    for line in commands():
        words = [ids.get(word, word) for word in shlex.split(line)][1:]
        ran = staff(*words, "--json", stdin=f"{PASSWORD}\n")
        assert ran.code == ExitCode.OK, f"{line}\n{ran.out}\n{ran.err}"
        match words[:2]:
            case ["suppressions", "import"]:
                ((ids["SUPPRESSION"],),) = sql(
                    "SELECT suppression_id FROM suppression WHERE reason = 'complaint'"
                )
            case ["override", "request"]:
                ids["OVERRIDE"] = ran.json["override_id"]
            case ["hold", "place"]:
                ids["HOLD"] = ran.json["hold_id"]
            case ["erase", "request"]:
                ids["ERASURE"] = ran.json["erasure_id"]
    assert staff("verify-ledger").code == ExitCode.OK


def test_hours_are_proved(english: Cli, made: Made, sql: Sql) -> None:
    proof = english("report", "hours", "--json").json
    ((attempts,),) = sql("SELECT count(*) FROM attempt")
    assert (proof["attempts"], proof["violations"], proof["told"]) == (attempts, 0, [])
    assert proof["clocks"] >= proof["attempts"] > 0
    assert {ref["pack"] for ref in proof["packs"]} >= {"cl"}
    assert "0 outside lawful hours" in english("report", "hours").out
    # Somebody moves a contact to the night: its own clock, and its hours, give it away.
    sql(
        'UPDATE ledger_event SET record = replace(record, \'"at":"2026-11-24T15:00:00Z"\', '
        f"'\"at\":\"2026-11-24T05:00:00Z\"') WHERE decision_id = '{made.dialed_id}'"
    )
    ran = english("report", "hours", "--json")
    assert ran.code == ExitCode.NO
    assert ran.json["violations"] == 1
    assert set(ran.json["by_breach"]) == {"outside_hours", "wrong_clock"}
    assert {told["attempt_id"] for told in ran.json["told"]} == {made.dialed_id}


def test_numbers_of_incidents_are_masked_unless_asked_for(
    english: Cli, made: Made, sql: Sql
) -> None:
    sql(f"UPDATE attempt SET code = 'CD-QJ' WHERE attempt_id = '{made.dialed_id}'")
    report = english("report", "complaints", "--campaign", CAMPAIGN, "--json").json
    (told,) = report["told"]
    assert (report["total"], told["incident_id"]) == (1, made.dialed_id)
    assert told["address"] not in ("", made.address)
    shown = english("report", "complaints", "--language", "es").out
    assert "1 casos (queja: 1" in shown
    assert made.address not in shown
    whole = english("report", "complaints", "--whole")
    assert made.address in whole.out
    (row,) = sql("SELECT action FROM audit_event WHERE action = 'incidents.read'")
    assert row == ("incidents.read",)
    none = english("report", "wrong-parties", "--since", "2026-12-01", "--json").json
    assert (none["total"], none["told"]) == (0, [])
    assert english("evidence", "show", "nobody").code == ExitCode.BAD_INPUT


def test_a_contact_without_its_proof_does_not_hold(english: Cli, made: Made, sql: Sql) -> None:
    sql(f"UPDATE ledger_event SET record = NULL WHERE decision_id = '{made.dialed_id}'")
    ran = english("report", "hours", "--json")
    assert ran.code == ExitCode.NO
    assert ran.json["by_breach"] == {"no_proof": 1}


def test_a_tampered_pack_proves_nothing(english: Cli, made: Made, sql: Sql) -> None:
    sql("UPDATE rule_pack SET text = replace(text, '08:00', '00:00') WHERE pack = 'cl'")
    ran = english("report", "hours", "--json")
    assert ran.code == ExitCode.NO
    assert set(ran.json["by_breach"]) == {"rule_unknown"}
    sql(f"UPDATE ledger_event SET record = '{{}}' WHERE decision_id = '{made.dialed_id}'")
    assert english("report", "hours", "--json").json["by_breach"]["no_proof"] == 1
    assert english("report", "counters").code == ExitCode.OK


def test_blocks_add_up(english: Cli, made: Made, sql: Sql) -> None:
    report = english("report", "blocks", "--campaign", CAMPAIGN, "--json").json
    ((blocked,),) = sql("SELECT count(*) FROM ledger_event WHERE kind = 'contact_blocked'")
    assert report["blocked"] == blocked >= DECIDED - 3
    assert sum(rule["headline"] for rule in report["rules"]) == report["blocked"]
    rules = {rule["rule_id"]: rule for rule in report["rules"]}
    assert rules["cl/hours"]["any"] >= rules["cl/hours"]["headline"] > 0
    assert sum(rules["cl/hours"]["by_day"].values()) == rules["cl/hours"]["headline"]
    none = english("report", "blocks", "--since", "2026-11-25", "--json").json
    assert (none["decided"], none["rules"]) == (0, [])
    of_portfolio = english("report", "blocks", "--portfolio", PORTFOLIO, "--json").json
    assert of_portfolio["rules"] == report["rules"]
    assert english("report", "blocks", "--campaign", "nothing").code == ExitCode.BAD_INPUT


def test_counters_by_rule(english: Cli, made: Made) -> None:
    report = english("report", "counters", "--json").json
    weekly = {use["rule_id"]: use for use in report["counters"]}["cl/call_or_visit_weekly"]
    assert (weekly["limit"], weekly["most"], weekly["exceeded"]) == (1, 1, 0)
    assert weekly["at_limit"] > 0
    assert weekly["pack"] == "cl"
    assert "cl/call_or_visit_weekly" in english("report", "counters").out


def test_the_contact_log_has_the_counters(english: Cli, made: Made) -> None:
    log = english("contacts", made.person_id, "--json").json
    planned = next(e for e in log["entries"] if e["kind"] == "attempt_planned")
    weekly = next(c for c in planned["counters"] if c["rule_id"] == "cl/call_or_visit_weekly")
    assert (weekly["before"], weekly["limit"]) == (0, 1)
    assert made.address not in json.dumps(log)
    assert made.address in english("contacts", made.person_id, "--whole", "--json").out
    assert "cl/call_or_visit_weekly: 0 of 1" in english("contacts", made.person_id).out
    assert english("contacts", "nobody").code == ExitCode.BAD_INPUT


def test_abandonment(english: Cli, made: Made, sql: Sql) -> None:
    at = ("--at", "2026-11-24T15:10:00+00:00")
    assert english("report", "abandonment", *at, "--json").json["spans"] == []
    sql("UPDATE attempt SET outcome = 'conversation' WHERE outcome IS NOT NULL")
    sql(f"UPDATE attempt SET outcome = 'abandoned' WHERE attempt_id = '{made.dialed_id}'")
    ran = english("report", "abandonment", *at, "--json")
    assert ran.code == ExitCode.NO
    assert [span["span"] for span in ran.json["spans"]] == ["30_d", "24_h", "30_min"]
    (thirty, *_) = ran.json["spans"]
    assert thirty["abandoned"] == 1
    assert thirty["abandoned_pct"] == round(100 / thirty["live_answered"], 3)
    later = english("report", "abandonment", "--at", "2026-11-25T15:10:00+00:00", "--json")
    assert [span["span"] for span in later.json["spans"]] == ["30_d"]


def test_an_opt_out_and_a_contact_after_it(english: Cli, made: Made, sql: Sql) -> None:
    ((ended,),) = sql(f"SELECT ended_ms FROM attempt WHERE attempt_id = '{made.dialed_id}'")
    sql(
        "INSERT INTO suppression (suppression_id, person_id, scope, reason, starts_ms, created_by,"
        f" evidence) VALUES ('s-1', '{made.person_id}', 'person', 'opt_out', {int(ended) + 4_000},"
        f" 'disposition', '{made.dialed_id}')"
    )
    report = english("report", "opt-outs", "--json").json
    (told,) = [t for t in report["told"] if t["suppression_id"] == "s-1"]
    assert (told["latency_ms"], told["contacts_after"]) == (4_000, 0)
    sql(
        "INSERT INTO attempt (attempt_id, person_id, account_id, contact_point_id, channel, mode, "
        f"planned_ms) VALUES ('late', '{made.person_id}', 'a', 'c', 'voice', 'manual', "
        f"{int(ended) + 2_000})"
    )
    ran = english("report", "opt-outs", "--json")
    assert ran.code == ExitCode.NO
    assert ran.json["contacted_after"] == 1


def test_reconciling_a_file(english: Cli, made: Made, sql: Sql) -> None:
    _cdr(english.folder, sql)
    file = english.folder / "cdr.csv"
    lines = file.read_text().splitlines()
    asked = ("reconcile", "cdr.csv", "--zone", "America/Santiago", "--json")
    good = english(*asked)
    assert good.code == ExitCode.OK
    assert good.json["by_number"] == len(lines) - 1 == good.json["attempts"]
    answered = lines[1].replace(",0,NO ANSWER", ",95,ANSWERED")
    stranger = "2026-11-24 12:00:05,56999999999,30,ANSWERED"
    bad = "yesterday,56911111111,x,ANSWERED"
    file.write_text("\n".join([lines[0], answered, *lines[3:], stranger, bad]) + "\n")
    for _ in range(2):
        ran = english(*asked)
        assert ran.code == ExitCode.NO
        report = ran.json
        assert (report["without_attempt"], report["different"], report["rejected"]) == (1, 1, 1)
        assert report["differences"][0]["kind"] == "only_carrier_answered"
    rejects = table(Path(report["reject_file"]))
    assert [(row["column"], row["row"]) for row in rejects] == [("start", bad)]
    kinds: dict[str, int] = dict(
        sql("SELECT kind, count(*) FROM review_item WHERE kind LIKE '%cdr%' GROUP BY kind")
    )
    assert kinds["cdr_without_attempt"] == kinds["cdr_difference"] == 1
    texts = "".join(row[0] for row in sql("SELECT text FROM review_item"))
    assert "56999999999" not in texts
    assert english("reconcile", "cdr.csv", "--map", "start=when").code == ExitCode.BAD_INPUT
    assert english("reconcile", "cdr.csv", "--map", "when").code == ExitCode.USAGE
    assert english("reconcile", "cdr.csv", "--zone", "Mars").code == ExitCode.BAD_INPUT


def test_a_suppression_list(staff: Cli, made: Made, sql: Sql) -> None:
    ((document,),) = sql(f"SELECT document_number FROM person WHERE person_id = '{made.person_id}'")
    file = staff.folder / "list.csv"
    file.write_text(
        "who;document;phone;account;reason;scope;channel;ends;evidence\n"
        f";{document};;;cease;;;;letter 7\n"
        f";;{made.address};;complaint;;voice;2027-01-01;\n"
        f";;;{made.account};dispute;;;;\n"
        ";;+56900000000;;complaint;;;;\n"
        f";{document};;;;;;;\n"
        f";{document};;;cease;tenant;;;\n"
        f";{document};;;cease;;pigeon;;\n"
        ";;;;cease;;;;\n"
    )
    first = staff("suppressions", "import", "list.csv", "--json")
    assert first.code == ExitCode.NO
    assert (first.json["lines"], first.json["added"], first.json["rejected"]) == (8, 3, 5)
    rejects = table(staff.folder / "list.rejects.csv")
    assert [row["column"] for row in rejects] == [
        "phone",
        "reason",
        "scope",
        "channel",
        "person_id,document,phone,email,account",
    ]
    again = staff("suppressions", "import", "list.csv", "--json").json
    assert (again["added"], again["known"]) == (0, 3)
    stopped = staff("explain", made.person_id, "--json")
    assert stopped.code == ExitCode.OK
    staff("suppressions", "export", "--out", "out.csv")
    rows = {row["reason"]: row for row in table(staff.folder / "out.csv")}
    assert rows["complaint"]["phone"] == made.address
    assert rows["cease"]["evidence"] == "letter 7"
    assert rows["dispute"]["scope"] == "account"
    told = sql(
        "SELECT count(*) FROM ledger_event WHERE kind = 'subject_changed' "
        f"AND person_id = '{made.person_id}' AND body LIKE '%\"suppression\"%'"
    )
    assert told == [(3,)]
    ids = {reason: row["suppression_id"] for reason, row in rows.items()}
    asked = ("suppressions", "release", ids["cease"], "--reason", "withdrawn")
    assert order(staff, *asked, "--user", "luis").code == ExitCode.BAD_INPUT
    assert order(staff, *asked, "--user", "eva", password="wrong one").code == ExitCode.BAD_INPUT
    assert order(staff, *asked, "--user", "eva").json["ends_ms"] is not None
    assert order(staff, *asked, "--user", "eva").code == ExitCode.BAD_INPUT
    staff("suppressions", "export", "--out", "out.csv")
    left = [row["reason"] for row in table(staff.folder / "out.csv")]
    assert "cease" not in left
    (staff.folder / "bad.csv").write_text("name,reason\nAna,cease\n")
    assert staff("suppressions", "import", "bad.csv").code == ExitCode.BAD_INPUT
    assert staff("verify-ledger").code == ExitCode.OK


def test_only_compliance_declares_what_packs_ask_about(staff: Cli) -> None:
    emergency = ("evidence", "emergency")
    asked = (*emergency, "declare", "US-DC:public_health")
    assert order(staff, *asked, "--user", "luis").code == ExitCode.BAD_INPUT
    unknown = order(staff, *emergency, "declare", "US-DC:helth", "--user", "eva")
    assert unknown.code == ExitCode.BAD_INPUT
    assert "US-DC:public_health" in unknown.err
    assert staff(*emergency, "list", "--json").json == []
    declared = order(staff, *asked, "--user", "eva").json
    assert declared["code"] == "US-DC:public_health"
    ended = order(staff, *emergency, "end", "US-DC:public_health", "--user", "rosa").json
    assert ended["emergency_id"] == declared["emergency_id"]
    assert ended["ended_by"] != declared["declared_by"]
    assert staff(*emergency, "list", "--json").json == [ended]


def test_two_people_override(staff: Cli, made: Made) -> None:
    ask = ("override", "request", made.person_id, "--reason", "asked for it")
    law = order(staff, *ask, "--rule", "cl/hours", "--user", "luis")
    assert law.code == ExitCode.BAD_INPUT
    assert "cannot be overridden" in law.err
    rule = ("--rule", "house/three_dials_a_day")
    made_by = order(staff, *ask, *rule, "--user", "eva").json
    own = order(staff, "override", "approve", made_by["override_id"], "--user", "eva")
    assert own.code == ExitCode.BAD_INPUT
    supervisor = order(staff, "override", "approve", made_by["override_id"], "--user", "luis")
    assert supervisor.code == ExitCode.BAD_INPUT
    granted = order(staff, "override", "approve", made_by["override_id"], "--user", "rosa").json
    assert granted["state"] == "approved"
    twice = order(staff, "override", "refuse", made_by["override_id"], "--user", "rosa")
    assert twice.code == ExitCode.BAD_INPUT
    (listed,) = staff("override", "list", "--person", made.person_id, "--json").json
    assert listed == granted


def test_a_hold_stops_an_erasure(staff: Cli, made: Made, sql: Sql) -> None:
    hold = order(staff, "hold", "place", made.person_id, "--matter", "case 1", "--user", "eva")
    assert hold.code == ExitCode.OK
    asked = ("erase", "request", made.person_id, "--reason", "asked", "--user", "eva")
    assert order(staff, *asked).code == ExitCode.BAD_INPUT
    looked = staff("erase", "preview", made.person_id, "--json")
    assert looked.code == ExitCode.NO
    assert looked.json["holds"] == [hold.json["hold_id"]]
    lift = ("hold", "release", hold.json["hold_id"], "--reason", "closed", "--user", "rosa")
    assert order(staff, *lift).code == ExitCode.OK
    request = order(staff, *asked).json
    own = order(staff, "erase", "approve", request["erasure_id"], "--user", "eva")
    assert own.code == ExitCode.BAD_INPUT
    done = order(staff, "erase", "approve", request["erasure_id"], "--user", "rosa")
    assert done.json["state"] == "done"
    assert staff("verify-ledger").code == ExitCode.OK
    (replay,) = staff("explain", made.dialed_id, "--replay", "--json").json["replays"]
    assert replay["missing"] == "erased"
    sql("VACUUM")
    left = Path(made.folder, "ledger.db").read_bytes()
    assert made.address.encode() not in left


def test_retention(staff: Cli, made: Made, sql: Sql) -> None:
    assert staff("retention", "--keep-days", "1", "--json").json["people"] == []
    sql("UPDATE account SET state = 'closed'")
    people = {row[0] for row in sql("SELECT person_id FROM person")}
    none = staff("retention", "--json").json
    assert (none["keep_days"], none["people"]) == (1096, [])
    sql("UPDATE ledger_event SET at_ms = at_ms - 200000000000")
    held = order(staff, "hold", "place", made.person_id, "--matter", "case", "--user", "eva")
    assert held.code == ExitCode.OK
    due = staff("retention", "--json").json["people"]
    assert {row["person_id"] for row in due} == people - {made.person_id}
    assert staff("retention", "--request").code == ExitCode.USAGE
    asked = order(staff, "retention", "--request", "--user", "eva").json
    assert len(asked["requests"]) == len(due)
    assert staff("retention", "--json").json["people"] == []
