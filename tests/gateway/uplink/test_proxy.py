"""Whatever stands where a proxy should, answers with: the way through, or one sentence."""

import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.broker import ProxyUrl
from gateway.uplink.errors import SessionLost
from gateway.uplink.head import printable, read_head
from gateway.uplink.proxy import Proxy, pass_through

URLS = {"http": ProxyUrl("http://proxy.example:3128"), "socks5": ProxyUrl("socks5://proxy.example")}


def answered(answer, kind, user=None, host="hub.example"):
    """Let a proxy answer with these bytes, whatever it is asked; return what it was asked."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        pass_through(ours, Proxy(URLS[kind], user, user and "pw"), host, 8883)
        ours.shutdown(socket.SHUT_WR)
        return theirs.recv(10_000)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(URLS)),
    st.binary(max_size=100),
    st.sampled_from([b"", b"HTTP/1.1 ", b"\x05\x00", b"\x05\x00\x05\x00\x00"]),
)
def test_garbage_gets_one_sentence_or_is_no_garbage(kind, garbage, start):
    said = "the proxy"
    try:
        answered(start + garbage, kind)
    except SessionLost as lost:
        said = lost.words
    assert said.startswith(("the proxy", "what answers at"))
    assert said.isprintable()


def test_what_http_is_asked_and_with_what_credentials():
    asked = answered(b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n", "http", "me")
    assert asked == b"CONNECT hub.example:8883 HTTP/1.1\r\nHost: hub.example:8883\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    assert answered(b"HTTP/1.1 200 \r\n\r\n", "http", host="fe80::1").startswith(b"CONNECT [fe80::1]:8883 HTTP/1.1\r\n")


def test_what_socks_is_asked_by_name_and_by_address():
    good = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"
    assert answered(good, "socks5") == b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0bhub.example\x22\xb3"
    assert answered(good, "socks5", host="10.0.0.1") == b"\x05\x01\x00" + b"\x05\x01\x00\x01\x0a\x00\x00\x01\x22\xb3"
    login = b"\x05\x02\x01\x00" + b"\x05\x00\x00\x03\x03abc\x00\x50"
    asked = answered(login, "socks5", "me", "fe80::1")
    assert asked == b"\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x04" + socket.inet_pton(socket.AF_INET6, "fe80::1") + b"\x22\xb3"


@pytest.mark.parametrize(
    ("reply", "words"), [(1, "fails"), (2, "does not allow"), (4, "cannot reach"), (5, "nobody listens"), (99, "answers 99")]
)
def test_replies_of_socks_in_words(reply, words):
    with pytest.raises(SessionLost, match=words):
        answered(b"\x05\x00\x05" + bytes([reply]) + b"\x00\x01", "socks5")


@pytest.mark.parametrize(
    ("status", "words"), [(403, "does not allow"), (407, "admits nobody"), (502, "cannot reach"), (418, "answers 418 I'm a teapot")]
)
def test_statuses_of_http_in_words(status, words):
    with pytest.raises(SessionLost, match=words):
        answered(f"HTTP/1.1 {status} I'm a teapot\r\n\r\n".encode(), "http")


def test_nothing_behind_the_head_is_taken_away():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        threading.Thread(target=theirs.sendall, args=(b"HTTP/1.1 200 OK\r\nA: b\r\nnonsense\r\n\r\nREST",)).start()
        head = read_head(ours)
        assert (head.status, head.reason, head.fields) == (200, "OK", {"a": "b"})
        assert ours.recv(10) == b"REST"


def test_what_a_stranger_writes_may_stand_in_a_log():
    assert printable(" evil\n\x1b[31mred\u202e" + "x" * 200) == ("evil??[31mred?" + "x" * 200)[:80]
