"""Packs that were damaged: they are refused with a `PackError`, or lose no rule."""

from __future__ import annotations

import tomllib
from datetime import date, time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.packs import BUNDLED, Pack, PackError, parse_pack, read_pack_file
from tests.compliance.test_packs import EXAMPLE

TEXTS = {path.stem: path.read_text("utf-8") for path in sorted(BUNDLED.glob("*.toml"))}
TEXTS["example"] = EXAMPLE.read_text("utf-8")
NAMES = st.sampled_from(sorted(TEXTS))
many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def load(text: str) -> Pack | PackError:
    """The pack, or why not. Anything but a `PackError` is a failure of the test."""
    try:
        return parse_pack(text, name="damaged.toml")
    except PackError as refused:
        error = refused
    assert error.file == "damaged.toml"
    assert error.key
    assert error.reason
    assert error.mend
    return error


def check_whole(text: str, loaded: Pack) -> None:
    """Nothing that stands in the file was dropped on the way."""
    written = tomllib.loads(text)
    ids = [rule["id"] for rule in written["rules"]]
    assert [rule.id for rule in loaded.doc.rules] == ids
    assert {rule.head.id for rule in loaded.rules} == {f"{written['pack']}/{name}" for name in ids}
    for rule, source in zip(loaded.doc.rules, written["rules"], strict=True):
        assert rule.kind == source["kind"]
        assert rule.params == source.get("params", {})


@given(NAMES, st.integers(0, 10**6), st.text(max_size=4), st.integers(0, 12))
@many
def test_a_stroke_of_the_pen(name: str, place: int, written: str, lost: int) -> None:
    """Some characters are lost and others come in their place."""
    text = TEXTS[name]
    at = place % len(text)
    damaged = text[:at] + written + text[at + lost :]
    loaded = load(damaged)
    if isinstance(loaded, Pack):
        check_whole(damaged, loaded)


@given(NAMES, st.data())
@many
def test_lines_that_are_lost_doubled_or_moved(name: str, data: st.DataObject) -> None:
    lines = TEXTS[name].splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    what = data.draw(st.sampled_from(["lost", "doubled", "moved"]))
    line = lines.pop(at)
    if what == "doubled":
        lines[at:at] = [line, line]
    elif what == "moved":
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    damaged = "\n".join(lines)
    loaded = load(damaged)
    if isinstance(loaded, Pack):
        check_whole(damaged, loaded)


SCALARS = st.one_of(
    st.integers(-5, 10**12),
    st.floats(allow_nan=True),
    st.booleans(),
    st.text(max_size=8),
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.times(time(0), time(23, 59)),
)
ANYTHING = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.text(max_size=4), SCALARS, max_size=2),
)


@pytest.mark.parametrize("key", ["max", "window", "count", "params", "citation", "explain", "id"])
@given(value=ANYTHING)
@settings(max_examples=40, deadline=None)
def test_a_value_of_any_other_shape(key: str, value: object) -> None:
    text = (
        'pack = "p"\nversion = "2026.1.1"\nkind = "law"\nstatus = "draft"\ntitle = "t"\n'
        '[[rules]]\nid = "r"\nkind = "frequency_cap"\nbasis = "law"\nconfidence = "read"\n'
        'citation = { instrument = "i", locator = "l" }\nexplain = { es = "e", en = "e" }\n'
        'params = { max = 1, window = { unit = "calendar_day" }, count = { basis = "attempt" } }\n'
    )
    tree = tomllib.loads(text)
    rule = tree["rules"][0]
    (rule if key in rule else rule["params"])[key] = value
    loaded = load(written(tree))
    if isinstance(loaded, Pack):
        assert len(loaded.rules) == 1


def written(tree: dict[str, object]) -> str:
    """TOML of a tree, each rule in one line of inline tables."""
    rules = tree["rules"]
    assert isinstance(rules, list)
    head = [f"{k} = {inline(v)}" for k, v in tree.items() if k != "rules"]
    return "\n".join([*head, "rules = [" + ", ".join(inline(r) for r in rules) + "]"])


def inline(value: object) -> str:
    if isinstance(value, dict):
        cells = (f"{quoted(str(k))} = {inline(v)}" for k, v in value.items())
        return "{ " + ", ".join(cells) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    return str(value)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(c):08x}" for c in text if not 0xD800 <= ord(c) < 0xE000) + '"'


@given(content=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("packs") / "p.toml"
    file.write_bytes(content)
    with pytest.raises(PackError):
        read_pack_file(file)
