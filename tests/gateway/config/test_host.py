"""A host name that can never be looked up is told by the check, wherever it stands; offline."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import PLUGIN as MODBUS
from drivers.opcua import PLUGIN as OPCUA
from drivers.replay import PLUGIN as REPLAY
from gateway.config.host import check_host, is_loopback
from gateway.config.spec import BrokerUrl

GOOD = ["h", "hub.coop.example", "hub.", "plc_1", "PLC-1.Shop", "gerät.halle", "10.0.0.21", "[fe80::1]", "fe80::1%eth0", "a" * 63]
BAD = [
    ("a..b", "nothing stands between two dots; did you mean 'a.b'?"),
    (".a", "nothing stands between two dots; did you mean 'a'?"),
    ("", "nothing stands between two dots"),
    ("a" * 64, "64 characters stand between two dots, at most 63 are possible"),
    (".".join("a" * 50 for _ in range(6)), "it has 305 characters, at most 253 are possible"),
    ("ü" * 60, "cannot be looked up; write the IP address"),
    ("-plc", "it has letters, digits and '-' inside; did you mean 'plc'?"),
    ("10.0.0,21", "it has letters, digits and '-' inside; did you mean '10.0.0.21'?"),
    ("10.0.0.256", "'10.0.0.256' is not an IPv4 address; it has four numbers from 0 to 255"),
    ("10.0.0..21", "did you mean '10.0.0.21'?"),
    ("10.0.21", "is not an IPv4 address"),
    ("[fe80::1::2]", "is not an IPv6 address; write it like [fe80::1]"),
]


@pytest.mark.parametrize("host", GOOD)
def test_a_good_host_stays_as_it_is(host):
    assert check_host(host) == host


@pytest.mark.parametrize(("host", "words"), BAD)
def test_a_bad_host_is_told(host, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        check_host(host)


@given(st.text(max_size=80) | st.text("ab.-_1ü:[]", max_size=80) | st.text("a.", max_size=300))
def test_what_passes_can_be_asked_for_and_a_suggestion_passes(host):
    try:
        check_host(host)
    except UnicodeError:
        raise
    except ValueError as error:
        if guess := re.search(r"did you mean '(.*)'\?", str(error)):
            check_host(guess[1])
    else:
        host.strip("[]").encode("idna")  # as getaddrinfo does; it raises UnicodeError for what cannot be asked


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_every_place_that_takes_a_host_refuses_it(host):
    for read in (
        lambda: MODBUS.check_address("modbus-tcp", host),
        lambda: MODBUS.check_address("modbus-rtu", f"{host}:4001"),
        lambda: OPCUA.check_address("opc.tcp", f"{host}:4840/path"),
        lambda: REPLAY.check_address("replay", f"tcp://{host}:15025"),
        lambda: BrokerUrl.parse(f"mqtt://{host}"),
        lambda: BrokerUrl.parse(f"mqtts://{host}:8884/"),
    ):
        with pytest.raises(ValueError, match="is not a host name"):
            read()


def test_the_check_names_the_place(heads):
    text = "site: a\ngateway: b\nuplink: {broker: ['mqtts://hub', 'mqtt://a..b']}\n"
    words = "'a..b' is not a host name: nothing stands between two dots; did you mean 'a.b'?"
    assert heads(text) == [f"site.yaml:3:34: {words}"]


def test_loopback():
    assert all(map(is_loopback, ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]))
    assert not any(map(is_loopback, ["hub", "10.0.0.1", "localhost.example", "fe80::1"]))
