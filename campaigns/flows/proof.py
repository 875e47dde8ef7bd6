"""The proof of a flow, made when it is saved: every path is walked, none is tried out on a person.

The flow is taken for what it is, a machine with few states: the node, whether the person has been
verified, how many tries of verification are left, how often each loop was taken. All states that
can be reached are visited, breadth first, so the path that is shown for a failure is a shortest
one. What is proved of them:

- nothing that tells of a debt is reached before a successful verification;
- every path ends: no state is reached from itself;
- every menu offers 9, and 9 stops the calls;
- every end has a disposition code, one that fits whether the person was verified;
- on a call to us, nothing is written down for a person, or sent to one, before it is known whose
  call it may be, and nobody is named to the caller before verification;
- every text passes the lint of its class, in both languages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from campaigns.content.findings import Finding, Severity
from campaigns.content.lint import Part, check_parts, check_syntax, lint
from campaigns.content.template import TextLanguage, field_uses
from campaigns.dispositions import DispositionCode, Identity, disposition
from campaigns.flows.findings import FlowFinding, PathStep, flow_finding, step_words
from campaigns.flows.model import (
    MOST_TRIES,
    NAMES,
    OPT_OUT_KEY,
    AnyNode,
    Branch,
    Condition,
    Flow,
    Gather,
    HangUp,
    Language,
    Link,
    OptOut,
    Promise,
    Repeat,
    Verify,
    edges,
    texts,
)
from campaigns.flows.program import Program, compile_flow
from campaigns.flows.speaking import spoken_template
from compliance.messages import Message
from compliance.types import ContentClass

MOST_STATES: Final = 10_000
"""A flow with more is refused: it cannot be proved, and no caller could use it."""


class Proof(Message, frozen=True, kw_only=True):
    ok: bool
    """No error: it can be submitted."""
    states: int
    """States that were visited."""
    disclosing: tuple[str, ...]
    """Nodes that tell of the debt."""
    findings: tuple[FlowFinding, ...] = ()


class State(NamedTuple):
    """What decides where a call can go from here."""

    node: str
    verified: bool
    tries: int
    """Tries of verification that are left in this call."""
    taken: tuple[int, ...]
    """How often each loop was taken, in the order of `_Walk.loops`."""
    known: bool = True
    """Whether it is known whose account the call is about."""


class Way(NamedTuple):
    """One way on: the edge's key and the state it leads to."""

    out: str
    after: State


def prove(flow: Flow) -> Proof:
    """Walk every path of a flow."""
    program = compile_flow(flow)
    walk = _Walk(program)
    complete = walk.explore()
    findings: list[FlowFinding] = []
    if not complete:
        findings.append(flow_finding("too_large", found=str(MOST_STATES)))
    findings += walk.disclosures()
    findings += walk.for_nobody()
    if complete and not findings:  # behind a failure nothing was looked at
        findings += _unreached(flow, {state.node for state in walk.came})
    findings += walk.endless()
    findings += walk.codes()
    findings += walk.names()
    findings += _menus(flow)
    findings += _links(flow)
    findings += _texts(program)
    findings += _machine(flow)
    return Proof(
        ok=not any(f.severity is Severity.ERROR for f in findings),
        states=len(walk.came),
        disclosing=tuple(sorted(program.disclosing)),
        findings=tuple(findings),
    )


class _Walk:
    """All states that can be reached, and how each was reached first."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes = program.flow.nodes
        self.loops = tuple(k for k, node in self.nodes.items() if isinstance(node, Repeat))
        first = State(program.flow.start, False, MOST_TRIES, (0,) * len(self.loops))
        self.firsts = [first]
        if program.flow.inbound:
            self.firsts.append(first._replace(known=False))
        self.came: dict[State, tuple[State, str] | None] = dict.fromkeys(self.firsts)

    def explore(self) -> bool:
        """False when there are too many states."""
        queue = deque(self.firsts)
        while queue:
            state = queue.popleft()
            if self.forbidden(state):
                continue  # what would come after is of no interest: nobody may get here
            for way in self.ways(state):
                if way.after not in self.came:
                    self.came[way.after] = (state, way.out)
                    queue.append(way.after)
            if len(self.came) > MOST_STATES:
                return False
        return True

    def forbidden(self, state: State) -> bool:
        return self._discloses(state) or self._for_nobody(state)

    def _discloses(self, state: State) -> bool:
        return state.node in self.program.disclosing and not state.verified

    def _for_nobody(self, state: State) -> bool:
        personal = state.node in self.program.personal
        return personal and not state.known and not self._discloses(state)

    def ways(self, state: State) -> Iterator[Way]:
        """Everything that can happen next."""
        node = self.nodes[state.node]
        match node:
            case Verify():
                yield from _verify_ways(node, state)
            case Branch() if node.on is Condition.IDENTITY:
                known = "verified" if state.verified else "not_verified"
                out = f"cases.{known}" if known in node.cases else "otherwise"
                yield Way(out, state._replace(node=node.cases.get(known, node.otherwise)))
            case Branch() if node.on is Condition.PERSON_KNOWN:
                value = "yes" if state.known else "no"
                out = f"cases.{value}" if value in node.cases else "otherwise"
                yield Way(out, state._replace(node=node.cases.get(value, node.otherwise)))
            case Repeat():
                loop = self.loops.index(state.node)
                if state.taken[loop] < node.max:
                    taken = tuple(n + (i == loop) for i, n in enumerate(state.taken))
                    yield Way("again", state._replace(node=node.again, taken=taken))
                else:
                    yield Way("done", state._replace(node=node.done))
            case _:
                for edge in edges(node):
                    yield Way(edge.key, state._replace(node=edge.target))

    def path_to(self, state: State) -> tuple[PathStep, ...]:
        """A shortest path from the start."""
        steps: list[PathStep] = [self._step(state.node, "")]
        came = self.came[state]
        while came is not None:
            before, out = came
            steps.append(self._step(before.node, out))
            came = self.came[before]
        return tuple(reversed(steps))

    def _step(self, key: str, out: str) -> PathStep:
        kind = str(self.nodes[key].__struct_config__.tag)
        es, en = step_words(kind, out)
        return PathStep(node=key, kind=kind, out=out, es=es, en=en)

    # --- what is proved of the states ------------------------------------------------------------

    def disclosures(self) -> Iterator[FlowFinding]:
        yield from self._found("disclosure_before_verification", self._discloses)

    def for_nobody(self) -> Iterator[FlowFinding]:
        yield from self._found("nobody_known", self._for_nobody)

    def names(self) -> Iterator[FlowFinding]:
        """Texts that name the person to whoever calls."""
        if self.program.flow.inbound:
            naming = {key for key, node in self.nodes.items() if _names_a_person(node)}
            yield from self._found("names_caller", lambda s: s.node in naming and not s.verified)

    def _found(self, code: str, wrong: Callable[[State], bool]) -> Iterator[FlowFinding]:
        """Each node that is wrong in some state, once, with the shortest path to it."""
        told: set[str] = set()
        for state in self.came:
            if wrong(state) and state.node not in told:
                told.add(state.node)
                yield flow_finding(
                    code, node=state.node, path=self.path_to(state), found=state.node
                )

    def endless(self) -> Iterator[FlowFinding]:
        """A state that is reached from itself: depth first, with the path that is open."""
        done: set[State] = set()
        for root in self.came:
            if root in done:
                continue
            open_path: dict[State, None] = {root: None}
            stack = [(root, self._inner(root))]
            while stack:
                state, ways = stack[-1]
                way = next(ways, None)
                if way is None:
                    stack.pop()
                    open_path.pop(state)
                    done.add(state)
                elif way.after in open_path:
                    yield self._loop(way, list(open_path))
                    return
                elif way.after not in done:
                    open_path[way.after] = None
                    stack.append((way.after, self._inner(way.after)))

    def _inner(self, state: State) -> Iterator[Way]:
        return iter(()) if self.forbidden(state) else (
            way for way in self.ways(state) if way.after in self.came
        )  # fmt: skip

    def _loop(self, way: Way, opened: list[State]) -> FlowFinding:
        circle = opened[opened.index(way.after) :]
        lead = self.path_to(way.after)[:-1]
        steps: list[PathStep] = []
        for state, after in zip(circle, [*circle[1:], way.after], strict=True):
            out = next(w.out for w in self.ways(state) if w.after == after)
            steps.append(self._step(state.node, out))
        steps.append(self._step(way.after.node, ""))
        node = way.after.node
        return flow_finding("endless_loop", node=node, path=(*lead, *steps), found=node)

    def codes(self) -> Iterator[FlowFinding]:
        """Codes that say something of the person's identity, where it is not so."""
        told: set[tuple[str, bool]] = set()
        for state in self.came:
            node = self.nodes[state.node]
            if not isinstance(node, HangUp) or (state.node, state.verified) in told:
                continue
            if not _fits(node.code, verified=state.verified):
                told.add((state.node, state.verified))
                code = "code_after" if state.verified else "code_before"
                yield flow_finding(
                    code, node=state.node, path=self.path_to(state), found=node.code.value
                )
        hanging = self.program.flow.person_hangs_up
        for verified, code_given in ((False, hanging.unverified), (True, hanging.verified)):
            if not _fits(code_given, verified=verified):
                code = "code_after" if verified else "code_before"
                yield flow_finding(code, part="person_hangs_up", found=code_given.value)


def _verify_ways(node: Verify, state: State) -> Iterator[Way]:
    """Verified once is verified for the call; two failed tries are the end of trying."""
    if state.verified:
        yield Way("on_verified", state._replace(node=node.on_verified))
        return
    if not state.known:
        yield Way("on_unavailable", state._replace(node=node.on_unavailable))
    elif state.tries > 0:
        yield Way("on_verified", state._replace(node=node.on_verified, verified=True))
        tries = min(node.tries, state.tries)
        for failed in range(tries):
            left = state.tries - failed
            yield Way("on_unavailable", state._replace(node=node.on_unavailable, tries=left))
        yield Way("on_failed", state._replace(node=node.on_failed, tries=state.tries - tries))
    else:
        yield Way("on_failed", state._replace(node=node.on_failed))


def _names_a_person(node: AnyNode) -> bool:
    return any(
        use.name in NAMES
        for _, said in texts(node)
        for text in (said.es, said.en)
        for use in field_uses(text)
    )


def _fits(code: DispositionCode, *, verified: bool) -> bool:
    asks = disposition(code).identity
    return asks is Identity.ANY or asks is (
        Identity.VERIFIED if verified else Identity.NOT_VERIFIED
    )


# --- what needs no walk --------------------------------------------------------------------------


def _menus(flow: Flow) -> Iterator[FlowFinding]:
    """9 stops the calls wherever one key is asked for."""
    for key, node in flow.nodes.items():
        match node:
            case Gather():
                name, target = "choices", node.choices.get(OPT_OUT_KEY)
            case Promise() | Language():
                name, target = "on_opt_out", node.on_opt_out
            case _:
                continue
        if target is None or not isinstance(flow.nodes[target], OptOut):
            yield flow_finding("opt_out_key", node=key, part=f"nodes.{key}.{name}", found=key)
    if not any(isinstance(node, Gather) for node in flow.nodes.values()):
        yield flow_finding("no_menu", part="nodes")


def _links(flow: Flow) -> Iterator[FlowFinding]:
    for key, node in flow.nodes.items():
        if isinstance(node, Link) and node.templates is None:
            place = f"nodes.{key}.templates"
            yield flow_finding("link_without_text", node=key, part=place, found=key)


def _unreached(flow: Flow, reached: set[str]) -> Iterator[FlowFinding]:
    for key in flow.nodes:
        if key not in reached:
            yield flow_finding("unreached", node=key, part=f"nodes.{key}", found=key)


def _texts(program: Program) -> Iterator[FlowFinding]:
    """Texts before verification are neutral; after it they may tell of the debt, not threaten."""
    for key, node in program.flow.nodes.items():
        claimed = ContentClass.NEUTRAL
        if key in program.disclosing:
            claimed = ContentClass.VERIFIED
        yield from _node_texts(key, node, claimed)


def _node_texts(key: str, node: AnyNode, claimed: ContentClass) -> Iterator[FlowFinding]:
    for name, said in texts(node):
        for language in TextLanguage:
            text = said.of(language)
            place = f"nodes.{key}.{name}.{language}"
            template = spoken_template(text, language, claimed)
            part = Part(name="body", text=text, uses=tuple(field_uses(text)))
            wrong = [*check_parts(template, [part]), *check_syntax(part)]
            yield from (_moved(f, key, place) for f in wrong)


def _machine(flow: Flow) -> Iterator[FlowFinding]:
    if flow.machine.text is None:
        return
    for language in TextLanguage:
        template = spoken_template(
            flow.machine.text.of(language), language, ContentClass.VOICEMAIL_LIMITED
        )
        place = f"machine.text.{language}"
        yield from (_moved(f, "", place) for f in lint(template).findings)


def _moved(found: Finding, node: str, place: str) -> FlowFinding:
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    return FlowFinding(**{**values, "part": place}, node=node)
