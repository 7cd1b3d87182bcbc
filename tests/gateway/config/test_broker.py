"""URLs of brokers and proxies, and pins: what they mean, and what is said about those that are none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.broker import BrokerUrl, Pin, ProxyUrl

PIN = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "path"),
    [
        ("mqtt://hub", "hub", 1883, False, None),
        ("mqtts://hub.coop.example", "hub.coop.example", 8883, True, None),
        ("mqtts://hub:8884/", "hub", 8884, True, None),
        ("mqtts://[fe80::1]", "fe80::1", 8883, True, None),
        ("ws://hub", "hub", 80, False, "/mqtt"),
        ("ws://hub/", "hub", 80, False, "/mqtt"),
        ("wss://hub:444/a/b", "hub", 444, True, "/a/b"),
        ("wss://[fe80::1]:9001/ws", "fe80::1", 9001, True, "/ws"),
    ],
)
def test_a_broker_url_says_where_and_how(url, host, port, tls, path):
    parsed = BrokerUrl.parse(url)
    assert (parsed, parsed.host, parsed.port, parsed.tls) == (url, host, port, tls)
    assert parsed.websocket == (path is not None)
    if path:
        assert parsed.path == path
    assert re.search(BrokerUrl.schema()["pattern"], url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hub", "'hub' is not a broker URL; write 'mqtts://host', 'mqtt://host:1883' or 'wss://host/mqtt'"),
        (5, "'5' is not a broker URL"),
        ("tcp://hub", "did you mean 'mqtt://hub'?"),
        ("https://hub/mqtt", "did you mean 'wss://hub/mqtt'?"),
        ("ssl://u:p@hub", "did you mean 'mqtts://hub'?"),
        ("mqtts://u:p@hub", "user and password do not stand in the URL; write credentials: {user: …, secret: NAME}"),
        ("mqtts://hub/path", "is not a broker URL"),
        ("mqtts://hub:0", "is not a broker URL"),
        ("mqtts://hub:x", "is not a broker URL"),
        ("wss://hub/mqtt?token=1", "is not a broker URL"),
        ("wss://hub/a b", "is not a broker URL"),
        ("wss:///mqtt", "is not a broker URL"),
        ("mqtts://a..b", "nothing stands between two dots"),
    ],
)
def test_what_is_none_is_told_and_never_with_a_password(url, words):
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        BrokerUrl.parse(url)
    assert "p@" not in str(error.value)


def test_the_encrypted_form_is_suggested_in_the_same_kind():
    assert BrokerUrl("mqtt://hub:1883").encrypted == "mqtts://hub:1883"
    assert BrokerUrl("ws://hub/a").encrypted == "wss://hub/a"
    assert BrokerUrl("wss://hub").encrypted == "wss://hub"


@pytest.mark.parametrize(
    ("url", "place"), [("http://proxy:3128", ("http", "proxy", 3128)), ("socks5://10.0.0.1/", ("socks5", "10.0.0.1", 1080))]
)
def test_a_proxy_url_says_where(url, place):
    parsed = ProxyUrl.parse(url)
    assert (parsed.scheme, parsed.host, parsed.port) == place
    assert re.search(ProxyUrl.schema()["pattern"], url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("proxy:3128", "is not the URL of a proxy; write 'http://host:3128' or 'socks5://host:1080'"),
        ("http://proxy", "is not the URL of a proxy"),  # no two programs agree on its port
        ("socks5h://proxy", "did you mean 'socks5://proxy'?"),
        ("https://proxy:1", "did you mean 'http://proxy:1'?"),
        ("http://me:pw@proxy:1", "write proxy_credentials: {user: …, secret: NAME}"),
    ],
)
def test_a_bad_proxy_url_is_told(url, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        ProxyUrl.parse(url)


def test_a_pin_is_taken_as_browsers_and_as_curl_write_it():
    assert Pin.parse(PIN) == PIN
    assert Pin.parse(PIN.replace("/", "//", 1)) == PIN
    slash = "sha256//GXGuBhmEXeaOPQjJ8YlaDPARx9GiqGshEqx8my4Tq4="
    assert Pin.parse(slash) == Pin.parse(slash.replace("/", "//", 1)) == slash, "a digest may begin with a slash of its own"


@given(st.text(max_size=60) | st.sampled_from([PIN[:-1], PIN[:-2], "sha1/" + PIN[7:], PIN[7:], PIN + "=", 5]))
def test_what_is_no_pin_is_told(text):
    with pytest.raises(ValueError, match="gateway doctor shows the one the broker has"):
        Pin.parse(text)
