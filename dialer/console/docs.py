"""`docs/http-api.md`, made from the table of routes: `python -m dialer.console.docs` prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from dialer.console.agent_socket import MAX_MESSAGE_BYTES, OUTBOX_MESSAGES, RESUME_TIMEOUT_S, Close
from dialer.console.auth import COOKIE, CSRF_HEADER, SOCKET_PROTOCOL, TOKEN_PROTOCOL
from dialer.console.errors import PROBLEMS
from dialer.console.openapi import meanings
from dialer.console.routes import ROUTES
from dialer.console.table import API, EVERYBODY, Guard, Nothing, Route
from dialer.core.desk_messages import AnyClientMessage, AnyServerMessage

DOCUMENT: Final = "docs/http-api.md"

_HEAD: Final = f"""\
# HTTP API and agents' WebSocket

Made from the table of routes by `python -m dialer.console.docs`; do not edit. The same, for
programs, is served at `{API}/openapi.json` (OpenAPI 3.1, with every type and field).

## Who asks

`POST {API}/login` with user name and password gives a token; send it as `Authorization: Bearer`.
With `"cookie": true` the session is kept in the HttpOnly cookie `{COOKIE}` instead: then
everything but GET must repeat the `csrf` value of the answer (or of `GET {API}/me`) in the
`{CSRF_HEADER}` header. `POST {API}/tokens` makes API tokens for programs; they act as their user.
Sessions and tokens end at once when they are revoked, and when their user is deactivated, gets
another role or another password. Wrong passwords make the next try wait, per user and address.

## Errors

Every error has the same form, in the language of `Accept-Language` (else the user's):

```json
{{"error": {{"code": "bad_field", "message": "...", "where": "settings.mode", "mend": "..."}}}}
```

`code` is stable. The `X-Request-Id` of the answer is in the server's log.

| status | code | meaning | how to mend it |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD.rstrip("\n")
    for problem in sorted(PROBLEMS.values(), key=lambda p: (p.status, p.code)):
        yield f"| {problem.status} | `{problem.code}` | {problem.en} | {problem.mend_en} |"
    for tag in dict.fromkeys(entry.tag for entry in ROUTES):
        yield f"\n## {tag.capitalize()}"
        for entry in ROUTES:
            if entry.tag == tag:
                yield from _route(entry)
    yield from _socket()


def _route(entry: Route) -> Iterator[str]:
    yield f"\n### {entry.method} {entry.path}\n"
    yield f"{entry.summary_en}. / *{entry.summary_es}.*\n"
    yield f"- roles: {_roles(entry)}"
    if entry.upload_type is not None:
        yield f"- body: a file, `{entry.upload_type}`"
    elif entry.body is not Nothing:
        yield f"- body: `{_name(entry.body)}` ({_fields(entry.body)})"
    if entry.query is not Nothing:
        yield f"- query: {_fields(entry.query)}"
    answer = "nothing" if entry.answer is Nothing else f"`{_name(entry.answer)}`"
    if entry.answer is Nothing and entry.status == 200:
        answer = f"`{entry.media_type}`"
    yield f"- answer: {entry.status}, {answer}"
    if entry.errors:
        yield "- errors of its own: " + ", ".join(f"`{p.code}`" for p in entry.errors)


def _roles(entry: Route) -> str:
    if entry.is_public:
        return "none needed"
    names = "every role" if entry.roles == EVERYBODY else ", ".join(sorted(entry.roles))
    return {
        Guard.ROLE: names,
        Guard.LOGIN: f"{names}; with a login, not an API token",
        Guard.LOOPBACK: f"{names}; nobody from this machine, unless through a proxy",
    }[entry.guard]


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


def _fields(kind: object) -> str:
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return ""
    parts = []
    for field in msgspec.structs.fields(kind):
        shown = f"`{field.encode_name}`" if field.required else f"`{field.encode_name}`?"
        meaning = meanings(kind).get(field.name, "").rstrip(".")
        parts.append(f"{shown}: {meaning}" if meaning else shown)
    return "; ".join(parts)


def _socket() -> Iterator[str]:
    yield f"""
## The agents' WebSocket

`{API}/agent/socket`, JSON in text frames of at most {MAX_MESSAGE_BYTES} bytes. Besides the bearer
header and the cookie, a token can come as a protocol: `Sec-WebSocket-Protocol: {SOCKET_PROTOCOL},
{TOKEN_PROTOCOL}TOKEN`. Pages of other origins are refused. One connection an agent: a newer one
replaces the older.

The first message is `resume`, within {RESUME_TIMEOUT_S:g} s, with the `seq` of the last message
seen (0 at first). What was missed follows, or a `snapshot`. The session outlives the connection
for `presence_s` seconds; `heartbeat` (or any message) renews it. What cannot be understood or done
is answered with `refused`, which repeats the message's `ref`, and changes nothing. A client that
leaves more than {OUTBOX_MESSAGES} messages unread is cut off. Debt data comes only in
`identity_result`, and in snapshots of a call whose identity check is on record as passed.

| close code | meaning |
|---|---|"""
    for code in Close:
        yield f"| {code.value} | {code.name.lower()} |"
    for title, union in (("Client", AnyClientMessage), ("Server", AnyServerMessage)):
        yield f"\n### {title} messages\n"
        yield "| type | fields |"
        yield "|---|---|"
        for kind in union.__args__:
            fields = ", ".join(
                f"`{field.name}`" if field.required else f"`{field.name}`?"
                for field in msgspec.structs.fields(kind)
            )
            yield f"| `{kind.__struct_config__.tag}` | {fields} |"


if __name__ == "__main__":
    sys.stdout.write(page())
