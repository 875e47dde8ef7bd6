"""Definitions from files: TOML, YAML or JSON. What is wrong is told by key, value and reason."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Final

import msgspec
import yaml

from dialer.simulation.twin.definition import TwinDefinition

SUFFIXES: Final = (".toml", ".yaml", ".yml", ".json")

_PATH: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `(?P<key>[^`]*)`")
_MISSING: Final = re.compile(r"missing required field `(?P<key>[^`]*)`")
_NAMED: Final = re.compile(r"^`(?P<key>[a-z_.]+)` must (?P<rest>.*)$", re.DOTALL)
_TYPES: Final = re.compile(r"^Expected (?P<due>.+?)(?:, got `?(?P<got>[^`]*)`?)?$")
_STEP: Final = re.compile(r"[^.\[\]]+|\[\d+\]|\[\.\.\.\]")


class DefinitionError(Exception):
    """A definition that cannot be used: where, what is there, why not, and how to mend it."""

    def __init__(
        self, key: str, value: object, reason: tuple[str, str], mend: tuple[str, str]
    ) -> None:
        super().__init__(f"{key}: {reason[1]}")
        self.key = key
        self.value = value
        """None: nothing is there."""
        self.reason = reason
        """In Spanish and in English."""
        self.mend = mend


def read_definition(path: Path) -> TwinDefinition:
    """The definition in a file. Raises `DefinitionError`, and `OSError` where it cannot be read."""
    data = path.read_bytes()
    try:
        tree = _parsed(path, data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError) as error:
        what = " ".join(str(error).split())
        raise DefinitionError(
            path.name,
            None,
            (f"no se puede leer como {path.suffix[1:]}: {what}",
             f"cannot be read as {path.suffix[1:]}: {what}"),
            ("corrija ese lugar; docs/examples/twin.toml es un ejemplo",
             "mend that place; docs/examples/twin.toml is an example"),
        ) from error  # fmt: skip
    return decode_definition(tree)


def _parsed(path: Path, text: str) -> object:
    match path.suffix.lower():
        case ".toml":
            return tomllib.loads(text)
        case ".yaml" | ".yml":
            return yaml.safe_load(text)
        case ".json":
            return json.loads(text)
        case _:
            raise ValueError(f"its name must end in {', '.join(SUFFIXES)}")


def decode_definition(tree: object) -> TwinDefinition:
    """The definition of a decoded file. Raises `DefinitionError`."""
    try:
        return msgspec.convert(tree, TwinDefinition, str_keys=True)
    except msgspec.ValidationError as error:
        raise _explained(str(error), tree) from error


def schema() -> dict[str, object]:
    """JSON Schema of a definition."""
    return msgspec.json.schema(TwinDefinition)


def _explained(message: str, tree: object) -> DefinitionError:
    path = ""
    if found := _PATH.search(message):
        path = found["path"]
        message = message[: found.start()]
    if unknown := _UNKNOWN.search(message):
        key = _joined(path, unknown["key"])
        known = ", ".join(_fields_at(path))
        return DefinitionError(
            key, _value_at(tree, key),
            ("no existe esa clave", "there is no such key"),
            (f"ahí puede haber: {known}", f"there may be: {known}"),
        )  # fmt: skip
    if missing := _MISSING.search(message):
        key = _joined(path, missing["key"])
        return DefinitionError(
            key, None,
            ("falta y es obligatoria", "is missing, and it is needed"),
            ("escríbala; `marcador simulate --schema` dice qué valores tiene",
             "write it; `marcador simulate --schema` tells its values"),
        )  # fmt: skip
    if named := _NAMED.search(message):
        key = _joined(path, named["key"])
        rest = named["rest"]
        return DefinitionError(
            key, _value_at(tree, key), (f"no sirve: must {rest}", f"must {rest}"), _SEE_SCHEMA
        )
    due = _TYPES.match(message)
    reason = (message, message[:1].lower() + message[1:])
    if due is not None:
        wanted = due["due"].replace("`", "")
        got = f", no {due['got']}" if due["got"] else ""
        reason = (f"se espera {wanted}{got}", f"{wanted} is due" + got.replace("no", "not", 1))
    mend = _SEE_SCHEMA
    if path.rpartition(".")[2] in ("start", "end", "at"):
        mend = (
            'escriba la hora local entre comillas, como "09:30"',
            'write the local time in quotes, as in "09:30"',
        )
    return DefinitionError(path or "$", _value_at(tree, path), reason, mend)


_SEE_SCHEMA: Final = (
    "`marcador simulate --schema` dice qué valores puede tener cada clave",
    "`marcador simulate --schema` tells what each key may be",
)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _steps(path: str) -> list[str]:
    return _STEP.findall(path)


def _value_at(tree: object, path: str) -> object:
    """What is written at a path; None where nothing is, or where the path is not exact."""
    here = tree
    for step in _steps(path):
        if step.startswith("["):
            index = step[1:-1]
            if not isinstance(here, list) or not index.isdigit() or int(index) >= len(here):
                return None
            here = here[int(index)]
        elif isinstance(here, dict):
            here = here.get(step)
        else:
            return None
    return here


def _fields_at(path: str) -> tuple[str, ...]:
    """Keys that may stand at a path."""
    kind: object = TwinDefinition
    for step in _steps(path):
        if step.startswith("["):
            continue
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return ()
        field = next((f for f in msgspec.structs.fields(kind) if f.encode_name == step), None)
        if field is None:
            return ()
        kind = _struct_in(field.type)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind.__struct_encode_fields__
    return ()


def _struct_in(kind: object) -> object:
    """The struct that a field's type is, or is a tuple of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    for part in getattr(kind, "__args__", ()) or ():
        found = _struct_in(part)
        if found is not None:
            return found
    origin = getattr(kind, "__origin__", None)
    return None if origin is None or origin is kind else _struct_in(origin)
