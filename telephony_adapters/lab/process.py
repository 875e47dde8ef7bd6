"""One program of the laboratory as a child that never outlives its parent."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from telephony_adapters.lab.errors import LabError

STOP_TIMEOUT_S: Final = 5.0
UNPRIVILEGED: Final = "nobody"


class Child:
    """A running program; what it says goes to a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: Path,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if shutil.which("setpriv") is None:
            raise LabError("`setpriv` is missing: apt-get install util-linux")
        self._output = output
        nobody = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
        with output.open("ab") as said:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                user=nobody.pw_uid if nobody else None,
                group=nobody.pw_gid if nobody else None,
                extra_groups=[] if nobody else None,
                # Ctrl-C is for the parent, which stops its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def said(self, characters: int = 1_000) -> str:
        """The end of what it said."""
        with contextlib.suppress(OSError):
            return self._output.read_text(encoding="utf-8", errors="replace")[-characters:]
        return ""

    def stop(self) -> None:
        """End it, gently first."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()


def hand_over(folder: Path) -> None:
    """Give a folder and what is in it to the user that children run as."""
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            shutil.chown(path, UNPRIVILEGED)
