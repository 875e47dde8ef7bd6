"""The README of an exported record: what is in it, and how to verify it without Marcador."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_README: Final = """\
# Registro de una persona / Record of one person

{person_id}, {events} eventos / events, {at:%Y-%m-%d %H:%M:%S} UTC.

- `events.json`: todo lo ocurrido, con su cadena de hashes / everything that happened, hash-chained.
- `events.csv`: lo mismo para una hoja de cálculo / the same for a spreadsheet.
- `decisions.json`: la prueba de cada decisión / the proof of every decision, allowed or blocked.
- `decisions.csv`: las decisiones en una tabla / the decisions as a table.
- `packs/`: los paquetes de reglas que decidieron, palabra por palabra, cada uno con su huella por
  nombre; `pack_sets.json`: cuáles estaban cargados juntos / the rule packs that decided, word for
  word, each named by its fingerprint; which were loaded together.
- `profiles/`: lo que se sabía de la persona en cada decisión / what was known of the person at each
  decision, named by the fingerprint that its record holds.
- `recordings/`: las conversaciones grabadas, cada una con su huella por nombre, como la dice su
  evento / recorded conversations, each named by the fingerprint that its event holds.
- `checkpoint.json`: {checkpoint}.
- `person.json`: datos de hoy (nombres, números, deudas), fuera de la cadena / what the tables say
  today (names, numbers, debts), outside the chain.

Los eventos no llevan nombres ni números: sus identificadores están en `person.json`.
Events hold no names or numbers: `person.json` says what their ids stand for.

## Verificación / Verification

Guarde el programa de abajo como `verify.py` en esta carpeta y ejecute `python3 verify.py`. Sólo
necesita Python 3; con el paquete `cryptography` comprueba además la firma. Termina con 0 si todo
concuerda. Compare la clave pública con la que guardó fuera.

Save the program below as `verify.py` in this folder and run `python3 verify.py`. It needs nothing
but Python 3; with the package `cryptography` it checks the signature too. It ends with 0 when
everything holds. Compare the public key with the one that was kept elsewhere.

What is computed (integers big-endian; a text is its UTF-8 bytes after their count as u32):

- hash of an event = SHA-256 of `marcador-event-1\\n`, previous hash (64 zeros before the first),
  person_id, seq u64, at_ms i64, kind, body, then byte 1 and record, or byte 0 without one;
- root of a checkpoint = SHA-256 of `marcador-checkpoint-1\\n`, previous root, checkpoint_no u64,
  at_ms i64, event_no u64, then person_id, seq u64, hash of every head;
- signature = Ed25519 of `marcador-checkpoint-signature-1\\n`, checkpoint_no u64, at_ms i64,
  event_no u64, heads u64, root.

```python
{program}```
"""

VERIFY: Final = """\
import hashlib, json, pathlib, struct, sys

here = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
here = here if here.is_dir() else here.parent


def load(name):
    return json.loads((here / name).read_text("utf-8"))


def text(value):
    data = value.encode("utf-8")
    return struct.pack(">I", len(data)) + data


def fail(where, what):
    print(f"DOES NOT HOLD / NO CONCUERDA: {where}: {what}")
    sys.exit(1)


events = load("events.json")
person, previous, hashes = events[0]["person_id"], "00" * 32, {}
for expected, event in enumerate(events, 1):
    if event["seq"] != expected or event["person_id"] != person:
        fail(f"event {expected}", "missing, or out of its place")
    parts = b"marcador-event-1\\n" + text(previous) + text(person)
    parts += struct.pack(">Qq", event["seq"], event["at_ms"]) + text(event["kind"])
    parts += text(event["body"])
    record = event.get("record")
    parts += b"\\0" if record is None else b"\\1" + text(record)
    if hashlib.sha256(parts).hexdigest() != event["hash"]:
        fail(f"event {expected}", "changed")
    previous = hashes[expected] = event["hash"]
print(f"{len(events)} events chain up to {previous}")

for folder in ("packs", "profiles", "recordings"):
    for file in (here / folder).glob("*"):
        if hashlib.sha256(file.read_bytes()).hexdigest() != file.stem:
            fail(f"{folder}/{file.name}", "changed")
decided = lacking = 0
for event in events:
    if event.get("record") is None:
        continue
    record = json.loads(event["record"])
    decided += 1
    needed = [f"packs/{ref['sha256']}.toml" for ref in record["packs"]]
    needed.append(f"profiles/{record.get('subject_sha256')}.json")
    lacking += not all((here / name).exists() for name in needed)
print(f"{decided} decisions; {decided - lacking} with all the packs and the profile they name")

signed = load("checkpoint.json")
if signed is None:
    print("no checkpoint yet: nothing proves that no later event was taken away")
    sys.exit(0)
point = signed["checkpoint"]
where = f"checkpoint {point['checkpoint_no']}"
position = struct.pack(">QqQ", point["checkpoint_no"], point["at_ms"], point["event_no"])
root = hashlib.sha256(b"marcador-checkpoint-1\\n" + text(signed["previous_root"]) + position)
for head in signed["heads"]:
    root.update(text(head["person_id"]) + struct.pack(">Q", head["seq"]) + text(head["hash"]))
    if head["person_id"] == person and hashes.get(head["seq"]) != head["hash"]:
        fail(where, f"it signed another event {head['seq']} of this person")
if root.hexdigest() != point["root"] or len(signed["heads"]) != point["heads"]:
    fail(where, "its heads are not those that were signed")
message = b"marcador-checkpoint-signature-1\\n" + position
message += struct.pack(">Q", point["heads"]) + text(point["root"])
try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    print(f"{where} holds; its signature was not checked (pip install cryptography)")
    sys.exit(0)
try:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(point["public_key"]))
    key.verify(bytes.fromhex(point["signature"]), message)
except (InvalidSignature, ValueError):
    fail(where, "its signature does not hold")
print(f"{where} holds, signed with the key {point['public_key']}")
"""


def readme(person_id: str, events: int, at: datetime, *, signed: bool) -> str:
    """Text of the README."""
    checkpoint = (
        "el último punto de control que firma su cadena / the newest checkpoint that signs it"
        if signed
        else "aún no hay punto de control (`null`) / no checkpoint yet (`null`)"
    )
    return _README.format(
        person_id=person_id, events=events, at=at, checkpoint=checkpoint, program=VERIFY
    )
