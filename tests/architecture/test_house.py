"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("compliance", "campaigns", "telephony_adapters", "dialer")
LONGEST_FUNCTION = 70
LONGEST_MODULE = 560

LONG_FUNCTIONS: frozenset[str] = frozenset(
    {"dialer/stores/ledger/migrations/versions/first_0001.py:upgrade"}  # a list of tables
)
"""Functions that are longer all the same. This list only shrinks."""
LONG_MODULES: frozenset[str] = frozenset()
"""Modules that are longer all the same. This list only shrinks."""


def sources() -> list[Path]:
    return sorted(
        path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.stat().st_size
    )


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sources():
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def names_in(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found


def test_only_the_gate_can_mint_a_permit() -> None:
    users = {name for name, tree in trees() if "_MINT" in names_in(tree)}
    assert users == {"compliance/permit.py", "compliance/gate.py"}
    makers = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "ContactPermit"
    }
    assert makers == {"compliance/gate.py"}


def test_the_tests_mint_no_permit_of_their_own() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if path == Path(__file__):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "compliance.permit"
            for alias in node.names
        }
        allowed_there = path.name == "test_permit.py"
        assert "_MINT" not in imported or allowed_there, path


@pytest.mark.parametrize(
    ("port", "adapter", "door"),
    [
        ("telephony_adapters/port.py", "TelephonyAdapter", "originate"),
        ("telephony_adapters/messaging.py", "MessagingAdapter", "send"),
    ],
)
def test_every_door_to_a_person_asks_for_a_permit(port: str, adapter: str, door: str) -> None:
    tree = ast.parse((ROOT / port).read_text(encoding="utf-8"))
    protocol = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == adapter)
    method = next(
        n for n in protocol.body if isinstance(n, ast.AsyncFunctionDef) and n.name == door
    )
    assert "permit" in [argument.arg for argument in method.args.args]


def test_messages_leave_by_one_door_of_the_engine() -> None:
    senders = {
        name
        for name, tree in trees()
        if name.startswith("dialer/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "send"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "messenger"
    }
    assert senders == {"dialer/runtime/blasts/sender.py"}


@pytest.mark.parametrize("name", [str(p.relative_to(ROOT)) for p in sources()])
def test_modules_and_functions_fit_a_screen(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    if name not in LONG_MODULES:
        assert text.count("\n") <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if f"{name}:{node.name}" not in LONG_FUNCTIONS:
                assert lines <= LONGEST_FUNCTION, f"{name}:{node.name} has {lines} lines"


def test_the_exception_lists_name_only_what_is_still_long() -> None:
    for entry in LONG_MODULES:
        text = (ROOT / entry).read_text(encoding="utf-8")
        assert text.count("\n") > LONGEST_MODULE, f"{entry} has become short: strike it out"
    for entry in LONG_FUNCTIONS:
        name, function = entry.split(":")
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        lengths = [
            (node.end_lineno or node.lineno) - node.lineno + 1
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
        ]
        assert any(length > LONGEST_FUNCTION for length in lengths), f"strike {entry} out"


def test_lua_scripts_say_what_they_take_and_return() -> None:
    scripts = sorted((ROOT / "dialer/stores/redis/lua").glob("*.lua"))
    assert scripts
    for script in scripts:
        head = "\n".join(script.read_text(encoding="utf-8").splitlines()[:12]).upper()
        assert "--" in head, script.name
        is_prelude = "KEYS" not in script.read_text(encoding="utf-8").replace("-- KEYS", "")
        assert is_prelude or "KEYS" in head, script.name


def test_nothing_names_the_folder_it_was_built_from() -> None:
    for path in ROOT.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(ROOT).parts)
        if hidden or not path.is_file() or path.suffix not in (".py", ".md", ".toml", ".lua"):
            continue
        if path == Path(__file__) or "var" in path.relative_to(ROOT).parts[:1]:
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert "/work/" not in text, path
