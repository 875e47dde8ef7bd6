"""What rules about the conduct of a contact share: unknown facts, statements and languages."""

from __future__ import annotations

import msgspec

from compliance.declared import Declared
from compliance.messages import Finding
from compliance.rules.base import Rule
from compliance.schema import IfUnknown
from compliance.types import Outcome
from compliance.zones import fold_text


def not_known(
    rule: Rule,
    policy: IfUnknown,
    code: str,
    *,
    releasing_event: str,
    detail: dict[str, str | int] | None = None,
) -> Finding:
    """What a rule says when the fact it needs has not been told."""
    if policy is IfUnknown.IGNORE:
        return rule.passed
    finding = rule.stop(code, releasing_event=releasing_event, detail=detail)
    if policy is IfUnknown.WARN and finding.outcome.stops:
        return msgspec.structs.replace(finding, outcome=Outcome.WARN, releasing_event=None)
    return finding


def says(declared: Declared, statement: str, phrases: tuple[str, ...] = ()) -> bool | None:
    """Whether a contact makes a statement; None: it does not declare what it says.

    A text that can be read outweighs what is declared of it: with `phrases`, one of them must
    be in the text.
    """
    if phrases and declared.text is not None:
        return has_phrase(declared.text, phrases)
    if declared.statements is None:
        return None
    return statement in declared.statements


def has_phrase(text: str, phrases: tuple[str, ...]) -> bool:
    """Whether one of the phrases is in a text, as whole words, whatever its accents and case."""
    words = f" {_words(text)} "
    return any(f" {_words(phrase)} " in words for phrase in phrases)


def _words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in fold_text(text)).split())


def speaks(language: str, wanted: str) -> bool:
    """Whether a contact in `language` serves one who wants `wanted` (BCP 47): `es` serves `es-CL`
    and the other way round, `es-CL` and `es-ES` serve each other."""
    return language.partition("-")[0].lower() == wanted.partition("-")[0].lower()
