"""Every sentence about a line, and the border of each; a wrong comparison in the code must make one of these fail."""

import pytest

from drivers.modbus.exchange import Counters
from drivers.modbus.verdict import FEW, Evidence, evidence_of, verdicts


def codes(**counts):
    return [verdict.code for verdict in verdicts(Evidence(**counts))]


def test_nothing_asked_and_nothing_heard_says_nothing():
    assert verdicts(Evidence()) == []


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"requests": 5, "answers": 5}, ["good"]),
        ({"requests": 5, "answers": 1, "silent": 4}, ["good"]),  # other units are silent: no fault of the line
        ({"requests": 5, "silent": 5}, ["silent"]),
        ({"requests": 5, "damaged": 5}, ["all_damaged"]),
        ({"requests": 5, "damaged": 1, "silent": 4}, ["all_damaged"]),
        ({"requests": 5, "answers": 5, "no_target": 5}, ["no_target"]),
        ({"requests": 5, "answers": 5, "no_target": 4}, ["good"]),
        ({"requests": 5, "answers": 2, "no_target": 2, "silent": 3}, ["no_target"]),
        ({"requests": 5, "answers": 5, "echoes": 5}, ["echo"]),
        ({"requests": 5, "silent": 5, "echoes": 5}, ["echo", "silent"]),
        ({"requests": 5, "damaged": 5, "echoes": 1}, ["echo", "all_damaged"]),
        ({"requests": 100, "answers": 97, "damaged": 3}, ["some_damaged"]),
        ({"requests": 100, "answers": 99, "damaged": 1}, ["some_damaged"]),
        ({"requests": 101, "answers": 100, "damaged": 1}, ["good"]),
        ({"requests": 9, "answers": 1, "no_target": 1, "damaged": 8}, ["no_target", "some_damaged"]),
        ({"requests": 5, "answers": 5, "foreign": 1}, ["another_master"]),
        ({"foreign": 1}, ["another_master"]),
        ({"foreign": 2, "unasked": 90}, ["another_master"]),
        ({"unasked": FEW}, []),
        ({"unasked": FEW + 1}, ["unasked"]),
        ({"requests": 5, "silent": 5, "unasked": 90}, ["unasked", "silent"]),
    ],
)
def test_which_fault(counts, expected):
    assert codes(**counts) == expected


@pytest.mark.parametrize(
    ("counts", "words", "cure"),
    [
        (
            {"requests": 3, "damaged": 3},
            "bytes arrive but every CRC is wrong: baud, parity or A/B swapped",
            "exchange the wires A and B",
        ),
        ({"requests": 3, "silent": 3}, "nothing arrives: wiring, unit, power", "is the device on?"),
        ({"requests": 3, "silent": 3, "echoes": 3}, "nothing arrives besides the echo", "is the device on?"),
        ({"requests": 100, "answers": 97, "damaged": 3}, "3 % CRC errors: terminator or shield", "120 ohms"),
        ({"requests": 3, "answers": 3, "echoes": 3}, "the adapter echoes", "echo: true"),
        ({"requests": 3, "answers": 3, "no_target": 3}, "the gateway answers, the unit behind it does not", "behind the gateway"),
        ({"foreign": 9}, "another master talks on this bus", "unplug the other one"),
        ({"unasked": 41}, "41 bytes arrived although nobody had asked", "noise"),
    ],
)
def test_the_words_on_a_bus(counts, words, cure):
    assert any(words in verdict.sentence and cure in verdict.cure for verdict in verdicts(Evidence(**counts)))


@pytest.mark.parametrize(
    "counts",
    [{"requests": 3, "damaged": 3}, {"requests": 3, "silent": 3}, {"requests": 3, "answers": 2, "damaged": 1}],
)
def test_on_tcp_nobody_is_sent_to_the_wires(counts):
    for verdict in verdicts(Evidence(**counts, serial=False)):
        text = str(verdict)
        assert not any(word in text for word in ("CRC", "A/B", "terminator", "baud", "ohms", "wiring"))
        assert verdict.code != "good"


def test_the_share_of_damaged_answers_on_tcp():
    assert "4 % of the answers" in verdicts(Evidence(requests=50, answers=48, damaged=2, serial=False))[0].sentence


def test_a_verdict_is_one_line_with_its_cure():
    found = verdicts(Evidence(requests=1, silent=1))[0]
    assert str(found) == f"{found.sentence}; {found.cure}"
    assert str(verdicts(Evidence(requests=1, answers=1))[0]) == "every answer was sound"


def test_from_the_counters_of_the_driver():
    counters = Counters(requests=100, answers=96, timeouts=1, damaged=3, foreign=2)
    evidence = evidence_of(counters, no_target=5)
    assert evidence == Evidence(requests=100, answers=96, no_target=5, silent=1, damaged=3, foreign=2)
    assert evidence_of(Counters(requests=4, timeouts=4)) == Evidence(requests=4, silent=4)
    assert [v.code for v in verdicts(evidence_of(Counters(requests=4, timeouts=4, garbage=90)))] == ["all_damaged"]
    assert [v.code for v in verdicts(evidence_of(Counters(requests=4, timeouts=4, garbage=FEW)))] == ["silent"]
    assert [v.code for v in verdicts(evidence_of(Counters(requests=4, answers=4, garbage=90)))] == ["good"]
    assert evidence_of(object(), serial=False) == Evidence(serial=False)


def test_more_damaged_answers_than_requests_are_no_negative_silence():
    assert evidence_of(Counters(requests=2, answers=1, damaged=5)) == Evidence(requests=2, answers=1, damaged=1)
