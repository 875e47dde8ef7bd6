"""JSON Schemas of what may be written shorter than it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

PREFIX: Final = "Asked"


def loosened(
    root: str, components: Mapping[str, Json], omitted: Mapping[str, Sequence[str]], reference: str
) -> dict[str, Json]:
    """Schemas to add to (and put into) `components`, so that `root` may leave fields out.

    The parts that may are copied under a name of their own (`AskedDebtFacts`): where an answer
    repeats them they are whole.

    Args:
        root: component that is written; what it reaches is looked through.
        omitted: fields that may be left out, by the type that has them.
        reference: what stands before a component's name in a `$ref`.
    """
    reaches = {name: set(_named(components[name], reference)) for name in components}
    loose = {name for name in components if _type(name) in omitted}
    while more := {n for n, inner in reaches.items() if inner & loose} - loose:
        loose |= more
    found: dict[str, Json] = {}
    left = [root]
    while left:
        name = left.pop()
        key = name if name == root else _asked(name)
        if key in found:
            continue
        fields = omitted.get(_type(name), ())
        found[key] = _copy(components[name], loose - {root}, reference, fields)
        left += reaches[name] & loose
    return found


def _type(name: str) -> str:
    """Name of a component's type; where two types share it, the component's has the module too."""
    return name.rpartition(".")[2]


def _asked(name: str) -> str:
    module, dot, kind = name.rpartition(".")
    return f"{module}{dot}{PREFIX}{kind}"


def _named(schema: Json, reference: str) -> Iterable[str]:
    """Components that a schema refers to."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(reference)
            else:
                yield from _named(value, reference)
    elif isinstance(schema, list):
        for value in schema:
            yield from _named(value, reference)


def _copy(schema: Json, loose: set[str], reference: str, omitted: Sequence[str]) -> Json:
    if isinstance(schema, list):
        return [_copy(value, loose, reference, ()) for value in schema]
    if not isinstance(schema, dict):
        return schema
    copied: dict[str, Json] = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            name = value.removeprefix(reference)
            copied[key] = reference + _asked(name) if name in loose else value
        elif key == "required" and isinstance(value, list):
            copied[key] = [field for field in value if field not in omitted]
        else:
            copied[key] = _copy(value, loose, reference, ())
    return copied
