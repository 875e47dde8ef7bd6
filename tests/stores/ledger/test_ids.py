"""Ids that many makers draw at the same moment."""

from __future__ import annotations

from ulid import ULID

from dialer.stores.ledger.ids import Ids


def test_makers_of_one_moment_make_different_ids() -> None:
    makers = [Ids() for _ in range(200)]
    ids = [maker() for maker in makers for _ in range(5)]
    assert len(set(ids)) == len(ids)
    assert all(str(ULID.from_str(one)) == one for one in ids)
