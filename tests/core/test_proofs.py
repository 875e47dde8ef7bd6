"""Every fact that a decision was made from can be put together again."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance import gate
from compliance.messages import AbandonmentStat, Facts, SuppressionFact, TrafficStat
from compliance.types import Channel, Mode, StreamKey, SuppressionScope
from dialer.core.proofs import differences, rebuilt_facts, sealed, with_text
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


@given(st.text(st.characters(codec="utf-8")).map(lambda text: f"☏ {text} ☏"))
@settings(max_examples=60, deadline=None)
def test_what_is_stored_holds_no_text(text: str) -> None:
    """Only its fingerprint; with the text again, the same decision comes out."""
    known = whole_facts()
    asked = request(Channel.SMS, Mode.BLAST, text=text, statements=("opt_out",), template_hash="a1")
    decided = gate.decide(asked, known, packs(), NOW).record
    record = sealed(decided, known.subject)
    stored = msgspec.json.encode(record)
    assert msgspec.json.encode(text)[1:-1] not in stored
    assert record.request.text is None
    assert record.request.template_hash == "a1"
    assert record.text_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert sealed(record, known.subject) == record
    facts_of_then = rebuilt_facts(record, known.subject, [])
    assert facts_of_then is not None
    again = gate.replay(with_text(record, text), facts_of_then, packs())
    assert differences(record, sealed(again, known.subject)) == ()
    with pytest.raises(ValueError, match="another text"):
        with_text(record, text + ".")


def test_rules_read_the_whole_text() -> None:
    known = whole_facts()
    said = {
        text: sealed(
            gate.decide(
                request(Channel.SMS, Mode.BLAST, text=text), known, packs("us"), NOW
            ).record,
            known.subject,
        )
        for text in ("Hola, llámenos.", "Hola, llámenos. Responda STOP.")
    }
    findings = [[f.rule_id for f in record.findings] for record in said.values()]
    assert findings[0] != findings[1]


def test_of_a_list_only_what_differs_is_told() -> None:
    given = whole_facts()
    then = gate.decide(dialed(), given, packs(), NOW).record
    fewer = msgspec.structs.replace(given, abandonment=())
    again = gate.decide(dialed(), fewer, packs(), NOW).record
    told = {difference.field: difference for difference in differences(then, again)}
    assert "facts_sha256" in told
    assert told["findings"].recorded.count('"rule_id"') == 1
    assert "us-tsr/three_percent" in told["findings"].recorded
