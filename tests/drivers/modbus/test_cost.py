import pytest

from drivers.modbus.cost import TCP, TURNAROUND_SERIAL_S, TURNAROUND_TCP_S, Cost
from drivers.modbus.request import Request
from tests.drivers.modbus.tables import link

BUS = "/dev/ttyS0"


def test_a_request_on_a_serial_line_takes_its_characters_two_silences_and_the_turnaround():
    cost = Cost.of(link("modbus-rtu", BUS, baud=9600, parity="E"))
    character = 11 / 9600
    expected = (8 + 5 + 20) * character + 2 * 3.5 * character + TURNAROUND_SERIAL_S
    assert cost.seconds(Request(1, 3, 0, 10)) == pytest.approx(expected, rel=1e-6)
    assert cost.bytes(Request(1, 3, 0, 10)) == 8 + 5 + 20


@pytest.mark.parametrize(("options", "bits"), [({"parity": "N"}, 10), ({"parity": "N", "stop": 2}, 11), ({"parity": "O"}, 11)])
def test_a_character_has_as_many_bits_as_the_line_says(options, bits):
    cost = Cost.of(link("modbus-rtu", BUS, baud=1200, **options))
    assert cost.byte_ns == round(bits / 1200 * 1e9)


def test_above_19200_baud_the_silence_no_longer_shrinks():
    cost = Cost.of(link("modbus-rtu", BUS, baud=115200))
    assert cost.seconds(Request(1, 3, 0, 1)) == pytest.approx(15 * 11 / 115200 + 2 * 0.00175 + TURNAROUND_SERIAL_S, rel=1e-6)


def test_a_pause_takes_the_place_of_a_shorter_silence_and_adds_to_the_time_on_tcp():
    slow, fast = (Cost.of(link("modbus-rtu", BUS, pause=pause)) for pause in (0.05, 0.0005))
    plain = Cost.of(link("modbus-rtu", BUS))
    assert slow.request_ns - plain.request_ns == pytest.approx((0.05 - 3.5 * 11 / 19200) * 1e9, abs=2)
    assert fast == plain
    tcp = Cost.of(link("modbus-tcp", "10.0.0.1:502", pause=0.02))
    assert tcp.seconds(Request(1, 1, 0, 8)) == pytest.approx(TURNAROUND_TCP_S + 0.02 + 25e-6)


def test_what_was_measured_replaces_the_usual_turnaround():
    for line in (link("modbus-tcp", "10.0.0.1:502"), link("modbus-rtu", BUS)):
        assert Cost.of(line, 0.1).request_ns > Cost.of(line, 0.0).request_ns == Cost.of(line, 0.1).request_ns - 100_000_000


def test_a_gap_is_dearer_the_slower_the_line():
    lines = [link("modbus-rtu", BUS, baud=baud) for baud in (1200, 9600, 19200, 115200)]
    gaps = [Cost.of(line).gap(3) for line in [*lines, link("modbus-tcp", "10.0.0.1:502")]]
    assert gaps == sorted(gaps)
    assert gaps[0] < 15 < gaps[-1]
    assert Cost.of(lines[1]).gap(1) >= 16 * Cost.of(lines[1]).gap(3), "sixteen bits weigh as much as a register"


def test_behind_a_serial_server_the_line_is_taken_to_be_a_usual_one():
    bus, server = Cost.of(link("modbus-rtu", BUS)), Cost.of(link("modbus-rtu", "10.0.0.9:4001"))
    assert server.byte_ns == bus.byte_ns
    assert server.request_ns - bus.request_ns == round(TURNAROUND_TCP_S * 1e9)


def test_ascii_has_no_silence_and_two_characters_per_byte():
    cost = Cost.of(link("modbus-ascii", BUS, baud=9600))
    request = Request(1, 3, 0, 10)
    assert cost.bytes(request) == 17 + 11 + 2 * 20
    assert cost.seconds(request) == pytest.approx(68 * 10 / 9600 + TURNAROUND_SERIAL_S, rel=1e-6)


def test_requests_that_are_sent_together_share_the_turnaround_and_not_the_bytes():
    four = TCP.at_a_time(4)
    assert (four.request_ns, four.byte_ns) == (TCP.request_ns // 4, TCP.byte_ns)
    assert (TCP.gap(3), four.gap(3)) == (80, 20)
    assert TCP.at_a_time(1) is TCP
