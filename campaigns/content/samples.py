"""The templates and flows that ship with Marcador: a start, checked by the same lint and proof."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from campaigns.content.source import convert, parse
from campaigns.content.template import Template


def sample_sources(folder: str) -> dict[str, str]:
    """The shipped documents of a folder (`templates`, `flows`), by file name."""
    place = files("campaigns") / "data" / "content" / folder
    found = {entry.name: entry for entry in place.iterdir() if entry.name.endswith(".yaml")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def parse_template(text: str) -> Template:
    """A template from YAML or JSON. Raises `ContentError`."""
    document = parse(text)
    return convert(document.tree, Template, document=document)


@cache
def sample_templates() -> tuple[Template, ...]:
    return tuple(parse_template(text) for text in sample_sources("templates").values())
