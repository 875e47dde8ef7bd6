"""A flow: a graph of nodes that one call walks through. Data, written in YAML or JSON.

Every edge names a node; a flow with an edge to nowhere cannot be read. What the graph may lead to
is not checked here but proved in `campaigns.flows.proof`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from campaigns.content.source import ContentError, Document, Tree, convert, parse
from campaigns.content.template import TextLanguage
from campaigns.dispositions import DispositionCode
from compliance.messages import Message

MOST_NODES: Final = 200
MOST_TRIES: Final = 2
"""Times that one question is put to a person."""
OPT_OUT_KEY: Final = "9"

NodeKey = Annotated[str, Meta(min_length=1, max_length=64)]
TemplateName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,79}$")]
Tries = Annotated[int, Meta(ge=1, le=MOST_TRIES)]


class Texts(Message, frozen=True, kw_only=True):
    """What is said, in both languages; the person's own is chosen when the call begins."""

    es: Annotated[str, Meta(min_length=1, max_length=1_000)]
    en: Annotated[str, Meta(min_length=1, max_length=1_000)]

    def of(self, language: str) -> str:
        return self.es if language.startswith("es") else self.en


class Factor(StrEnum):
    """What a person may be asked to prove who they are, by keys. As in right-party verification."""

    DOCUMENT_LAST4 = "document_last4"
    BIRTH_DATE = "birth_date"
    """Day and month, DDMM."""
    POSTAL_CODE = "postal_code"
    CONTRACT = "contract"


ON_THE_LETTER: Final = frozenset({Factor.POSTAL_CODE, Factor.CONTRACT})
"""What anybody who opens the person's post can read."""


class Question(Message, frozen=True, kw_only=True):
    """One factor, asked for."""

    factor: Factor
    text: Texts
    digits: Annotated[int, Meta(ge=3, le=20)]
    """Most keys of the answer."""


class Condition(StrEnum):
    """What a branch may ask about. The shell answers; `identity` the interpreter knows itself."""

    IDENTITY = "identity"
    AGENT_READY = "agent_ready"
    OFFICE_OPEN = "office_open"
    THIRD_PARTY_COLLECTOR = "third_party_collector"
    POINT_VERIFIED = "point_verified"
    """The number called is this person's, as verified before."""
    PAYMENT_ALLOWED = "payment_allowed"
    """The campaign has a link for paying (`links`) and a provider who carries it."""
    PERSON_KNOWN = "person_known"
    """Of a call to us: the number, though it proves nothing, is that of one person who owes. The
    interpreter knows it itself."""


_YES_NO: Final = ("yes", "no")


def values_of(condition: Condition) -> tuple[str, ...]:
    """The answers that a branch may have a case for."""
    return ("verified", "not_verified") if condition is Condition.IDENTITY else _YES_NO


class Matter(StrEnum):
    """What a `record` node writes down."""

    NOT_AVAILABLE = "not_available"
    WRONG_NUMBER = "wrong_number"
    CLAIMS_PAID = "claims_paid"
    INVOICE_MISSING = "invoice_missing"
    DISPUTE_AMOUNT = "dispute_amount"
    DISPUTE_NOT_MINE = "dispute_not_mine"
    DISPUTE_SERVICE = "dispute_service"
    HARDSHIP = "hardship"
    PREFERENCE = "preference"


BEFORE_VERIFICATION: Final = frozenset({Matter.NOT_AVAILABLE, Matter.WRONG_NUMBER})
"""Anybody may say these. All others presume that the person knows of the debt."""


NAMES: Final = frozenset({"first_name", "person_name"})
"""Merge fields that name the person: not for whoever calls us, before verification."""


class LinkPurpose(StrEnum):
    VERIFY = "verify"
    """Leads to a page that asks who one is before it tells anything."""
    PAY = "pay"


class Node(Message, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all nodes."""


class Say(Node, frozen=True, kw_only=True, tag="say"):
    text: Texts
    next: NodeKey


class Gather(Node, frozen=True, kw_only=True, tag="gather"):
    """A menu: one key."""

    text: Texts
    choices: Annotated[dict[str, NodeKey], Meta(min_length=1)]
    on_no_input: NodeKey
    """After the last try without a key."""
    on_invalid: NodeKey
    """After the last try with another key."""
    tries: Tries = MOST_TRIES

    def __post_init__(self) -> None:
        for key in self.choices:
            if len(key) != 1 or key not in "0123456789*#":
                raise ValueError(f"`choices` must be single keys 0-9, * and #, not {key!r}")


class Language(Node, frozen=True, kw_only=True, tag="language"):
    """Both languages are offered, each in its own voice; one key chooses for the rest of the call.

    Whoever presses no key of it goes on in the language in which the call began.
    """

    text: Texts
    """Said in both languages, that of the call first."""
    choices: dict[str, TextLanguage]
    next: NodeKey
    on_opt_out: NodeKey
    """9."""
    tries: Tries = 1

    def __post_init__(self) -> None:
        keys = [key for key in self.choices if len(key) == 1 and key in "012345678"]
        if len(keys) < len(self.choices) or set(self.choices.values()) != set(TextLanguage):
            raise ValueError(
                "`choices` must give each of es and en a single key 0-8: {1: es, 2: en}"
            )


class Verify(Node, frozen=True, kw_only=True, tag="verify"):
    """Two factors, at least one that is not on a letter; two tries in the whole call.

    Of more questions, the first two are put whose answers are on file for the person.
    """

    questions: tuple[Question, ...]
    on_verified: NodeKey
    on_failed: NodeKey
    on_unavailable: NodeKey
    """Too little is on file to verify this person at all."""
    tries: Tries = MOST_TRIES

    def __post_init__(self) -> None:
        factors = {question.factor for question in self.questions}
        if len(factors) < 2 or len(factors) < len(self.questions) or factors <= ON_THE_LETTER:
            raise ValueError(
                "`questions` must ask two different factors or more, at least one of "
                "document_last4 and birth_date"
            )


def questions_for(node: Verify, askable: Collection[Factor] | None) -> tuple[Question, ...]:
    """The two questions to put to a person of whom these factors are on file; None: all are.

    In the node's order, at least one that a letter does not tell; empty: they cannot be verified.
    """
    known = [q for q in node.questions if askable is None or q.factor in askable]
    strong = next((q for q in known if q.factor not in ON_THE_LETTER), None)
    other = next((q for q in known if q is not strong), None)
    if strong is None or other is None:
        return ()
    return tuple(q for q in known if q in (strong, other))


class Branch(Node, frozen=True, kw_only=True, tag="branch"):
    on: Condition
    cases: Annotated[dict[str, NodeKey], Meta(min_length=1)]
    otherwise: NodeKey
    """For every other value, and when it is not known."""

    def __post_init__(self) -> None:
        for value in self.cases:
            if value not in values_of(self.on):
                known = ", ".join(values_of(self.on))
                raise ValueError(f"`cases` must be of {known} for {self.on.value}, not {value}")


class Disclose(Node, frozen=True, kw_only=True, tag="disclose"):
    """Tells of the debt."""

    text: Texts
    next: NodeKey


class Promise(Node, frozen=True, kw_only=True, tag="promise"):
    """Takes a promise: how much, when, how; reads it back; one key confirms it."""

    options: Texts
    """1 the whole, 2 the minimum, 3 another amount."""
    ask_amount: Texts
    ask_date: Texts
    """DDMM."""
    out_of_range: Texts
    """Names `{{minimum}}` and `{{latest_date}}`."""
    ask_method: Texts
    methods: Annotated[dict[str, str], Meta(min_length=1)]
    """Key to name of the way to pay."""
    read_back: Texts
    """1 confirms, 2 changes."""
    on_promised: NodeKey
    on_declined: NodeKey
    on_opt_out: NodeKey
    """9, at any question that one key answers."""
    tries: Tries = MOST_TRIES

    def __post_init__(self) -> None:
        for key in self.methods:
            if len(key) != 1 or key not in "12345678":
                raise ValueError(f"`methods` must have single keys 1-8, not {key!r}")


class Transfer(Node, frozen=True, kw_only=True, tag="transfer"):
    """To an agent; the flow ends when one takes the call."""

    text: Texts
    on_no_agent: NodeKey
    waiting: Texts | None = None
    """Said every 20 seconds to whoever waits; None: nothing is."""
    team: Annotated[str, Meta(max_length=64)] = ""


class LinkTemplates(Message, frozen=True, kw_only=True):
    """The text that is sent, in each language: names of approved templates of one channel."""

    es: TemplateName
    en: TemplateName

    def of(self, language: str) -> str:
        return self.es if language.startswith("es") else self.en


class Link(Node, frozen=True, kw_only=True, tag="link"):
    """Sends a written message to an address on file, never to one that was typed in."""

    purpose: LinkPurpose
    templates: LinkTemplates | None = None
    """None: nothing can be sent, and a flow without is not approved any more."""
    on_sent: NodeKey
    on_failed: NodeKey


class Callback(Node, frozen=True, kw_only=True, tag="callback"):
    """Records that the person wants to be called back."""

    text: Texts
    next: NodeKey


class Record(Node, frozen=True, kw_only=True, tag="record"):
    """Writes down what the person said."""

    matter: Matter
    next: NodeKey


class OptOut(Node, frozen=True, kw_only=True, tag="opt_out"):
    """Stops calls to this number, at once."""

    text: Texts
    next: NodeKey


class Repeat(Node, frozen=True, kw_only=True, tag="repeat"):
    """Lets a loop run so many times: the only way back in a flow."""

    max: Annotated[int, Meta(ge=1, le=3)]
    again: NodeKey
    done: NodeKey


class HangUp(Node, frozen=True, kw_only=True, tag="hang_up"):
    code: DispositionCode
    text: Texts | None = None


AnyNode = (
    Say
    | Gather
    | Language
    | Verify
    | Branch
    | Disclose
    | Promise
    | Transfer
    | Link
    | Callback
    | Record
    | OptOut
    | Repeat
    | HangUp
)


class Machine(Message, frozen=True, kw_only=True):
    """What an answering machine gets."""

    text: Texts | None = None
    """A limited-content message (12 CFR 1006.2(j)); None: nothing is left."""


class PersonHangsUp(Message, frozen=True, kw_only=True):
    """The code of a call that the person ends in the middle."""

    unverified: DispositionCode = DispositionCode.HUNG_UP_BEFORE_TALK
    verified: DispositionCode = DispositionCode.RIGHT_PARTY_HUNG_UP


class FlowHead(Message, frozen=True, kw_only=True):
    """A flow but for its nodes."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,79}$")]
    title: Texts
    start: NodeKey
    machine: Machine = Machine()
    person_hangs_up: PersonHangsUp = PersonHangsUp()
    states: tuple[Annotated[str, Meta(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")], ...] = ()
    """What the flow states once the person is verified, by the ids of the rule packs
    (`mini_miranda`, `not_a_seizure`); who approves the flow answers for it."""
    inbound: bool = False
    """Somebody calls us. It counts as no attempt of ours, and who it is may not be known."""
    version: Annotated[int, Meta(ge=1)] = 1
    """Given by the ledger."""


class Flow(FlowHead, frozen=True, kw_only=True):
    nodes: Annotated[dict[str, AnyNode], Meta(min_length=1, max_length=MOST_NODES)]

    def __post_init__(self) -> None:
        for key, target in dangling(self.start, self.nodes):
            raise ValueError(f"`{key}` must be one of the nodes, not {target!r}")


def flow_hash(flow: Flow) -> str:
    """SHA-256 of the whole flow."""
    return hashlib.sha256(msgspec.json.encode(flow, order="sorted")).hexdigest()


class Edge(NamedTuple):
    """A way out of a node: which key of the node names it, and where it leads."""

    key: str
    target: str


def edges(node: AnyNode) -> tuple[Edge, ...]:
    """Every way out of a node."""
    return tuple(_edges(node))


def _edges(node: AnyNode) -> Iterator[Edge]:
    match node:
        case Gather():
            yield from (Edge(f"choices.{key}", target) for key, target in node.choices.items())
            yield Edge("on_no_input", node.on_no_input)
            yield Edge("on_invalid", node.on_invalid)
        case Branch():
            yield from (Edge(f"cases.{value}", target) for value, target in node.cases.items())
            yield Edge("otherwise", node.otherwise)
        case _:
            for name in _EDGE_FIELDS:
                target = getattr(node, name, None)
                if target is not None:
                    yield Edge(name, target)


_EDGE_FIELDS: Final = (
    "next",
    "on_verified",
    "on_failed",
    "on_unavailable",
    "on_promised",
    "on_declined",
    "on_opt_out",
    "on_no_agent",
    "on_sent",
    "again",
    "done",
)


def texts(node: AnyNode) -> Iterator[tuple[str, Texts]]:
    """Everything that a node may say, by key."""
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, Texts):
            yield name, value
    if isinstance(node, Verify):
        yield from ((f"questions.{i}.text", q.text) for i, q in enumerate(node.questions))


def dangling(start: str, nodes: dict[str, AnyNode]) -> Iterator[tuple[str, str]]:
    """Edges that lead to no node: key and target."""
    if start not in nodes:
        yield "start", start
    for name, node in nodes.items():
        for edge in edges(node):
            if edge.target not in nodes:
                yield f"nodes.{name}.{edge.key}", edge.target


# --- reading -------------------------------------------------------------------------------------

_KINDS: Final[dict[str, type[AnyNode]]] = {
    str(kind.__struct_config__.tag): kind for kind in AnyNode.__args__
}


def parse_flow(text: str) -> Flow:
    """A flow from YAML or JSON. Raises `ContentError` with key, line, reason and remedy."""
    document = parse(text)
    nodes = document.tree.get("nodes")
    if not isinstance(nodes, dict) or not 0 < len(nodes) <= MOST_NODES:
        raise _bad(
            document,
            "nodes",
            f"debe tener de 1 a {MOST_NODES} nodos, por nombre",
            f"it needs 1 to {MOST_NODES} nodes, by name",
        )
    # One by one, so that an error can name the node.
    made: dict[str, AnyNode] = {key: _node(document, key, tree) for key, tree in nodes.items()}
    rest: dict[str, Tree] = {k: v for k, v in document.tree.items() if k != "nodes"}
    head = convert(rest, FlowHead, document=document)
    for key, target in dangling(head.start, made):
        raise ContentError(
            key,
            es=f"lleva a un nodo que no existe: {target}",
            en=f"leads to a node that does not exist: {target}",
            mend_es="nodos: " + ", ".join(made),
            mend_en="nodes: " + ", ".join(made),
            line=document.line_of(key),
        )
    fields = {name: getattr(head, name) for name in head.__struct_fields__}
    return Flow(**fields, nodes=made)


def _node(document: Document, key: str, tree: Tree) -> AnyNode:
    where = f"nodes.{key}"
    kind = tree.get("kind") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(kind, str):
        raise _bad(document, where, "falta `kind`", "it has no `kind`")
    found = _KINDS.get(kind)
    if found is None:
        raise ContentError(
            f"{where}.kind",
            es=f"no hay nodos de tipo {kind}",
            en=f"there are no nodes of kind {kind}",
            mend_es="use: " + ", ".join(_KINDS),
            mend_en="use: " + ", ".join(_KINDS),
            line=document.line_of(f"{where}.kind"),
        )
    return convert(tree, found, document=document, key=where)


def _bad(document: Document, key: str, es: str, en: str) -> ContentError:
    return ContentError(
        key,
        es=es,
        en=en,
        mend_es="vea el ejemplo de docs/content.md",
        mend_en="see the example of docs/content.md",
        line=document.line_of(key),
    )
