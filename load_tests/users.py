"""Locust users: whoever watches and manages over HTTP, and agents on their WebSocket.

Whom they log in as stands in the file that `MARCADOR_LOAD_ACCOUNTS` names; see `accounts.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Final

import msgspec
import websocket
from locust import FastHttpUser, constant, events, task

from load_tests.accounts import Account, accounts

JSON: Final = {"Content-Type": "application/json"}
REPLY_TIMEOUT_S: Final = 10.0

QUESTION: Final = msgspec.json.encode(
    {
        "request": {
            "decision_id": "d1",
            "person_id": "p1",
            "contact_point_id": "c1",
            "channel": "voice",
            "mode": "predictive",
            "debt_ids": ["b1"],
        },
        "facts": {
            "subject": {
                "person": {"person_id": "p1", "residence": {"country": "CL"}},
                "contact_points": [
                    {"contact_point_id": "c1", "kind": "phone", "address": "+56987654321"}
                ],
                "debts": [{"debt_id": "b1", "account_id": "a1"}],
            },
            "collector": {"collector_id": "house", "role": "third_party"},
        },
        "now": "2026-11-24T12:00:00-03:00",
    }
).decode()


class _Token(msgspec.Struct, frozen=True):
    token: str


class _Campaign(msgspec.Struct, frozen=True):
    campaign_id: str


class _Campaigns(msgspec.Struct, frozen=True):
    campaigns: list[_Campaign]


report: Callable[..., None] = events.request.fire
"""How locust is told of a request that its own client did not make."""

_first_login = threading.Lock()
_manager_token: list[str] = []
_agent_numbers = count()


def log_in(user: FastHttpUser, account: Account) -> str:
    body = msgspec.json.encode(account).decode()
    answer = user.client.post("/api/v1/login", data=body, headers=JSON, name="login")
    return msgspec.json.decode(answer.content or b"", type=_Token).token


class ManagerUser(FastHttpUser):
    """Boards, lists, and questions to the gate, as fast as they are answered."""

    wait_time = constant(0)

    def on_start(self) -> None:
        with _first_login:
            if not _manager_token:
                _manager_token.append(log_in(self, accounts().manager))
        self.client.auth_header = f"Bearer {_manager_token[0]}"
        answer = self._get("campaigns", "campaigns")
        found = msgspec.json.decode(answer, type=_Campaigns).campaigns
        self.campaign_id = found[0].campaign_id

    def _get(self, path: str, name: str) -> bytes:
        answer = self.client.get(f"/api/v1/{path}", name=name)
        return answer.content or b""

    @task(3)
    def live(self) -> None:
        self._get(f"campaigns/{self.campaign_id}/live", "live")

    @task(2)
    def campaigns(self) -> None:
        self._get("campaigns", "campaigns")

    @task(2)
    def agents(self) -> None:
        self._get("agents", "agents")

    @task(2)
    def decisions(self) -> None:
        self._get("decisions?limit=50", "decisions")

    @task(1)
    def me(self) -> None:
        self._get("me", "me")

    @task(2)
    def check(self) -> None:
        self.client.post("/api/v1/compliance/check", data=QUESTION, headers=JSON, name="check")


class HelloUser(FastHttpUser):
    """The peer: a bare aiohttp server that says hello."""

    wait_time = constant(0)

    @task
    def hello(self) -> None:
        self.client.get("/hello", name="hello")


class AgentUser(FastHttpUser):
    """An agent who goes ready and pauses, and waits for the server's word each time."""

    wait_time = constant(0)

    def on_start(self) -> None:
        everybody = accounts().agents
        account = everybody[next(_agent_numbers) % len(everybody)]
        token = log_in(self, account)
        host = str(self.host).replace("http://", "ws://", 1)
        self.socket = websocket.create_connection(
            f"{host}/api/v1/agent/socket",
            timeout=REPLY_TIMEOUT_S,
            header=[f"Authorization: Bearer {token}"],
        )
        self._ask("resume", "snapshot", {"type": "resume", "seq": 0})

    def on_stop(self) -> None:
        self.socket.close()

    @task
    def shift(self) -> None:
        self._ask("ready", "agent_changed", {"type": "ready"})
        self._ask("pause", "agent_changed", {"type": "pause", "reason": "break"})

    def _ask(self, name: str, expected: str, message: dict[str, object]) -> None:
        """Say something and wait for the answer; both count as one request of locust's."""
        started_s = time.perf_counter()
        error: Exception | None = None
        length = 0
        try:
            self.socket.send(msgspec.json.encode(message).decode())
            while True:
                heard = self.socket.recv()
                length += len(heard)
                kind = msgspec.json.decode(heard, type=_Heard).type
                if kind == expected:
                    break
                if kind == "refused":
                    raise RuntimeError(str(heard))
        except (OSError, RuntimeError, websocket.WebSocketException, msgspec.DecodeError) as caught:
            error = caught
        report(
            request_type="WS",
            name=name,
            response_time=(time.perf_counter() - started_s) * 1000,
            response_length=length,
            exception=error,
            context={},
        )


class _Heard(msgspec.Struct, frozen=True):
    type: str
