"""The configuration reference and the file that `init` writes, both from `dialer.config` itself.

`python -m dialer.cli.config_docs` prints `docs/configuration.md`.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Final, get_args, get_origin

import msgspec
from msgspec import inspect as shapes

from dialer import config as definitions
from dialer.config import Config, Section

WIDTH: Final = 88


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the configuration."""

    name: str
    """Dotted."""
    type: str
    default: object
    meaning: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A section of the file with its keys; the first has no name."""

    name: str
    meaning: str
    keys: tuple[Key, ...]
    named: bool = False
    """There may be several, each with a name in place of `NAME`; of itself there is none."""


@cache
def parts() -> tuple[Part, ...]:
    """The whole configuration, in the order of its definition."""
    return tuple(_parts(Config, ""))


def _parts(section: type[Section], name: str, *, named: bool = False) -> Iterator[Part]:
    meanings = _meanings(section)
    keys: list[Key] = []
    nested: list[tuple[type[Section], str, bool]] = []
    for field in msgspec.structs.fields(section):
        dotted = f"{name}.{field.name}" if name else field.name
        if get_origin(field.type) is dict:
            nested.append((get_args(field.type)[1], f"{dotted}.NAME", True))
            continue
        if isinstance(field.type, type) and issubclass(field.type, Section):
            nested.append((field.type, dotted, False))
            continue
        keys.append(
            Key(
                name=dotted,
                type=_type(shapes.type_info(field.type)),
                default=field.default,
                meaning=meanings[field.name],
            )
        )
    yield Part(name=name, meaning=section.__doc__ or "", keys=tuple(keys), named=named)
    for inner, dotted, by_name in nested:
        yield from _parts(inner, dotted, named=by_name)


def _meanings(section: type[Section]) -> dict[str, str]:
    """The text below each field of a section. Raises `KeyError` at use for one without."""
    tree = ast.parse(inspect.getsource(definitions))
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == section.__name__
    )
    found: dict[str, str] = {}
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _type(shape: shapes.Type) -> str:
    """A type as people say it: `integer >= 1`, `"es" or "en"`."""
    if isinstance(shape, shapes.UnionType):
        inner = [t for t in shape.types if not isinstance(t, shapes.NoneType)]
        return " or ".join(map(_type, inner)) + ", or not set"
    if isinstance(shape, shapes.LiteralType):
        return " or ".join(json.dumps(value) for value in shape.values)
    if isinstance(shape, shapes.IntType | shapes.FloatType):
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">=", shape.ge), (">", shape.gt), ("<=", shape.le))
            if bound is not None
        ]
        kind = "integer" if isinstance(shape, shapes.IntType) else "number"
        return " ".join((kind, " and ".join(bounds))).strip()
    if isinstance(shape, shapes.BoolType):
        return "true or false"
    return "text"


# --- the file that `init` writes ------------------------------------------------------------------


def template(config: Config, chosen: frozenset[str] = frozenset()) -> str:
    """A commented `marcador.toml`: every key with its meaning; `chosen` ones are in force."""
    lines = [
        "# Marcador. Every key with its meaning and default; remove the # to change one.",
        "# The environment (MARCADOR_SECTION__KEY) and the command line (--set) win over this",
        "# file. docs/configuration.md says the same.",
    ]
    for part in parts():
        lines += ["", f"# {part.meaning}"] if part.name else []
        if part.name:
            lines.append(f"# [{part.name}]" if part.named else f"[{part.name}]")
        for key in part.keys:
            lines.append("")
            lines += [f"# {line}" for line in _wrapped(f"{key.meaning} ({key.type})")]
            value = _value(config, key.name) if key.name in chosen else None
            leaf = key.name.rpartition(".")[2]
            if value is not None:
                lines.append(f"{leaf} = {_toml(value)}")
            else:
                default = "..." if key.default is None else _toml(key.default)
                lines.append(f"# {leaf} = {default}")
    return "\n".join(lines) + "\n"


def _value(config: Config, dotted: str) -> object:
    found: object = config
    for name in dotted.split("."):
        found = getattr(found, name)
    return found


def _toml(value: object) -> str:
    """Text, numbers and booleans are written in TOML as in JSON."""
    return json.dumps(value, ensure_ascii=False)


def _wrapped(text: str) -> list[str]:
    return re.findall(rf".{{1,{WIDTH}}}(?:\s+|$)", text)


# --- the reference -----------------------------------------------------------------------------

_HEAD: Final = """\
# Configuration

Written by `python -m dialer.cli.config_docs` from `dialer/config.py`; a test compares them.

Values come from, each winning over the one before:

1. the defaults below;
2. a TOML file: `--config FILE`, else `MARCADOR_CONFIG`, else `marcador.toml` in the current
   folder (`marcador init` writes one with every key in it);
3. the environment: `MARCADOR_` and the key in capitals, sections apart by two underscores,
   as in `MARCADOR_HTTP__PORT=8461`;
4. the command line: `--set http.port=8461`, `--data-dir`, `--language`.

A key that does not exist, or a value out of range, stops the start and is named.
"""


def reference() -> str:
    """`docs/configuration.md`."""
    lines = [_HEAD]
    for part in parts():
        title = f"`[{part.name}]`" if part.name else "Top level"
        lines += [f"## {title}", ""]
        if part.name:
            lines += [part.meaning, ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        for key in part.keys:
            default = "not set" if key.default is None else f"`{_toml(key.default)}`"
            cells = (f"`{key.name}`", key.type, default, key.meaning)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(reference())
