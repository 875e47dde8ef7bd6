"""How the fake answers: Twilio's JSON, in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import web

JSON: Final = "application/json"
PAGE_SIZE: Final = 50


def json_reply(body: Mapping[str, object], *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type=JSON)


def page(request: web.Request, key: str, rows: Sequence[Mapping[str, object]]) -> web.Response:
    """One page, with the address of the next."""
    size = int(request.query.get("PageSize", PAGE_SIZE))
    number = int(request.query.get("Page", 0))
    more = len(rows) > (number + 1) * size
    following = request.rel_url.update_query({"Page": str(number + 1)}) if more else None
    return json_reply(
        {
            key: rows[number * size : (number + 1) * size],
            "page": number,
            "page_size": size,
            "next_page_uri": None if following is None else str(following),
        }
    )
