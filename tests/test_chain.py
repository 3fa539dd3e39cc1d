"""The calculus: links that fit, runs that leave a tape, sensitivities that add up, and errors that help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from topopt.chain import Chain, Link, Stage
from topopt.errors import ChainError, NumericalError, ParameterError
from topopt.parameters import NonNegative
from topopt.stages import Simp, Tanh


@dataclass(frozen=True)
class Scale(Stage):
    """Multiply by a factor."""

    factor: NonNegative = 2.0
    note: str = "not a parameter"

    def vjp(self, *inputs):
        return self.factor * inputs[0], lambda v: (self.factor * v,)


@dataclass(frozen=True)
class Add(Stage):
    """Add any number of inputs."""

    def vjp(self, *inputs):
        return np.sum(inputs, axis=0), lambda v: tuple(v.copy() for _ in inputs)


@dataclass(frozen=True)
class Square(Stage):
    """Square."""

    def vjp(self, *inputs):
        return inputs[0] ** 2, lambda v: (2 * inputs[0] * v,)


@dataclass(frozen=True)
class Total(Stage):
    """Sum of all entries, a scalar."""

    def vjp(self, *inputs):
        return np.asarray(inputs[0].sum()), lambda v: (np.full(inputs[0].shape, float(v)),)


@dataclass(frozen=True)
class Broken(Stage):
    """Divide by nothing."""

    def vjp(self, *inputs):
        return np.where(inputs[0] > 0, np.nan, np.inf), lambda v: (v,)


@dataclass(frozen=True)
class Same(Stage):
    """The identity, without a copy."""

    def vjp(self, *inputs):
        return inputs[0], lambda v: (v,)


@dataclass(frozen=True)
class Ratio(Stage):
    """What is above over what is below."""

    takes: ClassVar[tuple[str, ...]] = ("upper", "lower")

    def vjp(self, *inputs):
        upper, lower = inputs
        return upper / lower, lambda v: (v / lower, -v * upper / lower**2)


@dataclass(frozen=True)
class Below(Stage):
    """What stands below."""

    gives: ClassVar[str] = "lower"

    def vjp(self, *inputs):
        return inputs[0] + 1.0, lambda v: (v,)


FORK = Chain(
    [
        ("a", Scale(2.0)),
        ("b", Square()),
        ("c", Scale(3.0), "a"),
        ("both", Add(), ("b", "c", "a")),
        Link("f", Total()),
        ("g", Total(), "c"),
    ],
    source="x",
)


def test_a_link_reads_the_one_before_unless_told_otherwise():
    assert [link.reads for link in FORK] == [("x",), ("a",), ("a",), ("b", "c", "a"), ("both",), ("c",)]
    assert FORK.names == ("x", "a", "b", "c", "both", "f", "g")
    assert FORK["c"].stage == Scale(3.0)
    assert hash(FORK) == hash(Chain(FORK.links, "x"))


def test_values_and_sensitivities_of_a_fork():
    x = np.array([1.0, -2.0, 0.5])
    tape = FORK.run(x)
    np.testing.assert_allclose(tape["both"], 4 * x**2 + 6 * x + 2 * x)
    pulled = tape.sensitivities("f")
    assert list(pulled) == ["x", "a", "b", "c", "both", "f"]
    np.testing.assert_allclose(pulled["x"], 8 * x + 8)
    np.testing.assert_allclose(pulled["a"], 4 * x + 4)
    np.testing.assert_allclose(pulled["c"], 1.0)
    assert pulled["f"] == 1.0
    assert list(tape.sensitivities("g")) == ["x", "a", "c", "g"]
    np.testing.assert_allclose(tape.sensitivities("g")["x"], 6.0)


def test_the_same_input_read_twice_counts_twice():
    tape = Chain([("s", Add(), ("design", "design")), ("f", Total())]).run(np.ones(2))
    assert tape.sensitivities("f")["design"].tolist() == [2.0, 2.0]


def test_pull_adds_seeds_at_several_names():
    x = np.array([1.0, 3.0])
    tape = FORK.run(x)
    seeds = {"b": np.ones(2), "c": np.full(2, 0.5), "x": np.full(2, 10.0)}
    pulled = tape.pull(seeds)
    np.testing.assert_allclose(pulled["a"], 2 * 2 * x + 1.5)
    np.testing.assert_allclose(pulled["x"], 2 * (4 * x + 1.5) + 10)
    assert seeds["x"].tolist() == [10.0, 10.0]
    assert "both" not in pulled


def test_a_stage_can_be_used_twice():
    twice = Scale(3.0)
    tape = Chain([("a", twice), ("b", twice), ("f", Total())]).run(np.ones(2))
    assert tape["f"] == 18.0
    assert tape.sensitivities("f")["design"].tolist() == [9.0, 9.0]


def test_bypass_replaces_a_link_by_the_identity():
    x = np.array([1.0, -2.0])
    chain = Chain(
        [("a", Scale(2.0)), ("p", Square()), ("q", Square()), ("f", Total()), ("g", Add(), ("p", "a"))]
    )
    tape = chain.run(x)
    plain = tape.sensitivities("f")
    np.testing.assert_allclose(tape.bypassing(["p"], plain)["design"], 2 * 2 * tape["p"])
    np.testing.assert_allclose(tape.bypassing(["q"], plain)["design"], 2 * 2 * tape["a"])
    np.testing.assert_allclose(tape.bypassing(["p", "q"], plain)["design"], 2.0)
    assert tape.bypassing([], plain).keys() == plain.keys()
    np.testing.assert_array_equal(tape.bypassing(["p"], plain)["q"], plain["q"])
    np.testing.assert_allclose(plain["design"], 2 * 2 * tape["a"] * 2 * tape["p"])


def test_bypass_keeps_the_other_ways_to_the_source():
    chain = Chain([("a", Scale(2.0)), ("p", Square()), ("s", Add(), ("p", "a", "design")), ("f", Total())])
    tape = chain.run(np.array([1.0, -2.0]))
    plain = tape.sensitivities("f")
    assert tape.bypassing(["p"], plain)["design"].tolist() == [5.0, 5.0]
    np.testing.assert_allclose(plain["design"], 2 * (2 * tape["a"] + 1) + 1)


@pytest.mark.parametrize("names", [["p"], ["q"], ["p", "q"], []])
def test_a_narrowed_tape_bypasses_the_same_and_holds_no_more_than_that_takes(names):
    chain = Chain(
        [("a", Scale(2.0)), ("p", Square()), ("q", Square()), ("s", Add(), ("q", "a")), ("f", Total())]
    )
    tape = chain.run(np.array([1.0, -2.0]))
    plain = tape.sensitivities("f")
    narrow = tape.narrowed(names)
    assert "f" not in narrow.pullbacks
    assert set(names) <= narrow.pullbacks.keys()
    assert narrow.values is tape.values
    for some in (names, names[:1]):
        for name, wanted in tape.bypassing(some, plain).items():
            np.testing.assert_array_equal(narrow.bypassing(some, plain)[name], wanted)


def test_ancestors_and_the_smallest_chain():
    assert FORK.ancestors("g") == {"x", "a", "c", "g"}
    assert FORK.ancestors("x") == {"x"}
    assert FORK.upto("g").names == ("x", "a", "c", "g")
    assert FORK.upto("g", "b").names == ("x", "a", "b", "c", "g")
    assert FORK.upto("f").names == ("x", "a", "b", "c", "both", "f")
    assert FORK.upto("g").run(np.ones(2))["g"] == FORK.run(np.ones(2))["g"]
    with pytest.raises(ChainError, match="no link 'gg': did you mean 'g'"):
        FORK.upto("gg")


def test_what_comes_after_a_name_is_a_chain_of_its_own():
    after = FORK.upto("f").after("a")
    assert (after.source, after.names) == ("a", ("a", "b", "c", "both", "f"))
    tape = FORK.run(np.array([1.0, -2.0, 0.5]))
    assert after.run(tape["a"])["f"] == tape["f"]
    np.testing.assert_array_equal(after.run(tape["a"]).sensitivities("f")["a"], tape.sensitivities("f")["a"])
    assert FORK.upto("g").after("c").names == ("c", "g")
    assert FORK.after("x") == FORK
    assert FORK.after("both").parameters() == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c", r"link 'both' also reads 'a', which does not come from 'c': this part of the chain cannot be"),
        ("f", r"no link reads 'f': nothing of the chain comes after it"),
        ("bot", r"no 'bot' in the chain: did you mean 'both'\?"),
    ],
)
def test_what_does_not_follow_from_a_name_alone_is_refused(name, text):
    with pytest.raises(ChainError, match=text):
        FORK.after(name)


def test_the_tape_is_read_only_and_the_source_is_copied():
    x = np.ones(3)
    tape = Chain([("a", Scale()), ("b", Same())], source="x").run(x)
    for name in ("x", "a", "b"):
        with pytest.raises(ValueError, match="read-only"):
            tape[name][0] = 5.0
    x[0] = 7.0
    assert tape["x"][0] == 1.0
    assert x.flags.writeable


def test_source_may_be_anything_like_an_array():
    assert Chain([("f", Total())]).run([1, 2, 3])["f"] == 6.0
    assert (
        Chain([("f", Total())]).run(np.array([1, 2], dtype=np.float32)).values["design"].dtype == np.float64
    )


def test_parameters_by_dotted_name():
    assert FORK.parameters() == {"a.factor": 2.0, "c.factor": 3.0}
    moved = FORK.at({"a.factor": 5.0, "c.factor": 1.0})
    assert moved.parameters() == {"a.factor": 5.0, "c.factor": 1.0}
    assert FORK.parameters()["a.factor"] == 2.0
    assert FORK.at({}) is FORK
    assert moved.at(FORK.parameters()) == FORK
    assert moved["both"].stage is FORK["both"].stage
    assert moved["both"].reads == ("b", "c", "a")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.facto", r"'a\.facto' is not a parameter: did you mean 'a\.factor'\?"),
        ("aa.factor", r"'aa\.factor' is not a parameter of the chain: did you mean 'a\.factor'\?"),
        ("a", r"'a' is not a parameter of the chain"),
        ("x.factor", r"'x\.factor' is not a parameter of the chain"),
        ("a.note", r"'a\.note' is not a parameter"),
        ("zzz", r"'zzz' is not a parameter of the chain: valid names: a\.factor, c\.factor"),
    ],
)
def test_unknown_parameters_come_back_with_a_suggestion(name, text):
    with pytest.raises(ParameterError, match=text):
        FORK.at({name: 1.0})


def test_a_value_out_of_bounds_is_refused():
    with pytest.raises(ParameterError, match=r"Scale\.factor: expected a value >= 0, got -1"):
        FORK.at({"a.factor": -1.0})


@pytest.mark.parametrize(
    ("links", "text"),
    [
        ([("a", 3)], r"link 'a': expected a Stage, got 3; subclass topopt\.Stage"),
        ([("a", Scale)], r"link 'a': expected a Stage, got <class .*Scale'>"),
        ([("a", Scale()), ("a", Scale())], r"link 'a': the name is taken; every link needs its own"),
        ([("design", Scale())], r"link 'design': the name is taken"),
        ([("a.b", Scale())], r"link 'a\.b': a name is non-empty and has no dot"),
        ([("", Scale())], r"link '': a name is non-empty and has no dot"),
        (
            [("fizzical", Scale()), ("f", Total(), "fisical")],
            r"link 'f' reads 'fisical', which no earlier link gives: did you mean 'fizzical'\?",
        ),
        (
            [("f", Total(), "later"), ("later", Scale())],
            r"link 'f' reads 'later', which no earlier link gives",
        ),
    ],
)
def test_links_that_do_not_fit(links, text):
    with pytest.raises(ChainError, match=text):
        Chain(links)


def test_asking_for_what_is_not_there():
    tape = FORK.run(np.ones(2))
    with pytest.raises(ChainError, match=r"no link 'bot': did you mean 'both'\?"):
        FORK["bot"]
    with pytest.raises(ChainError, match=r"no 'bot' on the tape: did you mean 'both'\?"):
        tape["bot"]
    with pytest.raises(ChainError, match=r"'both' has shape \(2,\); only a scalar has sensitivities"):
        tape.sensitivities("both")
    with pytest.raises(ChainError, match="no 'nope' on the tape"):
        tape.pull({"nope": np.ones(2)})


def test_numbers_that_are_none():
    with pytest.raises(
        NumericalError, match=r"'x' was handed in with 1 of 3 entries that are nan or infinite"
    ):
        FORK.run(np.array([1.0, np.nan, 2.0]))
    with pytest.raises(NumericalError, match=r"'x' was handed in with 2 of 2 entries"):
        FORK.run(np.array([np.inf, -np.inf]))
    with pytest.raises(
        NumericalError, match=r"'bad' \(Broken\) gave 2 of 2 entries that are nan or infinite"
    ):
        Chain([("bad", Broken())]).run(np.array([1.0, -1.0]))


def test_a_sum_that_overflows_is_no_mistake():
    # finite entries whose sum is not finite
    assert Chain([("a", Same())]).run(np.full(4, 1e308))["a"][0] == 1e308


def test_an_error_inside_a_stage_names_the_link():
    @dataclass(frozen=True)
    class Failing(Stage):
        def vjp(self, *inputs):
            raise KeyError("lost")

    with pytest.raises(KeyError, match="lost") as caught:
        Chain([("gone", Failing())]).run(np.ones(2))
    assert caught.value.__notes__ == ["while running link 'gone' (Failing)"]


def test_outputs_are_those_of_a_run():
    chain = Chain([("physical", Tanh(8.0)), ("stiffness", Simp())])
    design = np.linspace(0.0, 1.0, 9)
    design.flags.writeable = False
    found, tape = chain.outputs(design, "physical", "stiffness"), chain.run(design)
    assert list(found) == ["physical", "stiffness"]
    for name, value in found.items():
        np.testing.assert_array_equal(value, tape[name])
        assert not value.flags.writeable


def test_outputs_keep_no_array_that_somebody_may_change():
    chain, design = Chain([("same", Same())]), np.array([0.5, 0.25])
    found = chain.outputs(design, "same")["same"]
    design[0] = 1.0
    assert found.tolist() == [0.5, 0.25]
    assert not found.flags.writeable


def test_outputs_that_are_none_name_the_link_they_come_from():
    chain = Chain([("physical", Tanh(8.0)), ("bad", Broken()), ("stiffness", Simp())])
    with pytest.raises(
        NumericalError, match=r"'bad' \(Broken\) gave 2 of 2 entries that are nan or infinite"
    ):
        chain.outputs(np.array([0.5, 0.25]), "stiffness")


def test_a_source_that_is_not_finite_is_refused_by_name():
    chain = Chain([("physical", Tanh(8.0)), ("stiffness", Simp())])
    with pytest.raises(NumericalError, match="'design' was handed in with 1 of 2 entries that are nan"):
        chain.outputs(np.array([0.5, np.nan]), "stiffness")


def test_a_pullback_with_the_wrong_number_of_parts_is_refused():
    @dataclass(frozen=True)
    class Short(Stage):
        def vjp(self, *inputs):
            return inputs[0] + inputs[1], lambda v: (v,)

    tape = Chain([("a", Scale()), ("s", Short(), ("design", "a")), ("f", Total())]).run(np.ones(2))
    with pytest.raises(
        ChainError, match=r"link 's': the pullback of Short must return a tuple of one cotangent"
    ):
        tape.sensitivities("f")


def test_the_defaults_of_a_stage():
    stage = Scale(4.0)
    assert (stage.sharp, stage.costly, stage.linear, stage.heuristic) == (False,) * 4
    assert stage.derivative("factor", np.ones(2)) is None
    assert stage.edge_slope() is None
    assert stage(np.ones(2)).tolist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("links", "text"),
    [
        ([], "chain: no links; give at least one"),
        ([("a",)], r"chain: expected links as \(name, stage\) or \(name, stage, reads\), got \('a',\)"),
        ([(1, Scale())], "chain: a link's name is text, got 1"),
    ],
)
def test_what_is_no_chain_is_refused(links, text):
    with pytest.raises(ChainError, match=text):
        Chain(links)


def test_a_wrong_order_is_refused_by_kind_and_by_name() -> None:
    for links in (
        [("a", Below()), ("b", Ratio(), ("a", "design"))],
        [("lower", Scale()), ("b", Ratio(), ("lower", "design"))],
    ):
        name = links[0][0]
        with pytest.raises(ChainError, match="order") as refusal:
            Chain(links)
        assert str(refusal.value) == (
            f"link 'b': Ratio takes upper, then lower: the order is wrong; read design, {name}"
        )
        Chain([links[0], ("b", Ratio(), ("design", name))])
    Chain([("a", Below()), ("lower", Scale()), ("b", Ratio(), ("lower", "a"))])  # the kind says more
