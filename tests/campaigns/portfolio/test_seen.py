"""What an import remembers of a file's rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from campaigns.portfolio.seen import _LEAST_SLOTS, HashSet, SeenAccounts, SeenRow

# Few different low bits, so that many hashes want the same slot.
hashes = st.one_of(
    st.integers(0, 2**64 - 1), st.integers(0, 63).map(lambda high: high << 58), st.just(0)
)


@given(st.lists(hashes, max_size=200))
def test_a_set_of_hashes_is_a_set(given_hashes: list[int]) -> None:
    kept, model = HashSet(), dict[int, int]()
    for hashed in given_hashes:
        assert kept.add(hashed) is (hashed not in model)
        model.setdefault(hashed, len(model))
    assert len(kept) == len(model)
    assert all(kept.place(hashed) == place for hashed, place in model.items())
    assert all((hashed in kept) is (hashed in model) for hashed in (1, 2**64 - 1, 5 << 58))


def test_it_grows_and_forgets_nothing() -> None:
    kept = HashSet()
    wanted = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(4 * _LEAST_SLOTS)]
    assert all(kept.add(hashed) for hashed in wanted)
    assert [kept.place(hashed) for hashed in wanted] == list(range(len(wanted)))
    assert not any(kept.add(hashed) for hashed in wanted)


def test_the_first_row_of_an_account_stays() -> None:
    seen = SeenAccounts()
    assert seen.row_of("A-1") is None
    seen.add("A-1", SeenRow(2, 2**64 - 1))
    seen.add("A-2", SeenRow(3, 0))
    seen.add("A-1", SeenRow(9, 9))
    assert (seen.row_of("A-1"), seen.row_of("A-2")) == (SeenRow(2, 2**64 - 1), SeenRow(3, 0))
    assert len(seen) == 2
