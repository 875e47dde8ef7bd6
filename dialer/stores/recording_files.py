"""Sound files of recorded conversations, named by their hash: what changes has another name."""

from __future__ import annotations

import hashlib
import io
import os
import wave
from pathlib import Path

from dialer.stores.ledger.ids import new_id


def duration_of(sound: bytes) -> int:
    """Length of a WAV file in milliseconds; 0 for another format."""
    try:
        with wave.open(io.BytesIO(sound)) as read:
            return int(read.getnframes() * 1000 // read.getframerate())
    except (wave.Error, EOFError):
        return 0


class RecordingFiles:
    """A folder of recordings. Calls block: run them off the event loop. All raise `OSError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.wav"

    def keep(self, sound: bytes) -> str:
        """Write a recording, durable before this returns; gives its hash."""
        sha256 = hashlib.sha256(sound).hexdigest()
        path = self.path(sha256)
        if path.exists():
            return sha256
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(f".{new_id()}")
        try:
            with unfinished.open("xb") as file:
                os.chmod(unfinished, 0o600)
                file.write(sound)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return sha256

    def read(self, sha256: str) -> bytes | None:
        """The recording; None if the file is not there, or is not what was kept."""
        path = self.path(sha256)
        if not path.is_file():
            return None
        sound = path.read_bytes()
        return sound if hashlib.sha256(sound).hexdigest() == sha256 else None

    def remove(self, sha256: str) -> None:
        self.path(sha256).unlink(missing_ok=True)
