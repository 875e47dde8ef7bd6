"""The OpenAPI 3.1 description, made from the table of routes and the types they name."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Final, TypeAlias, get_args

import msgspec

from dialer.console.auth import COOKIE, CSRF_HEADER, SAFE_METHODS
from dialer.console.decoding import JSON_TYPE
from dialer.console.errors import (
    BAD_CONTENT_TYPE,
    BAD_FIELD,
    BAD_JSON,
    BAD_QUERY,
    BAD_TOKEN,
    BODY_TOO_LARGE,
    CSRF,
    FORBIDDEN,
    LOGIN_NEEDED,
    NO_CREDENTIALS,
    NOT_FOUND,
    SERVER_FAULT,
    STORE_AWAY,
    ErrorAnswer,
    Problem,
)
from dialer.console.sse import EVENT_STREAM
from dialer.console.table import Guard, Nothing, Route
from dialer.core.desk_messages import AnyClientMessage, AnyServerMessage
from dialer.runtime.loosening import loosened

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

REFERENCE: Final = "#/components/schemas/"
VERSION: Final = "1"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def document(routes: Sequence[Route]) -> dict[str, Json]:
    """The whole description, ready to be encoded."""
    types = _types(routes)
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE + "{name}")
    schema_of: dict[object, dict[str, Json]] = dict(zip(types, schemas, strict=True))
    parts: dict[str, Json] = dict(components)
    _describe(types, parts)
    for entry in routes:
        if entry.omits:
            root = str(schema_of[entry.body]["$ref"]).removeprefix(REFERENCE)
            parts |= loosened(root, parts, entry.omits, REFERENCE)
    parts["ClientMessage"] = schema_of[AnyClientMessage]
    parts["ServerMessage"] = schema_of[AnyServerMessage]
    paths: dict[str, Json] = {}
    for entry in routes:
        item = paths.setdefault(entry.path, {})
        if isinstance(item, dict):
            item[entry.method.lower()] = _operation(entry, schema_of, parts)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Marcador",
            "version": VERSION,
            "summary": "Predictive dialer and contact-campaign engine for debt collections",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(entry.tag for entry in routes)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(parts.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def problems_of(entry: Route) -> list[Problem]:
    """Every error that a route may answer with."""
    found = [*entry.errors]
    if not entry.is_public:
        found += [NO_CREDENTIALS, BAD_TOKEN, FORBIDDEN]
        if entry.method not in SAFE_METHODS:
            found.append(CSRF)
    if entry.guard is Guard.LOGIN:
        found.append(LOGIN_NEEDED)
    if _PARAMETER.search(entry.path):
        found.append(NOT_FOUND)
    if entry.body is not Nothing:
        found += [BAD_JSON, BAD_FIELD, BODY_TOO_LARGE, BAD_CONTENT_TYPE]
    if entry.upload_type is not None:
        found.append(BAD_CONTENT_TYPE)
    found += [BAD_QUERY, STORE_AWAY, SERVER_FAULT]
    return sorted(dict.fromkeys(found), key=lambda problem: (problem.status, problem.code))


def _types(routes: Iterable[Route]) -> list[object]:
    found: dict[object, None] = {ErrorAnswer: None}
    for entry in routes:
        for kind in (entry.body, entry.query, entry.answer):
            if kind is not Nothing:
                found[kind] = None
    return [*found, AnyClientMessage, AnyServerMessage]


# --- one operation -------------------------------------------------------------------------------


def _operation(
    entry: Route, schema_of: Mapping[object, dict[str, Json]], parts: dict[str, Json]
) -> dict[str, Json]:
    roles: list[Json] = [str(role) for role in sorted(entry.roles)]
    operation: dict[str, Json] = {
        "operationId": entry.name,
        "tags": [entry.tag],
        "summary": entry.summary_en,
        "description": f"{entry.summary_es}.",
        "x-roles": roles,
        "parameters": _parameters(entry, schema_of, parts),
        "responses": _responses(entry, schema_of, parts),
        "security": [] if entry.is_public else [{"bearer": []}, {"cookie": []}],
    }
    if entry.body is not Nothing:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON_TYPE: {"schema": schema_of[entry.body]}},
        }
    elif entry.upload_type is not None:
        operation["requestBody"] = {"required": True, "content": {entry.upload_type: {}}}
    return operation


def _parameters(
    entry: Route, schema_of: Mapping[object, dict[str, Json]], parts: dict[str, Json]
) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(entry.path)
    ]
    if entry.query is not Nothing:
        schema = _resolved(schema_of[entry.query], parts)
        properties, required = schema.get("properties"), schema.get("required")
        for name, shape in (properties if isinstance(properties, dict) else {}).items():
            found.append(
                {
                    "name": name,
                    "in": "query",
                    "required": isinstance(required, list) and name in required,
                    "schema": shape,
                }
            )
    if not entry.is_public and entry.method not in SAFE_METHODS:
        found.append(
            {
                "name": CSRF_HEADER,
                "in": "header",
                "required": False,
                "description": "needed when the session comes as a cookie",
                "schema": {"type": "string"},
            }
        )
    return found


def _responses(
    entry: Route, schema_of: Mapping[object, dict[str, Json]], parts: dict[str, Json]
) -> dict[str, Json]:
    good: dict[str, Json] = {"description": entry.summary_en}
    if entry.media_type == EVENT_STREAM:
        good["content"] = {EVENT_STREAM: {"schema": {"type": "string"}}}
        good["description"] = f"{entry.summary_en}; `data` is a {_name(entry.answer)}"
    elif entry.answer is not Nothing:
        schema = schema_of[entry.answer]
        good["content"] = {JSON_TYPE: {"schema": schema, "example": example(schema, parts)}}
    elif entry.status == 200:
        good["content"] = {entry.media_type: {}}
    responses: dict[str, Json] = {str(entry.status): good}
    by_status: dict[int, list[Problem]] = {}
    for problem in problems_of(entry):
        by_status.setdefault(problem.status, []).append(problem)
    for status, problems in by_status.items():
        responses[str(status)] = {
            "description": "; ".join(f"`{p.code}`: {p.en}" for p in problems),
            "content": {JSON_TYPE: {"schema": schema_of[ErrorAnswer]}},
        }
    return responses


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


def _resolved(schema: dict[str, Json], parts: Mapping[str, Json]) -> dict[str, Json]:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found = parts[reference.removeprefix(REFERENCE)]
    return found if isinstance(found, dict) else {}


# --- examples ------------------------------------------------------------------------------------

_STRINGS: Final[Mapping[object, str]] = {
    "date-time": "2026-11-23T15:04:05Z",
    "date": "2026-11-23",
    "time": "09:00:00",
}


def example(schema: Json, parts: Mapping[str, Json]) -> Json:
    """A value that fits a schema: required fields, first choices, empty lists."""
    if not isinstance(schema, dict):
        return None
    given = schema.get("examples")
    if isinstance(given, list) and given:
        return given[0]
    schema = _resolved(schema, parts)
    if "const" in schema:
        return schema["const"]
    for key in ("enum", "anyOf", "oneOf"):
        choices = schema.get(key)
        if isinstance(choices, list) and choices:
            return choices[0] if key == "enum" else example(choices[0], parts)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties")
            return {
                name: example(shape, parts)
                for name, shape in (properties if isinstance(properties, dict) else {}).items()
                if name in _list(schema.get("required"))
            }
        case "array":
            return [example(shape, parts) for shape in _list(schema.get("prefixItems"))]
        case "integer" | "number":
            least = schema.get("minimum", 0)
            return least if isinstance(least, int | float) else 0
        case "boolean":
            return True
        case "string":
            return _STRINGS.get(schema.get("format"), "text")
        case _:
            return None


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


# --- what fields mean ----------------------------------------------------------------------------


def _describe(types: Iterable[object], parts: dict[str, Json]) -> None:
    """Put the sentence below each field of a struct into its schema, and tell instants apart."""
    for kind in _structs(types):
        # Where two types share a name, their components have the module's as well.
        part = parts.get(kind.__name__) or parts.get(f"{kind.__module__}.{kind.__name__}")
        properties = part.get("properties") if isinstance(part, dict) else None
        if not isinstance(properties, dict):
            continue
        for field in msgspec.structs.fields(kind):
            shape = properties.get(field.encode_name)
            if not isinstance(shape, dict):
                continue
            if datetime in (field.type, *get_args(field.type)):
                shape = _instant(shape)
            meaning = meanings(kind).get(field.name)
            properties[field.encode_name] = shape | (
                {"description": meaning} if meaning is not None else {}
            )


def _instant(shape: dict[str, Json]) -> dict[str, Json]:
    """Our datetimes have a zone; msgspec says so only of types that refuse those without."""
    if shape.get("type") == "string":
        return {**shape, "format": "date-time"}
    choices = [_instant(c) if isinstance(c, dict) else c for c in _list(shape.get("anyOf"))]
    return {**shape, "anyOf": choices} if choices else shape


def _structs(types: Iterable[object]) -> list[type[msgspec.Struct]]:
    """Every struct that the types are made of."""
    found: dict[type[msgspec.Struct], None] = {}

    def visit(info: object) -> None:
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found:
                return
            found[info.cls] = None
            for field in info.fields:
                visit(field.type)
        elif isinstance(info, msgspec.inspect.UnionType):
            for member in info.types:
                visit(member)
        elif isinstance(info, msgspec.inspect.Metadata):
            visit(info.type)
        else:
            for name in ("item_type", "key_type", "value_type"):
                inner = getattr(info, name, None)
                if inner is not None:
                    visit(inner)

    for kind in types:
        visit(msgspec.inspect.type_info(kind))
    return list(found)


@cache
def meanings(kind: type[msgspec.Struct]) -> Mapping[str, str]:
    """The text below each field of a struct, its bases' fields too."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            found |= _own_meanings(base)
    return found


def _own_meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    source = textwrap.dedent(inspect.getsource(kind))
    definition = ast.parse(source).body[0]
    if not isinstance(definition, ast.ClassDef):
        return {}
    found: dict[str, str] = {}
    for field, below in pairwise(definition.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = " ".join(below.value.value.split())
    return found
