"""The lint: what is wrong with a text, before anybody gets it. The same checks at save and at send.

At save the merge fields stand in the text as marks; at send their values do, and each value is
known by its place, so that a finding can say which datum smuggled the word in.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from campaigns.content import style
from campaigns.content.fields import FIELDS, FieldKind, lowest_class
from campaigns.content.findings import Finding, Severity, finding, line_and_column
from campaigns.content.folding import FIELD_MARK, fold
from campaigns.content.kinds import (
    CLASSES_OF_CHANNEL,
    PHRASE_WORDS,
    RULES,
    SUBJECT_OF_NOTICE,
    WRITTEN,
    has_phrase,
)
from campaigns.content.limited import read_limited, tells_only_times
from campaigns.content.segments import Segments, segments
from campaigns.content.template import (
    FieldUse,
    SenderRole,
    Template,
    TemplateKind,
    field_uses,
    masked,
    stray_code,
)
from campaigns.content.words import WordGroup, also_a_name, find_words
from compliance.messages import Message
from compliance.types import Channel, ContentClass

PREVIEW_CHARS: Final = 90
"""What a locked telephone or a list of mails shows of a message."""
LONGEST: Final[dict[Channel, int]] = {
    Channel.SMS: 670,
    Channel.WHATSAPP: 1_024,
    Channel.VOICE: 600,
    Channel.RINGLESS_VOICEMAIL: 600,
}
"""Characters; WhatsApp: body of a template message."""

SECRET_CLASSES: Final = frozenset({ContentClass.NEUTRAL, ContentClass.VOICEMAIL_LIMITED})
"""Somebody else may see or hear these: nothing of a debt, anywhere."""

_ALWAYS: Final = frozenset({WordGroup.COURT, WordGroup.THREAT, WordGroup.ATTORNEY})
_CODES: Final = {
    WordGroup.COURT: "court_look",
    WordGroup.THREAT: "threat",
    WordGroup.ATTORNEY: "attorney_word",
}
_CLASS_WORDS: Final = {
    ContentClass.NEUTRAL: ("neutro", "neutral"),
    ContentClass.VOICEMAIL_LIMITED: ("de contenido limitado", "limited in content"),
    ContentClass.VERIFIED: ("verified", "verified"),
    ContentClass.LEGAL_NOTICE: ("legal_notice", "legal_notice"),
    ContentClass.LIVE_AGENT: ("live_agent", "live_agent"),
}


class Report(Message, frozen=True, kw_only=True):
    """What the lint says of a template."""

    ok: bool
    """No error: it can be submitted."""
    lowest_class: ContentClass
    """The lowest class that the fields and words allow it to claim."""
    fields: tuple[str, ...]
    segments: Segments | None = None
    """Of an SMS with the catalogue's example values."""
    findings: tuple[Finding, ...] = ()


class Part(Message, frozen=True, kw_only=True):
    """One part of a text as it is checked."""

    name: str
    text: str
    uses: tuple[FieldUse, ...] = ()
    """Where fields, or the values that took their place, stand."""
    rendered: bool = False

    def checked(self) -> str:
        """What words are looked for in."""
        return self.text if self.rendered else masked(self.text, FIELD_MARK)

    def field_at(self, start: int, end: int) -> str | None:
        """The field whose value a place touches."""
        if not self.rendered:
            return None
        return next((u.name for u in self.uses if u.start < end and start < u.end), None)

    def is_inside(self, start: int, end: int, kinds: Collection[FieldKind]) -> bool:
        """Whether a place lies wholly in the value of a field of one of the kinds."""
        return self.rendered and any(
            u.start <= start and end <= u.end and FIELDS[u.name].kind in kinds for u in self.uses
        )

    def seen_first(self, place: int) -> bool:
        """Whether a place is within the preview; an unfilled field takes no room (strictest)."""
        if self.rendered:
            return place < PREVIEW_CHARS
        hidden = sum(min(u.end, place) - u.start for u in self.uses if u.start < place)
        return place - hidden < PREVIEW_CHARS


def lint(template: Template) -> Report:
    """Check a template as it is written."""
    parts = [Part(name=n, text=t, uses=tuple(field_uses(t))) for n, t in template.parts()]
    findings = [
        *_shape(template),
        *(f for part in parts for f in check_syntax(part)),
        *_required(template),
        *check_parts(template, parts),
    ]
    if template.content_class is ContentClass.VOICEMAIL_LIMITED:
        findings += _limited(template.body)
    counted = _example_segments(template)
    if counted is not None and counted.parts > template.max_segments:
        limit = str(template.max_segments)
        findings.append(
            finding("too_many_segments", part="body", found=str(counted.parts), what=limit)
        )
    names = frozenset(use.name for part in parts for use in part.uses)
    findings = sorted(dict.fromkeys(findings), key=lambda f: (f.part, f.line or 0, f.column or 0))
    return Report(
        ok=not any(f.severity is Severity.ERROR for f in findings),
        lowest_class=text_class("\n".join(part.text for part in parts)),
        fields=tuple(sorted(names)),
        segments=counted,
        findings=tuple(findings),
    )


def text_class(text: str) -> ContentClass:
    """The lowest class that a text can claim, by its fields, its words and its money."""
    names = frozenset(use.name for use in field_uses(text))
    if lowest_class(names) is not ContentClass.NEUTRAL:
        return ContentClass.VERIFIED
    bare = masked(text, FIELD_MARK)
    groups = frozenset(WordGroup) - {WordGroup.THREAT}
    told = find_words(bare, groups, debt_allowed=False) or style.money(bare)
    return ContentClass.VERIFIED if told else ContentClass.NEUTRAL


def check_parts(template: Template, parts: Sequence[Part]) -> Iterator[Finding]:
    """The checks that hold for a text as written and as sent alike."""
    for part in parts:
        yield from _words(template, part)
        yield from _money(template, part)
        yield from _exterior_fields(template, part)
        yield from _style(part)
        if template.content_class is ContentClass.VOICEMAIL_LIMITED and part.rendered:
            yield from _limited_values(part)


# --- words and money -----------------------------------------------------------------------------


def _words(template: Template, part: Part) -> Iterator[Finding]:
    secret = template.content_class in SECRET_CLASSES
    groups = frozenset({WordGroup.DEBT}) | _ALWAYS
    if template.sender_role is SenderRole.ATTORNEY and not secret:
        groups -= {WordGroup.ATTORNEY}
    for hit in find_words(part.checked(), groups, debt_allowed=not secret):
        if also_a_name(hit.term) and part.is_inside(hit.start, hit.end, {FieldKind.NAME}):
            continue
        field = part.field_at(hit.start, hit.end)
        if hit.group is not WordGroup.DEBT:
            yield _at(_CODES[hit.group], part, hit.start, hit.end, field)
        elif secret:
            yield _at("debt_word", part, hit.start, hit.end, field, template.content_class)
        elif _is_exterior(template, part, hit.start):
            yield _exterior(part, hit.start, hit.end, field)


def _money(template: Template, part: Part) -> Iterator[Finding]:
    secret = template.content_class in SECRET_CLASSES
    for start, end in style.money(part.checked()):
        harmless = {FieldKind.PHONE}
        if also_a_name(fold(part.text[start:end]).text):
            harmless.add(FieldKind.NAME)
        if part.is_inside(start, end, harmless):
            continue
        field = part.field_at(start, end)
        if secret:
            yield _at("money_in_neutral", part, start, end, field, template.content_class)
        elif _is_exterior(template, part, start):
            yield _exterior(part, start, end, field)


def _exterior_fields(template: Template, part: Part) -> Iterator[Finding]:
    """Fields above the class, and debt fields where anybody can see them."""
    secret = template.content_class in SECRET_CLASSES
    limited = template.content_class is ContentClass.VOICEMAIL_LIMITED
    notice = template.content_class is ContentClass.LEGAL_NOTICE
    for use in part.uses:
        known = FIELDS.get(use.name)
        if known is None:
            continue
        tells = known.needs is not ContentClass.NEUTRAL
        if (secret and tells) or (limited and not known.limited):
            yield _at("class_too_low", part, use.start, use.end, use.name, template.content_class)
        elif tells and _is_exterior(template, part, use.start):
            allowed = notice and part.name == "subject" and use.name in SUBJECT_OF_NOTICE
            if not allowed:
                yield _exterior(part, use.start, use.end, use.name)


def _is_exterior(template: Template, part: Part, place: int) -> bool:
    if part.name != "body":
        return True
    return template.channel in WRITTEN and part.seen_first(place)


def _style(part: Part) -> Iterator[Finding]:
    text = part.checked()
    for start, end in style.capitals(text):
        if not _written_by_others(part, start, end):
            yield _at("capitals", part, start, end, part.field_at(start, end))
    for start, end in style.alarms(text):
        yield _at("shouting_marks", part, start, end, part.field_at(start, end))
    for start, end in style.hidden(text):
        if part.field_at(start, end) is None:
            code = f"U+{ord(text[start]):04X}"
            line, column = line_and_column(part.text, start)
            yield finding("invisible", part=part.name, line=line, column=column, found=code)
    for link in style.links(text):
        if link.problem is not None:
            field = part.field_at(link.start, link.end)
            yield _at(link.problem, part, link.start, link.end, field)


def _written_by_others(part: Part, start: int, end: int) -> bool:
    """Whether capitals come from a name or reference, which are as the creditor has them.

    What the author shouts is found at save, where the values are not there yet.
    """
    field = part.field_at(start, end)
    return field is not None and FIELDS[field].kind is not FieldKind.TEXT


# --- shape ---------------------------------------------------------------------------------------


def check_syntax(part: Part) -> Iterator[Finding]:
    """Braces that are no field, and fields that do not exist."""
    for start, found in stray_code(part.text):
        line, column = line_and_column(part.text, start)
        yield finding("bad_braces", part=part.name, line=line, column=column, found=found)
    for use in part.uses:
        if use.name not in FIELDS:
            near = difflib.get_close_matches(use.name, FIELDS, n=1, cutoff=0.5)
            line, column = line_and_column(part.text, use.start)
            yield finding(
                "unknown_field",
                part=part.name,
                line=line,
                column=column,
                field=use.name,
                found=use.name,
                what=f"; ¿{near[0]}?" if near else "",
                what_en=f"; {near[0]}?" if near else "",
            )


def _shape(template: Template) -> Iterator[Finding]:
    channel, claimed = template.channel, template.content_class
    if claimed not in CLASSES_OF_CHANNEL[channel]:
        yield finding("class_not_for_channel", found=claimed, what=channel)
    if claimed not in RULES[template.kind].classes:
        yield finding("class_not_for_kind", found=claimed, what=template.kind)
    if channel is Channel.EMAIL:
        for name in ("subject", "sender_name"):
            if not getattr(template, name).strip():
                yield finding("part_missing", part=name, found=name)
    elif template.subject and channel is not Channel.LETTER:
        yield finding("field_not_for_channel", part="subject", found="subject", what=channel)
    longest = LONGEST.get(channel)
    if longest is not None and len(template.body) > longest:
        yield finding(
            "text_too_long", part="body", found=str(len(template.body)), what=str(longest)
        )


def _required(template: Template) -> Iterator[Finding]:
    rule = RULES[template.kind]
    written = frozenset(use.name for _, text in template.parts() for use in field_uses(text))
    for name in rule.fields:
        if name not in written:
            yield finding("field_required", part="body", field=name, found=name)
    for phrase in rule.phrases:
        if not has_phrase(phrase, template.language, template.body):
            es, en = PHRASE_WORDS[phrase]
            yield finding("phrase_required", part="body", what=es, what_en=en)
    ages = any(FIELDS[name].of_balance for name in written if name in FIELDS)
    if ages and "balance_as_of" not in written:
        yield finding("as_of_missing", part="body", field="balance_as_of")
    confirms = template.kind is TemplateKind.OPT_OUT_CONFIRMATION
    needs_way_out = template.channel in WRITTEN and not confirms
    if needs_way_out and not style.has_opt_out(template.body, template.language):
        line = style.OPT_OUT_LINES[template.language]
        yield finding("opt_out_missing", part="body", what=f"“{line}”")


def _limited(body: str) -> Iterator[Finding]:
    found = read_limited(body)
    for sentence in found.unknown:
        line, column = line_and_column(body, sentence.start)
        yield finding("limited_other", part="body", line=line, column=column, found=sentence.text)
    if found.missing:
        yield finding("limited_missing", part="body", what=", ".join(found.missing))


def _limited_values(part: Part) -> Iterator[Finding]:
    """A free text in a limited-content message may name times, and nothing else."""
    for use in part.uses:
        free = FIELDS[use.name].kind is FieldKind.TEXT
        if free and not tells_only_times(part.text[use.start : use.end]):
            yield _at("limited_other", part, use.start, use.end, use.name)


def _example_segments(template: Template) -> Segments | None:
    if template.channel is not Channel.SMS:
        return None
    text = template.body
    for use in reversed(field_uses(text)):
        known = FIELDS.get(use.name)
        if known is not None:
            example = known.example_es if template.language == "es" else known.example_en
            text = text[: use.start] + example + text[use.end :]
    return segments(text)


# --- findings ------------------------------------------------------------------------------------


def _at(
    code: str,
    part: Part,
    start: int,
    end: int,
    field: str | None,
    claimed: ContentClass | None = None,
) -> Finding:
    es, en = _CLASS_WORDS[claimed] if claimed is not None else ("", "")
    line, column = line_and_column(part.text, start)
    return finding(
        code,
        part=part.name,
        line=line,
        column=column,
        field=field,
        found=part.text[start:end],
        what=es,
        what_en=en,
    )


def _exterior(part: Part, start: int, end: int, field: str | None) -> Finding:
    line, column = line_and_column(part.text, start)
    return finding(
        "exterior_debt",
        part=part.name,
        line=line,
        column=column,
        field=field,
        found=part.text[start:end],
        what=str(PREVIEW_CHARS),
    )
