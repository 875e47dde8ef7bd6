"""Reading what people write by hand, YAML or JSON, with errors that name key, line and remedy.

Every scalar is read as text and then as what its key asks for: `9`, `no` and `on` are keys of a
telephone and words, never numbers and truth values.
"""

from __future__ import annotations

import difflib
import re
from typing import Final, TypeAlias, TypeVar

import msgspec
import yaml

T = TypeVar("T")

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree]"

LONGEST_SOURCE: Final = 400_000
"""Characters of a document."""


class ContentError(Exception):
    """A document that cannot be read: key, line, what is wrong, how to mend it."""

    def __init__(
        self, key: str, *, es: str, en: str, mend_es: str, mend_en: str, line: int | None = None
    ) -> None:
        place = ", ".join(str(p) for p in (key, line and f"line {line}") if p)
        super().__init__(f"{place}: {en}; {mend_en}" if place else f"{en}; {mend_en}")
        self.key = key
        self.line = line
        self.es = es
        self.en = en
        self.mend_es = mend_es
        self.mend_en = mend_en


class Document:
    """A tree of texts, and the line of every key."""

    def __init__(self, tree: dict[str, Tree], lines: dict[str, int]) -> None:
        self.tree = tree
        self._lines = lines

    def line_of(self, key: str) -> int | None:
        """Line of a key (`nodes.start.text.es`), or of the nearest one above it."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key.rpartition(".")[0]
        return None


def parse(text: str) -> Document:
    """Read YAML (or JSON, which is YAML). Raises `ContentError`."""
    if len(text) > LONGEST_SOURCE:
        raise _unreadable(f"tiene más de {LONGEST_SOURCE} caracteres",
                          f"it has more than {LONGEST_SOURCE} characters", None)  # fmt: skip
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        what = (error.problem or "") if isinstance(error, yaml.MarkedYAMLError) else str(error)
        line = None if mark is None else mark.line + 1
        raise _unreadable(
            f"no es YAML ni JSON: {what}", f"not YAML or JSON: {what}", line
        ) from error
    except RecursionError as error:
        raise _unreadable("demasiado anidado", "nested too deeply", None) from error
    lines: dict[str, int] = {}
    tree = {} if root is None else _tree(root, "", lines, set())
    if not isinstance(tree, dict) or not tree:
        raise _unreadable("se esperaba un objeto con claves", "an object with keys is due", 1)
    return Document(tree, lines)


def _tree(node: yaml.Node, key: str, lines: dict[str, int], seen: set[int]) -> Tree:
    line = node.start_mark.line + 1
    lines.setdefault(key, line)
    if id(node) in seen:
        raise _unreadable("no se admiten alias (*)", "aliases (*) are not allowed", line)
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Tree] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise _unreadable("una clave debe ser un texto", "a key must be a text", line)
            inner = f"{key}.{name.value}" if key else name.value
            if name.value in made:
                at = name.start_mark.line + 1
                raise ContentError(
                    inner,
                    es="clave repetida",
                    en="key given twice",
                    mend_es="quite una de las dos",
                    mend_en="take one of them out",
                    line=at,
                )
            lines[inner] = name.start_mark.line + 1
            made[name.value] = _tree(value, inner, lines, seen)
        return made
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, f"{key}.{i}", lines, seen) for i, item in enumerate(node.value)]
    return str(node.value)


def _unreadable(es: str, en: str, line: int | None) -> ContentError:
    return ContentError(
        "",
        es=es,
        en=en,
        mend_es="compare con los ejemplos de `marcador content list`",
        mend_en="compare with the samples of `marcador content list`",
        line=line,
    )


# --- into structs --------------------------------------------------------------------------------

_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>[^`]*)`")
_VALUE: Final = re.compile(r"Invalid (?:enum )?value (?P<value>.*)")
_NAMED: Final = re.compile(r"`(?P<key>\w+)` must (?P<rule>.*)", re.DOTALL)
_RULES_ES: Final = tuple(
    (re.compile(english, re.DOTALL), spanish)
    for english, spanish in (
        (r"be single keys 0-9, \* and #, not (.*)", r"debe tener teclas solas (0-9, * y #), no \1"),
        (
            r"give each of es and en a single key 0-8: (.*)",
            r"debe dar a es y a en una tecla cada uno, de 0 a 8: \1",
        ),
        (
            r"ask two different factors or more, at least one of (\w+) and (\w+)",
            r"debe preguntar dos datos distintos o más, al menos uno de \1 y \2",
        ),
        (r"be of (.*) for (.*), not (.*)", r"debe ser de \1 para \2, no \3"),
        (r"have single keys 1-8, not (.*)", r"debe tener teclas solas (1-8), no \1"),
        (r"be one of (.*), not (.*)", r"debe ser uno de \1, no \2"),
    )
)
"""The rules of flows and texts in Spanish; a test sees that none is missing."""


def convert(
    tree: Tree, kind: type[T], *, document: Document, key: str = "", known: tuple[str, ...] = ()
) -> T:
    """A part of a document as a struct.

    Args:
        key: where in the document the part stands.
        known: names that its keys may have, for a hint at a misspelt one.
    Raises: `ContentError`.
    """
    try:
        return msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _told(str(error), document, key, known or _names(kind)) from error


def _names(kind: object) -> tuple[str, ...]:
    names = getattr(kind, "__struct_fields__", ())
    return tuple(str(name) for name in names)


def rule_es(rule: str) -> str:
    """What a key "must", in Spanish."""
    for pattern, spanish in _RULES_ES:
        if found := pattern.fullmatch(rule):
            return found.expand(spanish)
    return f"no cumple: must {rule}"


def _told(message: str, document: Document, key: str, known: tuple[str, ...]) -> ContentError:
    path = ""
    if found := _PATH.search(message):
        path = re.sub(r"\[(\d+)\]", r".\1", found["path"]).replace("[...]", "").strip(".")
        message = message[: found.start()]
    where = ".".join(part for part in (key, path) if part)
    mend = ("use: " + ", ".join(known), "use: " + ", ".join(known))
    if found := _UNKNOWN.fullmatch(message):
        name = found["key"]
        where = ".".join(part for part in (where, name) if part)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        if near:
            mend = (f"¿quiso decir `{near[0]}`?", f"did you mean `{near[0]}`?")
        es, en = f"no existe la clave `{name}`", f"there is no key `{name}`"
    elif found := _MISSING.fullmatch(message):
        es, en = f"falta la clave `{found['key']}`", f"the key `{found['key']}` is missing"
        mend = (f"agregue `{found['key']}`", f"add `{found['key']}`")
    elif found := _VALUE.fullmatch(message):
        es, en = (
            f"{found['value']} no es un valor posible",
            f"{found['value']} is no possible value",
        )
        mend = ("vea los valores en docs/content.md", "see docs/content.md for the values")
    elif found := _NAMED.fullmatch(message):
        where = ".".join(part for part in (where, found["key"]) if part)
        es, en = rule_es(found["rule"]), f"must {found['rule']}"
        mend = ("corrija el valor", "mend the value")
    else:
        es, en = f"valor que no sirve: {message}", f"the value does not fit: {message}"
        mend = ("corrija el valor", "mend the value")
    return ContentError(
        where, es=es, en=en, mend_es=mend[0], mend_en=mend[1], line=document.line_of(where)
    )
