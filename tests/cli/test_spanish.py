"""Whatever the layers below tell in English, a Spanish-speaking user reads in Spanish."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialer.cli.spanish import SPANISH, in_spanish, translated

ROOT = Path(__file__).resolve().parents[2]
TOLD = {
    "CampaignExists",
    "CannotListen",
    "ConfigError",
    "DataFolderUnusable",
    "FileUnusable",
    "ImportFailed",
    "KeyUnusable",
    "LookupError",
    "NothingToRun",
    "PortTaken",
    "PortfolioExists",
    "RedisUnavailable",
    "SettingsProblem",
    "UserError",
}
"""Errors whose arguments are sentences that people read; so are those of their kinds."""
PLACES = {"where", "key"}
"""Arguments that name a place and are no sentence."""


def _kinds() -> set[str]:
    """Names of the errors that are told, and of every kind of them in the house."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for package in ("campaigns", "dialer", "telephony_adapters")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    found = set(TOLD)
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found


RAISED = _kinds()


def _sentences() -> Iterator[tuple[str, str]]:
    for package in ("campaigns", "dialer", "telephony_adapters"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_raised(path, node):
                    given = [*node.args, *(k.value for k in node.keywords if k.arg not in PLACES)]
                    for argument in given:
                        text = _text(argument)
                        if text is not None and " " in text.strip("{}"):
                            yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def _is_raised(path: Path, call: ast.Call) -> bool:
    name = _name(call)
    own = path.name == "embedded.py" and name == "_problem"
    # What settings and definitions refuse; the decoder passes it on.
    told = path.match("campaigns/campaign.py") or path.match("twin/definition.py")
    of_settings = told and name == "ValueError"
    return own or of_settings or name in RAISED


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _text(node: ast.expr) -> str | None:
    """The sentence as it would be told, with an invented word for every value."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [v.value if isinstance(v, ast.Constant) else "xyz" for v in node.values]
        return "".join(str(part) for part in parts)
    return None


SENTENCES = sorted(set(_sentences()))


def test_there_are_sentences_to_look_at() -> None:
    assert len(SENTENCES) > 70


@pytest.mark.parametrize(("where", "sentence"), SENTENCES)
def test_every_sentence_has_its_spanish(where: str, sentence: str) -> None:
    told = translated(sentence)
    assert told is not None, f"{where}: add {sentence!r} to dialer/cli/spanish.py"
    assert told.count("xyz") >= sentence.count("xyz")


@pytest.mark.parametrize(("english", "spanish"), SPANISH.items())
def test_both_name_the_same(english: str, spanish: str) -> None:
    names = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
    assert set(names.findall(english)) == set(names.findall(spanish))


def test_what_is_quoted_is_translated_too() -> None:
    told = in_spanish("data_dir /x: Permission denied; choose a folder that this user may write to")
    assert told.startswith("data_dir /x: permiso denegado; elija con --data-dir una carpeta")


def test_what_nobody_translated_stays_as_it_is() -> None:
    assert in_spanish("something new") == "something new"
