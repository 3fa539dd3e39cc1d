"""YAML 1.2, its lines, and what is no YAML."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.errors import ProblemFileError
from topopt.files.located import Mistake, located, scalar, shown
from topopt.files.resolved import written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-9", 1e-9),
        ("1.5E3", 1500.0),
        ("-3", -3),
        ("0o17", 15),
        ("0x1F", 31),
        ("off", "off"),
        ("yes", "yes"),
        ("2:30", "2:30"),
        ("010", 10),
        ("2001-12-14", "2001-12-14"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("[1, 2.5, x]", [1, 2.5, "x"]),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read = scalar(text, "here")
    assert read == value
    assert type(read) is type(value)


def test_nan_is_read_as_nan() -> None:
    assert math.isnan(scalar(".nan", "here"))


def test_lines_of_keys_items_and_values() -> None:
    read = located("a: 1\n\nb:\n  - x\n  - {name: y,\n     z: 3}\nc:\n  d:\n    5\n", "f")
    assert read.lines == {
        (): 1, ("a",): 1, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "name"): 5, ("b", 1, "z"): 6,
        ("c",): 7, ("c", "d"): 9,
    }  # fmt: skip


def test_a_path_that_is_not_there_lies_where_its_parent_lies() -> None:
    assert located("a: 1\nb:\n  c: {}\n", "f.yaml").where(("b", "c", "d", 4)) == "f.yaml:3"


def test_items_with_names_are_called_by_them() -> None:
    read = located("chain:\n  - {name: physical, beta: 1}\n  - {beta: 2}\n'a.b': {'x y': 1}\n", "f")
    assert read.named(("chain", 0, "beta")) == "chain.physical.beta"
    assert read.named(("chain", 1, "beta")) == "chain.1.beta"
    assert read.named(("a.b", "x y")) == '"a.b"."x y"'


def test_mistakes_come_in_the_order_of_the_file_and_once() -> None:
    read = located("a: 1\nb: 2\nc: 3\n", "f")
    refusal = read.refusal([Mistake(("c",), "x"), Mistake(("a",), "y"), Mistake(("c",), "x")])
    assert refusal.mistakes == ("f:1: a: y", "f:3: c: x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["f:3: a: given twice, first on line 1"]),
        ("a:\n  b: 1\n  b: 2\nc: {d: 1, d: 2}", [
            "f:3: a.b: given twice, first on line 2", "f:4: c.d: given twice, first on line 4"]),
        ("", ["f:1: the file is empty; `topopt new` writes one to start from"]),
        ("# only this\n", ["f:1: the file is empty; `topopt new` writes one to start from"]),
        ("- a\n", ["f:1: expected 'key: value' lines at the top, got a list"]),
        ("hello", ["f:1: expected 'key: value' lines at the top, got the text 'hello'"]),
        ("a: 1\n\tb: 2", [
            "f:2: not YAML: found character '\\t' that cannot start any token, "
            "while scanning for the next token; indent with spaces"]),
        ("a: [1, 2\nb: 3", ["f:2: not YAML: expected ',' or ']', but got ':', while parsing a flow "
         "sequence"]),
        ("a: b: c", ["f:1: not YAML: mapping values are not allowed here"]),
        ("a: *b", ["f:1: not YAML: found undefined alias 'b'"]),
        ("a: 1\n---\nb: 2", ["f:2: not YAML: but found another document, expected a single document in the "
         "stream"]),
        ("a: !wing 3", ["f:1: the tag '!wing' is not known here"]),
        ("[1, 2]: 3", ["f:1: expected text as a key, got a list"]),
        ("%YAML 1.1\n---\na: off", ["f:1: problem files are YAML 1.2; remove the %YAML line"]),
        ("a: 1\nb: \x01", ["f:2: not YAML: unacceptable character #x0001: special characters are not "
         "allowed"]),
    ],
)  # fmt: skip
def test_what_is_no_problem_file_is_refused(text: str, expected: list[str]) -> None:
    with pytest.raises(ProblemFileError, match="f:") as refusal:
        located(text, "f")
    assert list(refusal.value.mistakes) == expected


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    with pytest.raises(ProblemFileError, match="more than 100000 values"):
        located("\n".join(lines), "f")


def test_an_alias_of_itself_is_refused() -> None:
    with pytest.raises(ProblemFileError, match="more than 100000 values or 40 levels"):
        located("a: &a [*a]", "f")


@pytest.mark.parametrize("depth", [60, 3000])
def test_what_lies_too_deep_is_refused(depth: int) -> None:
    with pytest.raises(ProblemFileError, match=r"f:2: more than 100000 values or 40 levels"):
        located("a: 1\nb: " + "[" * depth + "]" * depth, "f")


TEXTS = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["Cc", "Cs", "Zl", "Zp"],
        exclude_characters="\ufeff\ufffe\uffff",
    )
)
KEYS = st.text("abc.- 1:#", min_size=1)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_written_is_read_again(value: object) -> None:
    assert located(written({"value": value}), "f").data == {"value": value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        ({"a": [True, None]}, "{a: [true, nothing]}"),
        ("x" * 99, "'" + "x" * 56 + "..."),
    ],
)
def test_values_are_shown_as_a_file_writes_them(value: object, text: str) -> None:
    assert shown(value) == text
