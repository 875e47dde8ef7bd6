"""What the proof refuses, and the path that it shows."""

from __future__ import annotations

import pytest

from campaigns.flows.findings import WORDS, FlowFinding, path_lines, step_words
from campaigns.flows.model import Flow
from campaigns.flows.proof import prove
from campaigns.flows.samples import sample_flows
from tests.campaigns.flows.build import STOP, end, flow, gather, promise, said, verify

DISCLOSE = {"kind": "disclose", "text": said("Su deuda."), "next": "bye"}
LINK = {"kind": "link", "purpose": "verify", "templates": {"es": "enlace", "en": "link"},
        "on_sent": "bye", "on_failed": "bye"}  # fmt: skip


def only(made: Flow) -> FlowFinding:
    (found,) = [f for f in prove(made).findings if f.code != "unreached"]
    return found


@pytest.mark.parametrize("made", sample_flows(), ids=lambda f: f.name)
def test_every_sample_is_proved(made: Flow) -> None:
    proof = prove(made)
    assert proof.ok
    assert proof.findings == ()
    assert proof.states > (2 if made.name == "no-agent" else 10)


def test_the_samples_are_the_five_and_the_message_for_abandoned_calls() -> None:
    assert [f.name for f in sample_flows()] == [
        "inbound-return",
        "locator-agent",
        "no-agent",
        "preventive-reminder",
        "promise-dtmf",
        "self-service",
    ]


def test_a_disclosure_without_verification_is_shown_with_its_shortest_path() -> None:
    made = flow({"a": gather(k1="b", k2="c"), "b": {"kind": "say", "text": said(), "next": "c"},
                 "c": DISCLOSE, **STOP})  # fmt: skip
    found = only(made)
    assert found.code == "disclosure_before_verification"
    assert [(s.node, s.out) for s in found.path] == [("a", "choices.2"), ("c", "")]
    assert path_lines(found.path, "es") == [
        "1. a (pregunta; se marca 2)",
        "2. c (habla de la deuda)",
    ]
    assert path_lines(found.path, "en") == ["1. a (asks; 2 is pressed)", "2. c (tells of the debt)"]


@pytest.mark.parametrize(
    "telling",
    [
        DISCLOSE,
        {"kind": "say", "text": said("Por su {{amount}}."), "next": "bye"},
        {"kind": "say", "text": said("Por su d3uda."), "next": "bye"},
        {"kind": "say", "text": {"es": "Hola.", "en": "Your debt."}, "next": "bye"},
        {"kind": "record", "matter": "hardship", "next": "bye"},
        {**LINK, "purpose": "pay"},
        {"kind": "callback", "text": said("Sobre su saldo."), "next": "bye"},
        promise("bye", "bye"),
        {**gather(k1="bye"), "text": said("Para pagar, marque 1.")},
        {"kind": "transfer", "text": said("Cobranza le atiende."), "on_no_agent": "bye"},
        {"kind": "hang_up", "code": "SY-CU", "text": said("Pague su cuota.")},
        verify("bye", "bye", questions=[
            {"factor": "document_last4", "digits": 4, "text": said("Por su deuda, marque.")},
            {"factor": "birth_date", "digits": 4, "text": said()},
        ]),
    ],
)  # fmt: skip
def test_whatever_tells_of_the_debt_needs_verification(telling: dict[str, object]) -> None:
    before = flow({"a": gather(k1="b"), "b": telling, **STOP})
    assert only(before).code == "disclosure_before_verification"
    after = flow({"a": gather(k1="v"), "v": verify("b", "bye"), "b": telling, **STOP})
    assert prove(after).ok, prove(after).findings


def test_a_link_says_which_text_it_sends() -> None:
    made = flow({"a": gather(k1="b"), "b": {**LINK, "templates": None}, **STOP})
    found = only(made)
    assert (found.code, found.part) == ("link_without_text", "nodes.b.templates")
    assert "templates: {es: NAME, en: NAME}" in found.mend_en


# --- people who call us --------------------------------------------------------------------------

CALLBACK = {"kind": "callback", "text": said(), "next": "bye"}
KNOWN = {"kind": "branch", "on": "person_known", "cases": {"yes": "c"}, "otherwise": "bye"}
NAMED = {"kind": "say", "text": said("Hola, {{first_name}}."), "next": "bye"}


@pytest.mark.parametrize(
    "concerning", [CALLBACK, LINK, {"kind": "record", "matter": "not_available", "next": "bye"}]
)
def test_nothing_is_written_down_for_a_caller_whom_nobody_knows(
    concerning: dict[str, object],
) -> None:
    found = only(flow({"a": gather(k1="c"), "c": concerning, **STOP}, inbound=True))
    assert found.code == "nobody_known"
    assert [(s.node, s.out) for s in found.path] == [("a", "choices.1"), ("c", "")]
    for way in ({"b": KNOWN}, {"b": verify("c", "c", on_unavailable="bye")}):
        made = flow({"a": gather(k1="b"), **way, "c": concerning, **STOP}, inbound=True)
        assert prove(made).ok, prove(made).findings
    wrong = {**KNOWN, "cases": {"no": "c"}}
    made = flow({"a": gather(k1="b"), "b": wrong, "c": concerning, **STOP}, inbound=True)
    assert only(made).code == "nobody_known"
    assert prove(flow({"a": gather(k1="c"), "c": concerning, **STOP})).ok, "we know whom we call"


def test_too_little_on_file_may_be_nobody_on_file() -> None:
    made = flow({"a": gather(k1="v"), "v": verify("bye", "bye", on_unavailable="c"),
                 "c": CALLBACK, **STOP}, inbound=True)  # fmt: skip
    assert only(made).code == "nobody_known"


def test_a_caller_is_told_no_name_before_verification() -> None:
    made = flow({"a": gather(k1="n"), "n": NAMED, **STOP}, inbound=True)
    assert only(made).code == "names_caller"
    assert prove(flow({"a": gather(k1="n"), "n": NAMED, **STOP})).ok, "we ask for whom we call"
    made = flow({"a": gather(k1="v"), "v": verify("n", "bye"), "n": NAMED, **STOP}, inbound=True)
    assert prove(made).ok


# --- the language --------------------------------------------------------------------------------


def test_nine_is_for_no_more_calls_at_the_question_for_the_language() -> None:
    asks = {"kind": "language", "text": said(), "choices": {"1": "es", "2": "en"}, "next": "b"}
    nodes = {"b": gather(k1="bye"), **STOP}
    assert prove(flow({"a": {**asks, "on_opt_out": "stop"}, **nodes})).ok
    found = only(flow({"a": {**asks, "on_opt_out": "bye"}, **nodes}))
    assert (found.code, found.part) == ("opt_out_key", "nodes.a.on_opt_out")


@pytest.mark.parametrize("edge", ["on_failed", "on_unavailable"])
def test_only_a_successful_verification_opens_the_way(edge: str) -> None:
    made = flow({"a": gather(k1="v"), "v": {**verify("bye", "bye"), edge: "c"}, "c": DISCLOSE,
                 **STOP})  # fmt: skip
    found = only(made)
    assert found.code == "disclosure_before_verification"
    assert found.path[-2].out == edge


def test_a_branch_on_identity_opens_the_way_for_the_verified_only() -> None:
    branch = {"kind": "branch", "on": "identity", "cases": {"verified": "c"}, "otherwise": "bye"}
    made = flow({"a": gather(k1="v", k2="b"), "v": verify("b", "b"), "b": branch, "c": DISCLOSE,
                 **STOP})  # fmt: skip
    assert prove(made).ok
    wrong = {**branch, "cases": {"not_verified": "c"}}
    made = flow({"a": gather(k1="v", k2="b"), "v": verify("b", "b"), "b": wrong, "c": DISCLOSE,
                 **STOP})  # fmt: skip
    assert not prove(made).ok


@pytest.mark.parametrize(("tries", "reached"), [(2, False), (1, True)])
def test_a_third_try_of_verification_is_none(tries: int, reached: bool) -> None:
    """After two failed tries another verify node leads to its on_failed, and nowhere else."""
    first = {**verify("bye", "w", tries=tries), "on_unavailable": "bye"}
    made = flow({"a": gather(k1="v"), "v": first, "w": verify("x", "bye"), "x": DISCLOSE, **STOP})
    proof = prove(made)
    assert proof.ok
    assert ("x" not in {f.node for f in proof.findings}) is reached


def test_an_endless_loop_is_shown() -> None:
    made = flow({"a": {**gather(k1="b"), "on_invalid": "b"},
                 "b": {"kind": "say", "text": said(), "next": "a"}, **STOP})  # fmt: skip
    found = only(made)
    assert found.code == "endless_loop"
    assert [s.node for s in found.path] in (["a", "b", "a"], ["b", "a", "b"])


def test_a_loop_through_repeat_is_bounded() -> None:
    repeat = {"kind": "repeat", "max": 2, "again": "a", "done": "bye"}
    made = flow({"a": {**gather(k1="r"), "on_invalid": "r"}, "r": repeat, **STOP})
    assert prove(made).ok
    both = {**repeat, "done": "a"}
    made = flow({"a": gather(k1="r"), "r": both, **STOP})
    assert only(made).code == "endless_loop"


def test_a_loop_that_can_never_be_taken_twice_is_no_loop() -> None:
    """Back over a branch on identity: once verified, never again unverified."""
    made = flow(
        {
            "a": gather(k1="b"),
            "b": {"kind": "branch", "on": "identity", "cases": {"verified": "bye"},
                  "otherwise": "v"},
            "v": verify("b", "bye"),
            **STOP,
        }
    )  # fmt: skip
    assert prove(made).ok


def test_every_menu_offers_nine_and_nine_stops_the_calls() -> None:
    without = gather(k1="bye")
    del without["choices"]
    nodes = {"a": {**without, "choices": {"1": "bye"}}, **STOP}
    assert [f.code for f in prove(flow(nodes)).findings if f.severity == "error"] == ["opt_out_key"]
    other = {"a": {**without, "choices": {"9": "bye"}}, **STOP}
    assert "opt_out_key" in {f.code for f in prove(flow(other)).findings}
    gone = {"a": gather(k1="v"), "v": verify("p", "bye"), "p": promise("bye", "bye", "bye"), **STOP}
    (found,) = prove(flow(gone)).findings
    assert (found.code, found.place) == ("opt_out_key", "nodes.p.on_opt_out")
    assert "no_menu" in {f.code for f in prove(flow({"a": end()})).findings}


@pytest.mark.parametrize(
    ("code", "where", "good"),
    [
        ("CD-PP", "before", False),
        ("CD-CO", "before", False),
        ("CD-CO", "after", True),
        ("CI-TN", "before", True),
        ("CI-TN", "after", False),
        ("CD-NV", "after", False),
        ("SY-CU", "before", True),
        ("DG-OO", "after", True),
    ],
)
def test_a_code_fits_who_was_reached(code: str, where: str, good: bool) -> None:
    nodes = {"a": gather(k1="x" if where == "before" else "v"), "x": end(code),
             "v": verify("x", "bye"), **STOP}  # fmt: skip
    proof = prove(flow(nodes))
    assert proof.ok is good
    if not good:
        (found,) = [f for f in proof.findings if f.severity == "error"]
        assert found.code == f"code_{where}"
        assert found.path[-1].node == "x"


def test_the_code_of_a_person_who_hangs_up_fits_too() -> None:
    made = flow({"a": gather(k1="bye"), **STOP}, person_hangs_up={"unverified": "CD-CO"})
    assert only(made).code == "code_before"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("LLAME AHORA MISMO", "capitals", "nodes.a.text.es:1:1"),
        ("Última oportunidad.", "threat", "nodes.a.text.es:1:1"),
        ("{{nobody}}", "unknown_field", "nodes.a.text.es:1:1"),
        ("Hola {% if %}", "bad_braces", "nodes.a.text.es:1:6"),
    ],
)
def test_every_text_is_linted(text: str, code: str, place: str) -> None:
    made = flow({"a": {**gather(k1="bye"), "text": {"es": text, "en": "Hello."}}, **STOP})
    found = [(f.code, f.place) for f in prove(made).findings]
    assert (code, place) in found


def test_a_verified_text_may_tell_the_debt_and_not_threaten() -> None:
    threat = {"kind": "disclose", "text": said("Pague o embargaremos."), "next": "bye"}
    made = flow({"a": gather(k1="v"), "v": verify("b", "bye"), "b": threat, **STOP})
    assert {f.code for f in prove(made).findings} == {"court_look"}


def test_a_machine_gets_a_limited_content_message_or_nothing() -> None:
    nodes = {"a": gather(k1="bye"), **STOP}
    bad = flow(nodes, machine={"text": said("Llámenos por su cuenta.")})
    assert {"limited_other", "limited_missing"} <= {f.code for f in prove(bad).findings}
    assert prove(flow(nodes)).ok


def test_a_node_that_nobody_reaches_is_a_warning() -> None:
    proof = prove(flow({"a": gather(k1="bye"), "z": end(), **STOP}))
    assert proof.ok
    assert [(f.code, f.node) for f in proof.findings] == [("unreached", "z")]


def test_a_flow_with_too_many_states_is_refused() -> None:
    """Seventeen loops, each of which may have been taken up to three times."""
    nodes: dict[str, dict[str, object]] = {"a": gather(k1="r0", k2="r1", k3="r2", k4="r3", k5="r4",
        k6="r5", k7="r6", k8="r7", k0="r8"), **STOP}  # fmt: skip
    for number in range(9):
        nodes[f"r{number}"] = {"kind": "repeat", "max": 3, "again": "a", "done": "bye"}
    proof = prove(flow(nodes))
    assert not proof.ok
    assert "too_large" in {f.code for f in proof.findings}


def test_words_are_in_both_languages() -> None:
    for code, words in WORDS.items():
        assert words.es != words.en, code
    assert step_words("gather", "choices.1") == ("pregunta; se marca 1", "asks; 1 is pressed")
    assert step_words("branch", "cases.yes") == ("se bifurca; yes", "branches; yes")
