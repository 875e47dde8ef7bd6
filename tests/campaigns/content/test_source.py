"""Documents by hand: an error names key, line and remedy."""

from __future__ import annotations

import pytest

from campaigns.content.samples import parse_template, sample_sources
from campaigns.content.source import LONGEST_SOURCE, ContentError, parse

GOOD = """\
name: hola
kind: contact_request
channel: sms
language: es
content_class: neutral
max_segments: 2
body: |-
  Hola, {{first_name}}.
"""


def refused(text: str) -> ContentError:
    with pytest.raises(ContentError) as told:
        parse_template(text)
    assert told.value.es
    assert told.value.mend_es
    assert told.value.mend_en
    return told.value


def test_yaml_and_json_are_the_same() -> None:
    json = (
        '{"name": "hola", "kind": "contact_request", "channel": "sms", "language": "es",'
        ' "content_class": "neutral", "max_segments": 2, "body": "Hola, {{first_name}}."}'
    )
    assert parse_template(GOOD) == parse_template(json)


@pytest.mark.parametrize(
    ("change", "key", "line", "said"),
    [
        (("channel: sms", "channel: fax"), "channel", 3, "fax"),
        (("max_segments: 2", "max_segments: many"), "max_segments", 6, "int"),
        (("max_segments: 2", "max_segment: 2"), "max_segment", 6, "max_segments"),
        (("max_segments: 2", "max_segments: 99"), "max_segments", 6, "10"),
        (("kind: contact_request\n", ""), "", None, "kind"),
        (("name: hola", "name: Hola Mundo"), "name", 1, "regex"),
        (("language: es", "language: es\nlanguage: en"), "language", 5, "twice"),
        (("channel: sms", "channel: visit"), "channel", 3, "sms"),
    ],
)
def test_an_error_names_key_and_line(
    change: tuple[str, str], key: str, line: int | None, said: str
) -> None:
    error = refused(GOOD.replace(*change))
    assert error.key == key
    if key:
        assert error.line == line
    assert said in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b",
        "a: [1",
        "just words",
        "a: &x [1]\nb: *x",
        "? [a]\n: b",
        "x" * (LONGEST_SOURCE + 1),
    ],
)
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(ContentError):
        parse(text)


def test_every_shipped_document_is_named_after_its_template() -> None:
    for name, text in sample_sources("templates").items():
        stem, language, _ = name.split(".")
        template = parse_template(text)
        assert template.name == f"{stem}-{language}"
        assert template.language == language
