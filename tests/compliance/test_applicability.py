"""What is remembered about places, numbers and laws never answers for another contact."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.applicability import Applicability, Scope
from compliance.messages import Place
from compliance.packs import load_packs
from compliance.schema import AppliesWhen
from compliance.types import CollectorRole, DebtClass, PersonKind, Purpose

COVERED = frozenset({"US", "CL", "MX"})
"""Countries with a pack of their own."""
COUNTRIES = ["US", "CL", "MX", "CO", "PE", "AR", "FR"]
COVERED = frozenset({"US", "CL", "MX"})
REGIONS = ["US-NY", "US-FL", "US-TX", "NY", "CL-RM", "MX-CMX", None]
PLACES = st.none() | st.builds(
    Place,
    country=st.sampled_from(COUNTRIES),
    subdivision=st.sampled_from(REGIONS),
    locality=st.sampled_from(["Brooklyn", "New York", None]),
    postal_code=st.sampled_from(["11201", None]),
)
SCOPES = st.builds(
    Scope,
    residence=PLACES,
    number_region=st.sampled_from(["US", "US-NY", "US-FL", "CL", None]),
    number_countries=st.none() | st.frozensets(st.sampled_from(COUNTRIES), max_size=3),
    supervised_by=st.sampled_from(["MX-CONDUSEF", None]),
    contract_laws=st.lists(PLACES, max_size=2).map(tuple),
    collector_role=st.sampled_from(CollectorRole),
    debt_classes=st.lists(st.sampled_from(DebtClass), max_size=2).map(tuple),
    purpose=st.sampled_from(Purpose),
    person_kind=st.sampled_from(PersonKind),
)


@cache
def bundled() -> tuple[AppliesWhen, ...]:
    return tuple(pack.doc.applies_when for pack in load_packs(production=False).packs)


@given(st.lists(SCOPES, min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_long_memory_answers_like_none(scopes: list[Scope]) -> None:
    whens = bundled()
    known = Applicability(whens, COVERED)
    for scope in [*scopes, *scopes]:
        assert known.of(scope) == Applicability(whens, COVERED).of(scope)


@given(SCOPES)
@settings(deadline=None)
def test_a_pack_that_names_nothing_binds_everywhere(scope: Scope) -> None:
    here = AppliesWhen(collector_role=(scope.collector_role,))
    others = tuple(role for role in CollectorRole if role is not scope.collector_role)
    elsewhere = AppliesWhen(collector_role=others)
    assert Applicability([AppliesWhen(), here, elsewhere], COVERED).of(scope) == 0b011
