"""The benchmark's tables: Markdown to read, CSV and JSON to work with."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import msgspec

from load_tests.pacing.runs import Row

COLUMNS = (
    "world", "agents", "contender", "runs x h", "occupancy %", "progressive %", "phi",
    "abandoned %", "worst 30 min %", "days > 3 %", "goal %", "goal", "hard gates", "note",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    """One line. What is missed is said, and by how much."""
    o = row.outcome
    goal = "" if row.goal is None else f"{row.goal:.1%}".removesuffix("%")
    verdict = ""
    if row.goal is not None:
        verdict = f"missed by {row.goal_missed_by:.2%}" if row.goal_missed_by else "met"
    return (
        o.world,
        str(o.agents),
        o.contender,
        f"{len(o.seeds)} x {o.hours:.3g}",
        f"{o.occupancy * 100:.2f}",
        f"{row.progressive * 100:.2f}",
        f"{row.phi:.3f}",
        f"{o.abandoned * 100:.2f}",
        f"{o.worst_30min * 100:.2f}" if o.worst_30min else "-",
        f"{o.bad_days} of {len(o.seeds)}",
        goal,
        verdict,
        "broken: " + "; ".join(row.gates) if row.gates else "met",
        o.note or ("beside peers" if o.beside_peers else ""),
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---:|---" + "|---:" * 8 + "|---" * 3 + "|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write(folder: Path, rows: Sequence[Row], head: str) -> None:
    """`table.md`, `table.csv` and `results.json`."""
    (folder / "table.md").write_text(f"{head}\n\n{markdown(rows)}", encoding="utf-8")
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(cells(row) for row in rows)
    slim = [
        msgspec.structs.replace(row, outcome=msgspec.structs.replace(row.outcome, timeline=()))
        for row in rows
    ]
    (folder / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(slim), indent=1))
