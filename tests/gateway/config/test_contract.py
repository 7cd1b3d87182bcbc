# ruff: noqa: E501  (a row of a table, with the whole sentence, stands on one line)
from pathlib import Path

import pytest

from gateway.config.check import check
from gateway.config.contract import fits, share_path

SITE = """site: muster
gateway: hall-1
machines:
  - {name: press-1, connect: "modbus-tcp://h", points: {oil_temp: {at: coil 1}, hours: {at: coil 2}}, temperature: {points: [hours]}}
  - {name: spindle, connect: "replay:a.wav?unit=g", vibration: {features: [rms, crest]}}
uplink: {broker: [mqtts://hub]}
"""


@pytest.mark.parametrize(
    "rule",
    [
        "{to: cooperative, machines: [press-1], points: [oil_temp]}", "{to: cooperative, machines: ['press-?'], points: ['*']}",
        "{to: cooperative, machines: ['*'], points: [vibration.rms]}", "{to: cooperative, machines: [spindle], points: ['vibration.*']}",
        "{to: cooperative, machines: ['*'], points: [hours.slope]}", "{to: cooperative, machines: [hall-1], points: ['outbox.*']}",
    ],
)  # fmt: skip
def test_a_rule_that_releases_something_is_good(site, rule):
    checked = site(SITE, share=f"shares: [{rule}]")
    assert checked.problems == ()
    assert len(checked.config.contract.rules) == 1


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{to: coop, machines: [press-1], points: [hours]}", "there is no recipient 'coop'; known: cooperative"),
        ("{to: cooperative, machines: [pres-1], points: [hours]}", "there is no machine 'pres-1', did you mean 'press-1'?"),
        ("{to: cooperative, machines: [press-1], points: [hour]}", "there is no point 'hour' in 'press-1', did you mean 'hours'?"),
        ("{to: cooperative, machines: [spindle], points: [vibration.peak]}", "there is no point 'vibration.peak' in 'spindle'; known: vibration.rms, vibration.crest"),
        ("{to: cooperative, machines: ['[a]'], points: [hours]}", "'[a]' is not a name or a pattern; use letters, digits, '-', '_', '.', and * or ?"),
        ("{to: cooperative, machines: ['drill-*'], points: [hours]}", "warning: no machine fits 'drill-*'; this releases nothing"),
        ("{to: cooperative, machines: [press-1], points: ['x*']}", "warning: no point in 'press-1' fits 'x*'; this releases nothing"),
        ("{to: cooperative, machines: [press-1]}", "missing key 'points': names or patterns"),
        ("press-1", "expected a mapping such as {to: …, machines: …, points: …}, found text 'press-1'"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_release_anything_is_told(site, rule, message):
    checked = site(SITE, share=f"shares:\n  - {rule}\n")
    assert [(p.file, p.line, p.head.split(": ", 1)[1]) for p in checked.problems] == [("share.yaml", 2, message)]
    assert (checked.config is None) == (not message.startswith("warning"))


def test_without_uplink_the_cure_says_where_the_recipient_belongs(heads):
    text = SITE.replace("uplink: {broker: [mqtts://hub]}", "")
    rules = "shares:\n  - {to: cooperative, machines: [press-1], points: [hours]}\n  - {to: customer, machines: [press-1], points: [hours]}\n"
    assert [head.split(": ", 1)[1] for head in heads(text, share=rules)] == [
        "there is no recipient 'cooperative'; add uplink: to the site file",
        "there is no recipient 'customer'; add uplinks: {customer: …} to the site file",
    ]


@pytest.mark.parametrize("text", ["", "shares:\n", "shares: []\n", "# nothing leaves\n"])
def test_an_empty_contract_releases_nothing(site, text):
    assert site(SITE, share=text).config.contract.rules == ()


def test_a_broken_contract_stops_the_gateway_rather_than_being_ignored(site):
    assert site(SITE, share="shares: [").config is None
    assert site(SITE, share="- a").config is None


def test_a_contract_under_another_ending_is_told(site, tmp_path):
    (tmp_path / "share.yml").write_text("shares: []")
    assert [p.head for p in site(SITE).problems] == ["share.yml: warning: this file is not read; rename it to share.yaml"]


def test_a_contract_that_cannot_be_read_is_not_taken_for_none(site, tmp_path):
    (tmp_path / "share.yaml").mkdir()
    assert site(SITE).config is None


@pytest.mark.parametrize(
    ("site", "share"),
    [("site.yaml", "share.yaml"), ("site.example.yaml", "share.example.yaml"), ("press.yaml", "share.yaml"), ("site.yml", "share.yaml"), ("site", "share.yaml")],
)  # fmt: skip
def test_which_contract_belongs_to_which_site(site, share):
    assert share_path(Path("a") / site) == Path("a") / share


@pytest.mark.parametrize(
    ("pattern", "name", "good"),
    [("a*", "abc", True), ("a?", "ab", True), ("a?", "abc", False), ("a.b", "axb", False), ("*", "", True), ("A", "a", False), ("v.*", "v", False)],
)  # fmt: skip
def test_patterns(pattern, name, good):
    assert fits(pattern, name) is good


def test_a_contract_given_as_the_site_file_is_one_sentence(tmp_path):
    (tmp_path / "share.hall.yaml").write_text("# mine\nshares:\n  - {to: cooperative, machines: ['*'], points: ['*']}\n")
    checked = check(tmp_path / "share.hall.yaml")
    words = "this is a contract (what may leave), which is checked with the site file it belongs to"
    assert [problem.head for problem in checked.problems] == [
        f"{tmp_path}/share.hall.yaml:2:1: {words}: gateway check {tmp_path}/site.hall.yaml"
    ]
    assert checked.config is None


def test_a_site_file_in_place_of_the_contract_is_one_sentence(site):
    checked = site(SITE, share=SITE)
    assert [
        (problem.file, problem.line, problem.message.split(";")[0]) for problem in checked.problems if problem.level == "error"
    ] == [("share.yaml", 1, "this is a site file")]
    assert checked.config is None


def test_a_contract_that_is_a_link_to_nowhere_is_a_warning(heads, tmp_path):
    (tmp_path / "share.yaml").symlink_to("gone.yaml")
    said = "share.yaml: warning: this link leads to a file that does not exist, so nothing leaves; mend or remove it"
    assert said in heads("site: s\ngateway: g\n")
