"""What callers cost a team that dials: `python -m load_tests.bench_blended`."""

from __future__ import annotations

from compliance.types import Mode
from dialer.simulation.twin.run import run_case
from load_tests.pacing.blended import blended

TEAMS = ((1, 4.0), (3, 15.0), (8, 30.0), (20, 60.0))
"""Agents and calls to them an hour."""
SEEDS = (1, 2, 3, 4)


def main() -> None:
    """Play every team under both laws, and print a row each."""
    print("| agents | calls to us an hour | law | occupancy % | abandoned % |")
    print("|---:|---:|---|---:|---:|")
    for agents, calls_per_h in TEAMS:
        for mode in (Mode.PROGRESSIVE, Mode.PREDICTIVE):
            total = run_case(blended(mode, agents, calls_per_h), SEEDS).total
            print(
                f"| {agents} | {calls_per_h:g} | {mode} | {total.occupancy.mean:.1%} "
                f"| {total.abandoned_share:.2%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
