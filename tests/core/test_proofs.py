"""Every fact that a decision was made from can be put together again."""

from __future__ import annotations

import msgspec

from compliance import gate
from compliance.messages import AbandonmentStat, Facts, SuppressionFact, TrafficStat
from compliance.types import StreamKey, SuppressionScope
from dialer.core.proofs import differences, rebuilt_facts, sealed
from tests.compliance.build import PERSON, dialed, facts, packs, request, when

NOW = when("America/New_York", "2026-03-10 10:00")


def whole_facts() -> Facts:
    """Nothing is left at its default, but for the history: that is read from the streams."""
    return msgspec.structs.replace(
        facts(),
        heads={StreamKey(PERSON): 7},
        abandonment=(AbandonmentStat(window_s=2_592_000, live_answered=500, abandoned=3),),
        emergencies=("US-DC:public_health",),
        ended_emergencies={"US-FL:hurricane": when("America/New_York", "2026-01-05 00:00")},
        traffic=(TrafficStat(window_s=86_400, placed=900, short=20, short_s=6),),
        campaign_started_at=when("America/New_York", "2026-03-01 09:00"),
        complete_from=when("America/New_York", "2025-01-01 00:00"),
        wide=(
            SuppressionFact(
                suppression_id="s1",
                scope=SuppressionScope.CREDITOR,
                reason="audit",
                starts_at=when("America/New_York", "2026-01-01 00:00"),
                target_id="somebody-else",
            ),
        ),
    )


def test_a_record_says_all_that_the_ledger_does_not_keep_elsewhere() -> None:
    given = whole_facts()
    bare = Facts(subject=given.subject, collector=given.collector)
    for name in Facts.__struct_fields__:
        if name not in ("subject", "collector", "history"):
            assert getattr(given, name) != getattr(bare, name), f"give {name} in whole_facts"
    record = sealed(gate.decide(request(), given, packs(), NOW).record, given.subject)
    rebuilt = rebuilt_facts(record, given.subject, [])
    assert rebuilt == given
    again = sealed(gate.replay(record, rebuilt, packs()), given.subject)
    assert differences(record, again) == ()


def test_of_a_list_only_what_differs_is_told() -> None:
    given = whole_facts()
    then = gate.decide(dialed(), given, packs(), NOW).record
    fewer = msgspec.structs.replace(given, abandonment=())
    again = gate.decide(dialed(), fewer, packs(), NOW).record
    told = {difference.field: difference for difference in differences(then, again)}
    assert "facts_sha256" in told
    assert told["findings"].recorded.count('"rule_id"') == 1
    assert "us-tsr/three_percent" in told["findings"].recorded
