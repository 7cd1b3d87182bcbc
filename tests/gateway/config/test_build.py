# ruff: noqa: E501  (a row of a table, with the whole sentence, stands on one line)
import enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, field

from gateway.config.build import BAD, build
from gateway.config.found import Found
from gateway.config.load import loads
from gateway.config.quantity import Duration
from gateway.config.spec import Name, SecretRef, Spec
from gateway.config.words import in_flow


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Spec, frozen=True, kw_only=True):
    at: Annotated[str, Meta(description="where it is", examples=["holding 16"])]
    depth: int = 0


class Every(Spec, frozen=True, kw_only=True):
    text: str = ""
    whole: Annotated[int, Meta(ge=1, le=10)] = 1
    number: Annotated[float, Meta(gt=0)] = 1.0
    flag: bool = False
    choice: Literal["change", "always"] = "change"
    digit: Literal[1, 2] = 1
    colour: Colour = Colour.RED
    time: Duration = Duration(1)
    maybe: Annotated[float, Meta(le=5)] | None = None
    later: Duration | None = None
    inner: Inner | None = None
    several: Annotated[list[Inner], Meta(min_length=1)] = field(default_factory=list)
    pair: tuple[int, ...] = ()
    names: dict[Name, float] = field(default_factory=dict)
    states: dict[int, str] | None = None
    either: int | list[int] = 0
    secret: SecretRef | None = None
    title: Annotated[Name, Meta(description="nested Annotated keeps the limits of a Name")] = "x"
    raw: Any = None

    def problems(self):
        if self.whole == 7:
            yield "whole", "must not be seven"
        if self.whole == 8:
            yield "absent", "absent is missing with eight"


def made(text):
    found = Found()
    loaded = loads(text.encode(), "x")
    found.sources["x"] = loaded.source
    value = build(Every, loaded.root, found)
    return value, [(p.line, p.column, p.message) for p in found.problems]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("text: no", "text", "no"), ("whole: 0x0A", "whole", 10), ("number: 2", "number", 2.0), ("flag: true", "flag", True),
        ("choice: always", "choice", "always"), ("digit: 2", "digit", 2), ("colour: blue", "colour", Colour.BLUE),
        ("time: 5 ms", "time", 0.005), ("maybe: 5", "maybe", 5.0), ("maybe: null", "maybe", None), ("later: 2min", "later", 120.0),
        ("inner: {at: x}", "inner", Inner(at="x")), ("several: [{at: x, depth: 2}]", "several", [Inner(at="x", depth=2)]),
        ("pair: [1, 2]", "pair", (1, 2)), ("names: {a: 1}", "names", {"a": 1.0}), ("names:", "names", {}),
        ("states: {0: off, 1: on}", "states", {0: "off", 1: "on"}), ("either: 4", "either", 4), ("either: [4]", "either", [4]),
        ("secret: {secret: mqtt}", "secret", SecretRef(secret="mqtt")), ("text: 'no'", "text", "no"),
    ],
)  # fmt: skip
def test_a_value_becomes_what_its_type_says(text, name, value):
    built, problems = made(text)
    assert problems == []
    assert getattr(built, name) == value
    assert type(getattr(built, name)) is type(value) or isinstance(getattr(built, name), Duration)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("text: 7", 7, "expected text, found the number 7; put it in quotes: \"7\""),
        ("text: true", 7, "expected text, found true; put it in quotes: \"true\""),
        ("text: {a: 1}", 7, "expected text, found a mapping"),
        ("text:", 6, "expected text, found nothing; write a value here, or leave the key out"),
        ("whole: null", 8, "expected a whole number, found nothing; write a value here, or leave the key out"),
        ("pair: '*'", 7, 'expected a list, found text \'*\'; did you mean ["*"]?'),
        ("pair: 'a, b'", 7, 'expected a list, found text \'a, b\'; did you mean ["a, b"]?'),
        ("pair: mqtts://hub", 7, "expected a list, found text 'mqtts://hub'; did you mean [mqtts://hub]?"),
        ("inner: '@x'", 8, 'expected a mapping, found text \'@x\'; did you mean {at: "@x"}?'),
        ("text: # 5", 6, "expected text, found nothing; what follows ' #' is a comment, so put the value in quotes"),
        ("whole: x", 8, "expected a whole number, found text 'x'"),
        ("whole: 1.5", 8, "expected a whole number, found the number 1.5"),
        ("whole: true", 8, "expected a whole number, found true"),
        ("whole: 11", 8, "11 is out of range: 1 to 10"),
        ("whole: 7", 8, "'whole' must not be seven"),
        ("number: 0", 9, "0 is out of range: more than 0"),
        ("number: 0.5 bar", 9, "expected a number, found text '0.5 bar'; did you mean 0.5?"),
        ("number: '0,5'", 9, "expected a number, found text '0,5'; did you mean 0.5?"),
        ("number: .inf", 9, "expected a finite number, found the number .inf"),
        ("number: .nan", 9, "expected a finite number, found the number .nan"),
        ("flag: yes", 7, "expected true or false, found text 'yes'; did you mean true?"),
        ("flag: off", 7, "expected true or false, found text 'off'; did you mean false?"),
        ("flag: 1", 7, "expected true or false, found the number 1; did you mean true?"),
        ("choice: alway", 9, "'alway' is not one of change, always; did you mean 'always'?"),
        ("choice: Always", 9, "'Always' is not one of change, always; did you mean 'always'?"),
        ("choice: 5", 9, "'5' is not one of change, always"),
        ("digit: '2'", 8, "expected a number, found text '2'; write 2"),
        ("colour: rde", 9, "'rde' is not one of red, blue; did you mean 'red'?"),
        ("time: 5", 7, "'5' has no unit; did you mean '5s'?"),
        ("time: 5 sec", 7, "unknown unit 'sec' in '5 sec'; did you mean '5s'?"),
        ("time: [1s]", 7, "expected a single value, found a list"),
        ("time: -5s", 7, "'-5s' is negative; write it without the sign"),
        ("time: 1e400s", 7, "'1e400s' is too large"),
        ("maybe: 6", 8, "6 is out of range: at most 5"),
        ("later:", 7, "no value stands here; leave the key out, or give it one"),
        ("inner: x", 8, "expected a mapping, found text 'x'; did you mean {at: x}?"),
        ("inner: {}", 1, "missing key 'at': where it is, for example holding 16"),
        ("inner: {at: x, deep: 1}", 16, "unknown key 'deep', did you mean 'depth'?"),
        ("inner: {address: x}", 9, "unknown key 'address', did you mean 'at'?"),
        ("several: []", 10, "the list is empty; it needs an entry"),
        ("several: {at: x}", 10, "expected a list, found a mapping; begin each entry with '- '"),
        ("pair: 5", 7, "expected a list, found the number 5; did you mean [5]?"),
        ("names: {'a b': 1}", 9, "a space cannot stand in a name; use letters, digits, '-', '_' and '.'; did you mean 'a-b'?"),
        ("names: [1]", 8, "expected a mapping, found a list; write 'name: value' pairs"),
        ("states: {a: b}", 10, "expected a whole number, found text 'a'"),
        ("either: [4, x]", 13, "expected a whole number, found text 'x'"),
        ("zzz: 1", 1, "unknown key 'zzz'; known: text, whole, number, flag, choice, digit, colour, time, maybe, later, inner, several, pair, names, states, either, … 3 more"),
        ("title: a/b", 8, "'/' cannot stand in a name; use letters, digits, '-', '_' and '.'; did you mean 'a-b'?"),
        ("title: ''", 8, "the text is empty"),
        ("secret: hunter2", 9, "secrets never stand in YAML: write {secret: NAME} and put the value into the file secrets/NAME (chmod 600)"),
        ("password: hunter2", 1, "'password': secrets never stand in YAML: write secret: NAME and put the value into the file secrets/NAME (chmod 600)"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(text, column, message):
    built, problems = made(text)
    assert built is BAD
    assert problems == [(1, column, message)]


def test_a_decimal_comma_in_a_flow_mapping_is_recognised():
    assert made("{number: 1,5, whole: 2}")[1] == [(1, 12, "a comma separates keys here; did you mean 1.5, with a decimal point?")]


def test_a_problem_of_an_absent_key_stands_at_the_mapping():
    assert made("whole: 8")[1] == [(1, 1, "absent is missing with eight")]


def test_all_mistakes_are_found_at_once():
    assert len(made("{text: 1, whole: x, number: y, inner: {at: 1, depth: z}, several: [{}, {at: [1]}]}")[1]) == 7


def test_an_error_in_a_constructor_is_a_problem():
    class Picky(Spec, frozen=True, kw_only=True):
        a: int

        def __post_init__(self):
            raise ValueError("not today")

    found = Found()
    assert build(Picky, loads(b"a: 1", "x").root, found) is BAD
    assert found.problems[0].message == "not today"


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=("Cc", "Cs")), min_size=1, max_size=12))
def test_a_text_suggested_in_brackets_means_the_same_there(text):
    (item,) = loads(f"[{in_flow(text)}]".encode(), "x").root.items
    assert item.text == text
