"""Keeping the garbage collector out of the way of calls."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 50_000
"""New objects between two collections. Facts are large trees that die young without cycles: looking
through them more often finds nothing and stops the loop for milliseconds."""


def calm_collector() -> None:
    """Set everything made so far (modules, packs, calendars) aside, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
