"""What a new version of a pack changes: rules added, removed and changed, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from compliance.messages import Message
from compliance.schema import Explain, PackDoc, RuleDoc
from compliance.types import RuleKind

Values = Mapping[str, str]
"""Dotted key -> value as JSON."""
_BY_RULE: Final = "rules"


class ValueChange(Message, frozen=True, kw_only=True):
    """One key with its value before and after; None where it was or is not given."""

    key: str
    old: str | None
    new: str | None


class RuleNamed(Message, frozen=True, kw_only=True):
    rule_id: str
    kind: RuleKind
    explain: Explain
    values: dict[str, str]
    """Everything that the rule says, by dotted key."""


class RuleChange(Message, frozen=True, kw_only=True):
    rule_id: str
    changes: tuple[ValueChange, ...]


class PackDiff(Message, frozen=True, kw_only=True):
    """The difference between two versions of a pack, or between two packs."""

    old_pack: str
    old_version: str
    new_pack: str
    new_version: str
    envelope: tuple[ValueChange, ...] = ()
    """Changes outside of the rules: whom it binds, calendars, status."""
    added: tuple[RuleNamed, ...] = ()
    removed: tuple[RuleNamed, ...] = ()
    changed: tuple[RuleChange, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.envelope or self.added or self.removed or self.changed)


def compare(old: PackDoc, new: PackDoc) -> PackDiff:
    """Differences in what packs say. Order of rules and of keys says nothing, so it is none."""
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    changed = [
        RuleChange(rule_id=name, changes=found)
        for name in after
        if name in before and (found := _changes(values(before[name]), values(after[name])))
    ]
    return PackDiff(
        old_pack=old.pack,
        old_version=old.version,
        new_pack=new.pack,
        new_version=new.version,
        envelope=_changes(envelope(old), envelope(new)),
        added=tuple(_named(rule) for name, rule in after.items() if name not in before),
        removed=tuple(_named(rule) for name, rule in before.items() if name not in after),
        changed=tuple(changed),
    )


def values(doc: PackDoc | RuleDoc) -> dict[str, str]:
    """Every value that a document gives, by dotted key, as JSON."""
    found: dict[str, str] = {}
    _flatten(msgspec.to_builtins(doc), "", found)
    return found


def envelope(doc: PackDoc) -> dict[str, str]:
    """Every value that a pack gives outside of its rules."""
    return {k: v for k, v in values(doc).items() if k.partition("[")[0] != _BY_RULE}


def _named(rule: RuleDoc) -> RuleNamed:
    return RuleNamed(rule_id=rule.id, kind=rule.kind, explain=rule.explain, values=values(rule))


def _changes(old: Values, new: Values) -> tuple[ValueChange, ...]:
    return tuple(
        ValueChange(key=key, old=old.get(key), new=new.get(key))
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    )


def _flatten(value: object, key: str, found: dict[str, str]) -> None:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            _flatten(inner, f"{key}.{name}" if key else str(name), found)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            _flatten(item, f"{key}[{index}]", found)
    else:
        found[key] = msgspec.json.encode(value).decode()
