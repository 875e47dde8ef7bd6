"""espeak-ng for the laboratory and for tests: this machine's own, or Debian's package, unpacked."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Final

from telephony_adapters.lab.debian import Bundle, install
from telephony_adapters.lab.errors import LabError

PROGRAM: Final = "usr/bin/espeak-ng"
ESPEAK: Final = Bundle(
    name="espeak",
    suite="bookworm",
    packages=("espeak-ng",),
    keep="espeak-ng|espeak-ng-data|lib.*|zlib1g",
    binaries=(PROGRAM,),
)


def espeak_program(folder: Path) -> str:
    """A program that speaks like espeak-ng; where it is not installed, a script in `folder`.

    Raises `LabError`.
    """
    found = shutil.which("espeak-ng")
    if found is not None:
        return found
    unpacked = install(ESPEAK)
    data = next(unpacked.root.glob("usr/lib/*/espeak-ng-data"), None)
    if data is None:
        raise LabError(f"{unpacked.root}: no voices in it; delete the folder and try again")
    script = folder / "espeak-ng"
    command = shlex.join(unpacked.command(PROGRAM))
    script.write_text(
        f'#!/bin/sh\nESPEAK_DATA_PATH={shlex.quote(str(data.parent))} exec {command} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return str(script)
