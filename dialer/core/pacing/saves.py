"""Whether a save fits the pacer that is to take it over."""

from __future__ import annotations

import msgspec


def same_shape(saved: object, own: object) -> bool:
    """Whether two states have the same names and their lists the same lengths, at every depth.

    A save is read by type, which says nothing of lengths; another release may have others.
    """
    return _same(msgspec.to_builtins(saved), msgspec.to_builtins(own))


def _same(saved: object, own: object) -> bool:
    match saved, own:
        case dict(), dict():
            return saved.keys() == own.keys() and all(_same(saved[k], own[k]) for k in own)
        case list(), list():
            return len(saved) == len(own) and all(map(_same, saved, own))
        case _:
            return type(saved) not in (dict, list) and type(own) not in (dict, list)
