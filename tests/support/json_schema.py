"""A small checker of values against JSON Schemas: what the schemas of this house use, no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Final, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_FORMATS: Final[Mapping[str, Callable[[str], object]]] = {
    "date-time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}
_SAYING_NOTHING: Final = frozenset({"title", "description", "default", "examples", "discriminator"})


def breaks(value: Json, schema: Json, document: Json, where: str = "$") -> list[str]:
    """Where a value does not fit a schema of a document. Raises `ValueError` for a keyword that
    this checker does not know: nothing passes unread."""
    return list(_breaks(value, schema, document, where))


def _breaks(value: Json, schema: Json, document: Json, where: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        raise ValueError(f"{where}: no schema: {schema}")
    for key, said in schema.items():
        if key in _SAYING_NOTHING:
            continue
        if key == "$ref":
            yield from _breaks(value, _found(str(said), document), document, where)
        elif key in ("anyOf", "oneOf"):
            each = [breaks(value, one, document, where) for one in _list(said)]
            if all(each):
                yield from min(each, key=len)
        else:
            yield from _keyword(key, said, value, schema, document, where)


def _keyword(
    key: str, said: Json, value: Json, schema: dict[str, Json], document: Json, where: str
) -> Iterator[str]:
    match key, value:
        case "type", _:
            is_flag = isinstance(value, bool) and said != "boolean"
            if is_flag or not isinstance(value, _TYPES[str(said)]):
                yield f"{where}: {value!r} is no {said}"
        case "enum", _:
            if value not in _list(said):
                yield f"{where}: {value!r} is none of {said}"
        case "required", dict():
            yield from (f"{where}: {name} is missing" for name in _list(said) if name not in value)
        case "properties", dict():
            shapes = said if isinstance(said, dict) else {}
            for name in value.keys() & shapes.keys():
                yield from _breaks(value[name], shapes[name], document, f"{where}.{name}")
        case "additionalProperties", dict():
            known = schema.get("properties")
            for name in value.keys() - (known.keys() if isinstance(known, dict) else set()):
                if said is False:
                    yield f"{where}: {name} is not known"
                elif said is not True:
                    yield from _breaks(value[name], said, document, f"{where}.{name}")
        case "items", list() if isinstance(said, dict):
            for place, item in enumerate(value):
                yield from _breaks(item, said, document, f"{where}[{place}]")
        case "minItems", list() if isinstance(said, int) and len(value) < said:
            yield f"{where}: fewer than {said}"
        case "pattern", str() if not re.search(str(said), value):
            yield f"{where}: {value!r} does not match {said}"
        case "format", str():
            try:
                _FORMATS[str(said)](value)
            except ValueError as error:
                yield f"{where}: {error}"
        case (
            "required" | "properties" | "additionalProperties" | "items" | "minItems"
            | "pattern" | "format", _
        ):  # fmt: skip
            return
        case _:
            raise ValueError(f"{where}: keyword {key} is not known")


def _found(reference: str, document: Json) -> Json:
    here = document
    for name in reference.removeprefix("#/").split("/"):
        if not isinstance(here, dict):
            raise ValueError(f"{reference} leads nowhere")
        here = here[name]
    return here


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
