"""The lists themselves: whole, folded, each word once, each word found."""

from __future__ import annotations

import tomllib
from collections import Counter
from importlib.resources import files

from campaigns.content.folding import fold
from campaigns.content.words import LONGEST_STEM, WordGroup, find_inside, find_words

LISTS = tomllib.loads(
    (files("campaigns") / "data" / "content" / "words.toml").read_text(encoding="utf-8")
)
TERMS = {group: [*LISTS[group.value]["es"], *LISTS[group.value]["en"]] for group in WordGroup}
EVERYTHING = frozenset(WordGroup)


def test_terms_are_written_as_they_are_compared() -> None:
    for terms in TERMS.values():
        for term in terms:
            assert fold(term).text == term
            assert "*" not in term[:-1]
            assert len(term.split()) > 1 or len(term) <= LONGEST_STEM + 1


def test_no_term_stands_twice() -> None:
    counted = Counter(term for terms in TERMS.values() for term in terms)
    assert [term for term, count in counted.items() if count > 1] == []


def test_every_term_is_found_in_its_group_however_it_is_written() -> None:
    for group, terms in TERMS.items():
        for term in terms:
            word = term.replace("*", "")
            for written in (word, word.upper(), f"({word})", f"¡{word}!", word.replace(" ", "\n")):
                hits = find_words(f"Hoy {written} hoy.", EVERYTHING, debt_allowed=False)
                assert hits, (group, term, written)
            alone = find_words(word, frozenset({group}), debt_allowed=False)
            assert alone
            assert alone[0].group is group


def test_harmless_phrases_are_harmless_and_cover_no_more_than_themselves() -> None:
    for phrase in LISTS["harmless"]["everywhere"]:
        assert not find_words(f"Hoy {phrase} hoy.", EVERYTHING, debt_allowed=False), phrase
        assert find_words(f"Hoy {phrase} deuda.", EVERYTHING, debt_allowed=False), phrase
    for phrase in LISTS["harmless"]["with_debt"]:
        assert not find_words(phrase, frozenset({WordGroup.COURT}), debt_allowed=True), phrase
        assert find_words(phrase, frozenset({WordGroup.COURT}), debt_allowed=False), phrase


def test_a_host_is_read_by_its_parts() -> None:
    telling = frozenset({WordGroup.DEBT, WordGroup.COURT})
    for host in ("mipago.cl", "mi-deuda.example", "debtrelief.example", "pagos.uno.example"):
        assert find_inside(host, telling), host
    for host in ("clientes.uno.example", "memorable.example", "portal.example", "uno-dos.example"):
        assert find_inside(host, telling) is None, host
