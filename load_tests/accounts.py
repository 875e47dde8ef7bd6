"""Whom the load tests log in as: a file from whoever starts the server to locust.

Apart from the locust users, because importing locust changes Python's sockets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

ACCOUNTS: Final = "MARCADOR_LOAD_ACCOUNTS"
"""Names a JSON file: `{"manager": {"username": .., "password": ..}, "agents": [{..}, ..]}`."""


class Account(msgspec.Struct, frozen=True):
    username: str
    password: str


class Accounts(msgspec.Struct, frozen=True):
    manager: Account
    agents: list[Account]


def accounts() -> Accounts:
    """Raises `KeyError` when no file is named."""
    return msgspec.json.decode(Path(os.environ[ACCOUNTS]).read_bytes(), type=Accounts)
