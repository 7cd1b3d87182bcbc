import pytest

from drivers.modbus.ledger import FORGET_S, WARY_S, Ledger, ledger_of
from drivers.modbus.request import Request


def read(address, count, unit=7, function=3):
    return Request(unit, function, address, count)


@pytest.fixture
def ledger():
    return Ledger()


def test_an_overdue_answer_forbids_every_request_of_its_form(ledger):
    ledger.overdue(read(100, 4), 0.0)
    assert ledger.clashes(read(100, 4), 1.0)
    assert ledger.clashes(read(200, 4), 1.0)
    assert not ledger.clashes(read(200, 5), 1.0)
    assert not ledger.clashes(read(200, 4, function=4), 1.0)
    assert not ledger.clashes(read(200, 4, unit=8), 1.0)


def test_bits_of_as_many_bytes_have_the_same_form(ledger):
    ledger.overdue(read(0, 9, function=1), 0.0)
    assert ledger.clashes(read(100, 16, function=1), 1.0)
    assert not ledger.clashes(read(100, 17, function=1), 1.0)


def test_an_answer_settles_everything_asked_before(ledger):
    ledger.overdue(read(100, 4), 0.0)
    ledger.overdue(read(100, 6), 1.0)
    ledger.answered(read(100, 1), 2.0)
    assert not ledger.in_doubt(7)
    assert not ledger.clashes(read(200, 4), 2.0)


def test_an_answer_that_may_be_an_older_one_settles_only_up_to_that(ledger):
    for i, request in enumerate((read(100, 4), read(0, 1), read(200, 6), read(0, 1))):
        ledger.overdue(request, float(i))
    ledger.answered(read(0, 1), 4.0)
    assert not ledger.clashes(read(300, 4), 4.0)
    assert ledger.clashes(read(300, 6), 4.0)
    assert ledger.clashes(read(300, 1), 4.0)


def test_a_unit_that_is_always_one_answer_behind_is_never_believed_to_be_done(ledger):
    ledger.overdue(read(100, 4), 0.0)
    for i in range(1, 100):  # each answer is that of the request before
        ledger.answered(read(100 + i, 4), float(i))
        assert ledger.clashes(read(300, 4), i + 0.5)
        assert ledger.in_doubt(7)


def test_a_late_answer_settles_itself_and_what_was_asked_before_it(ledger):
    for i, count in enumerate((4, 6, 8)):
        ledger.overdue(read(100, count), float(i))
    assert ledger.account_for(7, 3, 12, 5.0) == "late"
    assert not ledger.clashes(read(200, 4), 5.0)
    assert ledger.clashes(read(200, 8), 5.0)


def test_an_exception_is_taken_for_the_oldest_it_can_be(ledger):
    ledger.overdue(read(100, 4, function=4), 0.0)
    ledger.overdue(read(100, 4), 1.0)
    ledger.overdue(read(200, 6), 2.0)
    assert ledger.owes(7, 3)
    assert ledger.account_for(7, 3, None, 3.0) == "late"
    assert not ledger.owes(7, 4)
    assert not ledger.clashes(read(100, 4), 3.0)
    assert ledger.clashes(read(300, 6), 3.0)
    assert ledger.account_for(7, 3, None, 3.0) == "late"
    assert not ledger.in_doubt(7)


def test_the_last_answer_may_come_twice(ledger):
    ledger.answered(read(100, 4), 1.0)
    assert ledger.clashes(read(200, 4), 1.0)
    assert not ledger.clashes(read(100, 4), 1.0)
    assert ledger.account_for(7, 3, 8, 1.0) == "doubled"
    assert ledger.clashes(read(100, 4), 2.0)
    assert not ledger.clashes(read(100, 4), 2.0 + WARY_S)


def test_a_frame_nobody_asked_for_is_told(ledger):
    assert ledger.account_for(9, 3, 8, 1.0) == "foreign"


def test_after_half_a_minute_an_answer_will_not_come(ledger):
    ledger.overdue(read(100, 4), 0.0)
    assert ledger.clashes(read(200, 4), FORGET_S - 0.1)
    assert not ledger.clashes(read(200, 4), FORGET_S)


def test_a_bus_keeps_its_ledger_when_it_is_opened_anew():
    assert ledger_of("modbus-rtu:///dev/x") is ledger_of("modbus-rtu:///dev/x")
    assert ledger_of("modbus-rtu:///dev/x") is not ledger_of("modbus-rtu:///dev/y")
