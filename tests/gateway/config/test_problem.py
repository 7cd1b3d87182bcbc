# ruff: noqa: E501  (a row of a table, with the whole sentence, stands on one line)
import pytest

from gateway.config.load import loads
from gateway.config.problem import ConfigError, Problem, Source, render, tidy


def source(text, file="site.yaml"):
    return {file: Source(file, text.split("\n"))}


def test_a_problem_is_place_sentence_line_and_caret():
    problem = Problem("site.yaml", 2, 3, "wrong")
    assert render([problem], source("a:\n  b: 1")) == "site.yaml:2:3: wrong\n      b: 1\n      ^"


def test_a_warning_says_so_and_a_file_as_a_whole_has_no_line():
    assert render([Problem("a", 1, 1, "odd", "warning"), Problem("b", 0, 0, "gone")], {}) == "a:1:1: warning: odd\nb: gone"


def test_a_long_line_is_cut_around_the_place_and_control_characters_are_not_printed():
    shown = render([Problem("site.yaml", 1, 501, "x")], source("a" * 500 + "\x1b]0;b" + "c" * 500)).splitlines()
    assert len(shown[1]) <= 124
    assert "\x1b" not in shown[1]
    assert shown[1][shown[2].index("^")] == "\N{REPLACEMENT CHARACTER}"


def test_problems_come_once_and_in_the_order_of_the_files():
    sources = source("") | source("", "share.yaml")
    a, b, c = Problem("share.yaml", 1, 1, "a"), Problem("site.yaml", 9, 1, "b"), Problem("site.yaml", 2, 7, "c")
    assert tidy([a, b, c, c], sources) == (c, b, a)


@pytest.mark.parametrize(
    "text",
    [
        "password: canary-7f", "password: 'canary-7f x'", "{a: 1, api_key: canary-7f}", "token: |\n  canary-7f", "a:\n  pwd:\n    canary-7f",
        "secret: canary-7f", "url: x://user:canary-7f@host", "url: x://host?password=canary-7f", "mqtt_password: canary-7f",
        "password: &p canary-7f\nb: *p",
    ],
)  # fmt: skip
@pytest.mark.parametrize("broken", ["", "\nz: ["])
def test_no_line_with_a_literal_secret_is_shown(text, broken):
    loaded = loads((text + broken).encode(), "site.yaml")
    sources = {"site.yaml": loaded.source}
    problems = [Problem("site.yaml", line, 1, "x") for line in range(1, len(loaded.source.lines) + 1)]
    shown = render(tidy([*loaded.problems, *problems], sources), sources)
    assert "canary-7f" not in shown
    assert "***" in shown


def test_the_caret_stays_in_place_behind_a_masked_secret():
    loaded = loads(b"{password: abcdefghijkl, unti: 1}", "s")
    line, caret = render([Problem("s", 1, 26, "x")], {"s": loaded.source}).splitlines()[1:]
    assert line[caret.index("^") :].startswith("unti")


def test_a_secret_is_masked_in_every_sentence():
    loaded = loads(b"password: canary-7f", "s")
    (problem,) = tidy([Problem("s", 1, 1, "bad 'canary-7f' and x://u:canary-8@h")], {"s": loaded.source})
    assert problem.message == "bad '***' and x://u:***@h"


def test_the_error_reads_like_the_check():
    problem = Problem("site.yaml", 1, 1, "wrong")
    error = ConfigError([problem], source("a"))
    assert str(error) == "site.yaml:1:1: wrong\n    a\n    ^"
    assert error.problems == (problem,)


@pytest.mark.parametrize("password", ["pass", "password", "secret", "user", "value"])
def test_a_plain_word_as_password_does_not_eat_the_words_of_the_program(heads, password):
    (said,) = heads(f"site: s\ngateway: g\nmachines:\n  - {{name: m, connect: 'modbus-tcp://user:{password}@10.0.0.1'}}\n")
    assert said.split(": ", 1)[1] == (
        "user and password do not stand in a URL; secrets never stand in YAML: write {secret: NAME} and put the value into the file"
        " secrets/NAME (chmod 600)"
    )


def test_a_plain_word_as_password_is_masked_wherever_a_value_is_quoted():
    sources = source("password: hunter")
    sources["site.yaml"].literals.add("hunter")
    problem = Problem(
        "site.yaml", 1, 1, "found text 'a hunter', \"hunter\"; did you mean [hunter] or {to: hunter}? (it's 'hunter')"
    )
    (clean,) = tidy([problem], sources)
    assert clean.message == "found text 'a ***', \"***\"; did you mean [***] or {to: ***}? (it's '***')"
