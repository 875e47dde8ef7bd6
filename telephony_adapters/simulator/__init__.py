"""The simulated carrier: `world` (pure, seeded people), `script` (faults), `carrier` (the port).

`null` is the cheapest carrier there is, for benches. Neither reaches a real person.
"""
