"""Makes and ends links: how an agent whom one node rings takes part on another."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from weakref import WeakValueDictionary

from telephony_adapters.clock import Clock
from telephony_adapters.errors import CarrierUnavailable, TelephonyError
from telephony_adapters.messages import CallId, LegId
from telephony_adapters.nodes.directory import Action, Directory, LegLine, LinkComes, Loan
from telephony_adapters.nodes.tokens import Tokens
from telephony_adapters.port import TelephonyAdapter

WORD_BYTES = 16


class Node:
    """One node as the composite sees it."""

    def __init__(self, name: str, adapter: TelephonyAdapter) -> None:
        self.name = name
        self.adapter = adapter
        self.up = False

    def require_up(self) -> TelephonyAdapter:
        """Raises `CarrierUnavailable`."""
        if not self.up:
            raise CarrierUnavailable(f"node `{self.name}` is away")
        return self.adapter


class Links:
    """All links of the composite.

    `carry_out` ends calls and legs, and does not wait for it.
    """

    def __init__(
        self,
        directory: Directory,
        nodes: Mapping[str, Node],
        carry_out: Callable[[Iterable[Action]], None],
        clock: Clock,
        link_s: float,
    ) -> None:
        self._directory = directory
        self._nodes = nodes
        self._carry_out = carry_out
        self._clock = clock
        self._link_s = link_s
        self._words: Tokens[Loan] = Tokens(lambda: secrets.token_hex(WORD_BYTES), link_s)
        self._moving: WeakValueDictionary[LegId, asyncio.Lock] = WeakValueDictionary()
        self._moved = asyncio.Event()
        self.made = 0
        self.failed = 0
        self.refused = 0
        """Calls that dialed a word which was not given out, or not any more."""

    async def bring(self, leg_id: LegId, node: str, *, but_for: CallId | None = None) -> LegId:
        """Let a leg take part on a node; gives its name there.

        Raises `UnknownCall` when it is gone, `CarrierUnavailable`, and `TelephonyError` when it
        is in conversation elsewhere (unless with `but_for`), or when there is no link.
        """
        lock = self._moving.setdefault(leg_id, asyncio.Lock())
        async with lock:
            leg = self._directory.leg(leg_id)
            if leg.node == node:
                return leg.local
            self._directory.require_movable(leg, but_for=but_for)
            if leg.loan is not None:
                await self._take_home(leg.loan)
            if node == leg.home:
                return leg_id
            return (await self._lend(leg, node)).mirror

    def comes(self, action: LinkComes) -> Loan | None:
        """A call from node to node has come: whose it is. None: nobody's, hang it up."""
        loan = self._words.redeem(action.node, action.word, self._clock.now())
        if loan is None or loan.over:
            self.refused += 1
            loan = None
        self._directory.link_came(action.node, action.call_id, loan)
        self.moved()
        return loan

    def moved(self) -> None:
        """Whoever waits for a link looks again."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    # --- steps --------------------------------------------------------------------------------

    async def _lend(self, leg: LegLine, node: str) -> Loan:
        there, home = self._nodes[node].require_up(), self._nodes[leg.home].require_up()
        loan = self._directory.lend(leg, node)
        word = self._words.issue(leg.home, loan, self._clock.now())
        try:
            async with asyncio.timeout(self._link_s):
                await there.open_agent_leg(loan.mirror, f"node:{leg.home}/{word}")
                await self._until(lambda: loan.call_id is not None, loan)
                if loan.call_id is not None:
                    await home.answer(loan.call_id)
                    await self._until(lambda: loan.answered, loan)
                    await home.bridge(loan.call_id, leg.leg_id)
                await self._until(lambda: loan.stands, loan)
        except (TelephonyError, TimeoutError) as error:
            self.failed += 1
            raise TelephonyError(f"no link from {node} to {leg.home}: {error!r}") from error
        finally:
            self._words.revoke(word)
            if not loan.stands:
                self._carry_out(self._directory.end_loan(loan))
        self.made += 1
        return loan

    async def _take_home(self, loan: Loan) -> None:
        self._carry_out(self._directory.end_loan(loan))
        call_id = loan.call_id
        if call_id is None:
            return
        try:
            async with asyncio.timeout(self._link_s):
                while self._directory.link_lives(loan.home, call_id):
                    await self._moved.wait()
        except TimeoutError as error:
            raise TelephonyError(f"the link of {loan.node} to {loan.home} does not end") from error

    async def _until(self, condition: Callable[[], bool], loan: Loan) -> None:
        while not condition():
            if loan.over:
                raise TelephonyError("the link has ended")
            await self._moved.wait()
