"""The OpenAPI description: whole, true to the table, and what the server really gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dialer.console.docs import DOCUMENT, page
from dialer.console.openapi import REFERENCE, Json, document, meanings, problems_of
from dialer.console.routes import ROUTES, description
from dialer.console.routes.session import LoginRequest
from dialer.console.sse import EVENT_STREAM
from dialer.console.table import Nothing, Route
from dialer.core.desk_messages import AnyClientMessage, AnyServerMessage
from tests.console.world import World

DESCRIBED = document(ROUTES)


def at(value: Json, *path: str) -> Json:
    for name in path:
        assert isinstance(value, dict), path
        value = value[name]
    return value


def dicts(value: Json) -> Iterator[dict[str, Json]]:
    """Every object of a JSON value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from dicts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from dicts(inner)


def operation(entry: Route) -> dict[str, Json]:
    found = at(DESCRIBED, "paths", entry.path, entry.method.lower())
    assert isinstance(found, dict)
    return found


async def test_it_is_served_to_everybody(world: World) -> None:
    reply = await world.call("GET", "openapi.json")
    assert reply.status == 200
    assert reply.raw == description()
    assert msgspec.json.decode(reply.raw) == msgspec.json.decode(msgspec.json.encode(DESCRIBED))


def test_every_reference_leads_somewhere() -> None:
    schemas = at(DESCRIBED, "components", "schemas")
    assert isinstance(schemas, dict)
    used = {str(found["$ref"]) for found in dicts(DESCRIBED) if "$ref" in found}
    assert used
    assert {name.removeprefix(REFERENCE) for name in used} <= set(schemas)


def test_every_route_is_described_and_nothing_else() -> None:
    described = {
        (method.upper(), path)
        for path, item in _items(at(DESCRIBED, "paths"))
        for method, _ in _items(item)
    }
    assert described == {(entry.method, entry.path) for entry in ROUTES}
    assert str(DESCRIBED["openapi"]).startswith("3.1.")


def _items(value: Json) -> list[tuple[str, Json]]:
    assert isinstance(value, dict)
    return list(value.items())


@pytest.mark.parametrize("entry", ROUTES, ids=lambda entry: f"{entry.method} {entry.path}")
def test_an_operation_tells_the_whole_truth(entry: Route) -> None:
    described = operation(entry)
    assert described["operationId"] == entry.name
    assert described["x-roles"] == sorted(entry.roles)
    assert (described["security"] == []) is entry.is_public
    parameters = described["parameters"]
    assert isinstance(parameters, list)
    in_path = [p["name"] for p in parameters if isinstance(p, dict) and p["in"] == "path"]
    assert in_path == re.findall(r"\{(\w+)\}", entry.path)
    in_query = {p["name"] for p in parameters if isinstance(p, dict) and p["in"] == "query"}
    kind = entry.query
    assert isinstance(kind, type)
    assert issubclass(kind, msgspec.Struct)
    assert in_query == set(kind.__struct_encode_fields__)
    has_body = entry.body is not Nothing or entry.upload_type is not None
    assert ("requestBody" in described) is has_body
    responses = described["responses"]
    assert isinstance(responses, dict)
    errors = {str(problem.status) for problem in problems_of(entry)}
    assert set(responses) == {str(entry.status), *errors}


@pytest.mark.parametrize(
    "entry",
    [e for e in ROUTES if e.answer is not Nothing and e.media_type != EVENT_STREAM],
    ids=lambda entry: f"{entry.method} {entry.path}",
)
def test_examples_of_answers_decode(entry: Route) -> None:
    content = at(operation(entry), "responses", str(entry.status), "content")
    shown = at(content, "application/json", "example")
    decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(entry.answer)
    decoded = decoder.decode(msgspec.json.encode(shown))
    assert isinstance(decoded, msgspec.Struct)


def test_what_agents_and_server_say_is_described() -> None:
    for name, union in (("ClientMessage", AnyClientMessage), ("ServerMessage", AnyServerMessage)):
        schema = at(DESCRIBED, "components", "schemas", name)
        tags = at(schema, "discriminator", "mapping")
        assert isinstance(tags, dict)
        kinds = union.__args__
        assert set(tags) == {kind.__struct_config__.tag for kind in kinds}


def test_fields_have_the_sentences_of_their_definitions() -> None:
    assert "HttpOnly" in meanings(LoginRequest)["cookie"]
    schema = at(DESCRIBED, "components", "schemas", "LoginRequest", "properties", "cookie")
    assert at(schema, "description") == meanings(LoginRequest)["cookie"]


def test_the_page_in_docs_is_true() -> None:
    kept = Path(__file__).parents[2] / DOCUMENT
    assert kept.read_text(encoding="utf-8") == page(), f"python -m dialer.console.docs > {DOCUMENT}"
