"""How often a jump that nobody can know of breaks the half hour.

`python -m load_tests.bench_jumps`.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor

from load_tests.pacing.goals import GATES
from load_tests.pacing.jumps import AT_ONCE_S, JumpDay, play_jumps
from load_tests.report import print_json


def main() -> None:
    """Play the days, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=30)
    parser.add_argument("--low", type=float, default=0.10, help="answer rate before a jump")
    parser.add_argument("--high", type=float, default=0.50, help="answer rate after it")
    parser.add_argument("--within", type=float, default=AT_ONCE_S, help="seconds a jump takes")
    parser.add_argument("--days", type=int, default=20, help="of three jumps each")
    parser.add_argument("--first-seed", type=int, default=1)
    given = parser.parse_args()
    days = [
        JumpDay(
            agents=given.agents,
            low=given.low,
            high=given.high,
            within_s=max(AT_ONCE_S, given.within),
            seed=seed,
        )
        for seed in range(given.first_seed, given.first_seed + given.days)
    ]
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(play_jumps, days))
    around = [share for r in results for share in r.worst_30min]
    worst = sorted((share for share in around if share is not None), reverse=True)
    if not worst:
        parser.error("no half hour had the 200 answers that it takes to judge one: more --agents")
    print_json(
        {
            "jumps": len(around),
            "with_200_answers": len(worst),
            "broke_30min": sum(share > GATES.window for share in worst),
            "worst_30min_pct": ", ".join(f"{share:.2%}" for share in worst[:5]),
            "mean_30min_pct": round(100.0 * sum(worst) / len(worst), 2),
            "occupancy_pct": round(100.0 * sum(r.occupancy for r in results) / len(results), 2),
            "abandoned_pct": round(100.0 * sum(r.abandoned for r in results) / len(results), 2),
        }
    )


if __name__ == "__main__":
    main()
