import math

import pytest
import yaml

from gateway.config import load as module
from gateway.config.load import load, loads
from gateway.config.node import Mapping, Scalar, Sequence


def plain(node):
    if isinstance(node, Mapping):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    return [plain(item) for item in node.items] if isinstance(node, Sequence) else node.value


def values(text):
    loaded = loads(text.encode(), "x.yaml")
    assert loaded.problems == []
    return plain(loaded.root)


def only(text):
    (problem,) = loads(text if isinstance(text, bytes) else text.encode(), "x.yaml").problems
    return problem.line, problem.column, problem.message


@pytest.fixture(params=["C", "Python"], autouse=True)
def parser(request, monkeypatch):
    if request.param == "Python":
        monkeypatch.setattr(module, "_Loader", yaml.SafeLoader)
    return request.param


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("Off", "Off"), ("yes", "yes"), ("y", "y"), ("true", True), ("False", False), ("TRUE", True),
        ("010", 10), ("0o17", "0o17"), ("0x10", 16), ("-5", -5), ("+7", 7), ("12:30", "12:30"), ("1_000", "1_000"), ("0b1", "0b1"),
        ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("-.inf", -math.inf), ("1.2.3", "1.2.3"), ("2024-01-01", "2024-01-01"),
        ("~", None), ("null", None), ("", None), ("'7'", "7"), ('"true"', "true"), ("!!str 7", "7"), ("!!float 7", 7.0), ("=", "="),
        ("9" * 60, int("9" * 60)), ("9" * 500, "9" * 500),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    read = values(f"a: {text}")["a"]
    assert read == value
    assert type(read) is type(value)


def test_every_key_and_value_keeps_its_place():
    loaded = loads("a:\n  - b: °C\n    cé: {d: 1}\n".encode(), "x.yaml")
    entry = loaded.root.entries["a"].value.items[0].entries["cé"]
    assert (entry.key.line, entry.key.column) == (3, 5)
    inner = entry.value.entries["d"].value
    assert (inner.file, inner.line, inner.column) == ("x.yaml", 3, 13)


def test_a_duplicate_key_names_the_first_line():
    assert only("a: 1\nb: 2\na: 3") == (3, 1, "duplicate key 'a' (first at line 1); keep one")


def test_anchors_are_values_and_merge_keys_yield_to_what_stands_beside():
    assert values("a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, c: 3}\nf: {<<: [*x, {b: 9, g: 4}]}") == {
        "a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 2}, "e": {"b": 1, "c": 3}, "f": {"b": 1, "c": 2, "g": 4},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("a: !secret mqtt", 1, 4, "unknown tag '!secret'; write {secret: mqtt}"),
        ("a: !!python/object:os.system x", 1, 4, "unknown tag"),
        ("a: !!int abc", 1, 4, "'abc' is no int"),
        ("a: *x", 1, 4, "'*x' repeats an anchor '&x' that is not there"),
        ("&a [*a]", 1, 5, "inside the anchor"),
        ("a: &x 1\nb: &x 2", 2, 4, "defined twice (first at line 1)"),
        ("a: 1\n---\nb: 2", 2, 1, "a second document begins here"),
        ("<<: 1", 1, 5, "takes the alias of a mapping"),
        ("? [a]\n: 1", 1, 3, "a key must be a single word, not a list"),
        ("a: [1, 2\nb: 3\n", 1, 4, "the '[' that opens here is not closed"),
        ("a: {b: 1", 1, 4, "the '{' that opens here is not closed"),
        ("a: [1, 2}", 1, 9, "'}' closes a '['"),
        ("a:\n\tb: 1", 2, 1, "a tab stands in the indentation"),
        ("a: 'x\nb: 2", 1, 4, "the quote that opens here is not closed"),
        ("a: b: c", 1, 5, "a second ': ' stands in this line"),
        ("a:\n  b: 1\n c: 2", 3, 2, "the indentation fits neither"),
        ("a: 1\n  b: 2", 2, 3, "indented deeper"),
        ("a:b\nc: 1", 1, 1, "no 'key: value'"),
        ("a: 1\nfoo bar\n", 2, 1, "no 'key: value'"),
        ("- a\nb: 1", 2, 1, "a key stands among list items"),
        ("a: b\n- c", 2, 1, "a list item '- ' stands among keys"),
        ("a: [*]", 1, 5, "needs quotes: \"*\""),
        ("a: @x", 1, 4, "a value cannot begin with '@'"),
        ("a: 'x' y", 1, 8, "put the whole value in quotes"),
        ("a: °\x01", 1, 5, "a control character (0x01)"),
        ("  a: 1\nb: 2", 2, 1, "further left"),
        ("a: [1 2: {", 1, 11, "the file ends in the middle"),
        ("a: {at: holding #16, b: 1}\nc: 1", 1, 17, "begins a comment that hides the rest of the line, also the '}'"),
        (b"a: \xb0C", 1, 4, "not UTF-8 text (this byte is '\xb0' in Windows-1252)"),
        ("a: 1".encode("utf-16"), 1, 1, "not UTF-8 text (it is UTF-16)"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_with_place_and_cure(text, line, column, part):
    at, where, message = only(text)
    assert (at, where) == (line, column)
    assert part in message


@pytest.mark.parametrize(("text", "whole"), [("at: holding #16", "holding #16"), ("at: #16", "#16"), ("at: 5 #x", "5 #x")])
def test_a_comment_that_cuts_a_value_off_is_told(text, whole):
    line, column, message = only(text)
    assert (line, column) == (1, text.index("#") + 1)
    assert f'in quotes: "{whole}"' in message


@pytest.mark.parametrize("text", ["at: 5 # x", "at: 5 #", "at: 5 #### x", "at: a#b", "at: '5' #x", "at: '#5'", "# a\nat: 5\n#b"])
def test_an_ordinary_comment_is_nothing_to_tell(text):
    assert loads(text.encode(), "x.yaml").problems == []


@pytest.mark.parametrize("text", ["[" * 900_000, "{a: " * 100_000, "- " * 100_000, "[{a: " * 50_000], ids=["[", "{", "-", "mixed"])
def test_deep_nesting_is_refused_and_does_not_end_the_process(text):
    assert "nested deeper than 32 levels" in only(text)[2]


def test_an_alias_bomb_is_refused():
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert "through its aliases" in only(text)[2]


def test_a_file_that_is_too_large_or_missing_is_a_problem(tmp_path):
    path = tmp_path / "site.yaml"
    assert load(path).problems[0].message == "there is no such file"
    assert load(tmp_path).problems[0].message == "this is a folder; name the file in it"
    path.write_bytes(b"#" * 1_000_001)
    assert "larger than 1000 kB" in load(path).problems[0].message
    path.write_bytes(b"#" * 1_000_000)
    assert load(path).problems == []


def test_an_empty_value_and_an_empty_file():
    assert loads(b"", "x.yaml").root is None
    assert loads(b"# only a comment\n", "x.yaml").root is None
    assert isinstance(loads(b"a:", "x.yaml").root.entries["a"].value, Scalar)
