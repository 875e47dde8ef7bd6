"""The page on the law names every pack and rule, and says what is not covered."""

from __future__ import annotations

from dialer.cli.law_docs import coverage, reference, shipped


def test_every_row_names_packs_that_ship_and_every_pack_stands_in_a_row() -> None:
    named = {name for row in coverage() for name in row.packs}
    assert named == set(shipped())
    for row in coverage():
        assert row.packs
        assert all(gap.strip() for gap in row.gaps), row.place
    places = [row.place for row in coverage()]
    assert len(places) == len(set(places))


def test_what_is_a_draft_or_not_known_is_told_as_a_gap() -> None:
    """Whoever reads a row of uncertain law learns why."""
    for row in coverage():
        packs = [shipped()[name] for name in row.packs]
        if any(pack.doc.status == "draft" for pack in packs):
            assert any("draft" in gap for gap in row.gaps), row.place
        if any(rule.confidence == "low" for pack in packs for rule in pack.doc.rules):
            assert row.gaps, row.place


def test_every_rule_is_on_the_page_with_its_source() -> None:
    page = reference()
    for name, pack in shipped().items():
        part = page.split(f"\n### {name}\n", 1)[1].split("\n### ", 1)[0]
        assert f"status **{pack.doc.status}**" in part
        for rule in pack.doc.rules:
            (line,) = [x for x in part.splitlines() if x.startswith(f"| `{rule.id}`<br>")]
            assert rule.citation.instrument in line
            assert f"| {rule.confidence} |" in line
            assert "{" not in line
