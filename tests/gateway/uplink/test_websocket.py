"""Frames are read whatever pieces they come in, written as the library `websockets` reads them, and garbage ends the connection."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from gateway.uplink.websocket import WebSocket


class Pieces:
    """A socket that gives and takes as many bytes at a time as it is told, and nothing in between."""

    def __init__(self, incoming=b"", sizes=(), takes=()):
        self.incoming, self.sizes, self.takes = bytearray(incoming), list(sizes), list(takes)
        self.sent = bytearray()
        self.empty = False

    def recv(self, size):
        self.empty = not self.empty
        if self.empty or not self.incoming:
            raise BlockingIOError
        size = min(size, self.sizes.pop() if self.sizes else size)
        data = bytes(self.incoming[:size])
        del self.incoming[:size]
        return data

    def send(self, data):
        size = self.takes.pop() if self.takes else len(data)
        if size == 0:
            raise BlockingIOError
        self.sent += data[:size]
        return min(size, len(data))


def frames(data):
    """Read masked frames with the library; return (opcode, content) of each."""
    reader, found = StreamReader(), []
    reader.feed_data(bytes(data))
    while reader.buffer:
        parser = Frame.parse(reader.read_exact, mask=True)
        try:
            while True:
                next(parser)
        except StopIteration as done:
            found.append((done.value.opcode, bytes(done.value.data)))
    return found


def read_all(web, pieces, size):
    got = b""
    for _ in range(100_000):
        try:
            got += web.recv(size)
        except BlockingIOError:
            if not pieces.incoming:
                return got
    raise AssertionError("it never ends")


def push(web, message):
    """Send as paho does: again with the same message until it is out."""
    for _ in range(100_000):
        with contextlib.suppress(BlockingIOError):
            if web.send(message) == len(message) and not web._out:
                return
    raise AssertionError("it never goes out")


payloads = st.binary(max_size=300) | st.sampled_from([125, 126, 127, 65_535, 65_536]).map(lambda size: b"x" * size)
kinds = st.sampled_from([Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(kinds, payloads), max_size=5), st.lists(st.integers(1, 9)), st.integers(50, 5000))
def test_what_comes_in_pieces_and_with_pings_between_is_put_together(sent, sizes, size):
    stream, data, pings = b"", b"", []
    for opcode, payload in sent:
        control = opcode in {Opcode.PING, Opcode.PONG}
        payload = payload[:125] if control else payload
        stream += Frame(opcode, payload).serialize(mask=False)
        data += b"" if control else payload
        pings += [payload] if opcode is Opcode.PING else []
    pieces = Pieces(stream, sizes)
    assert read_all(WebSocket(pieces), pieces, size) == data
    assert frames(pieces.sent) == [(Opcode.PONG, ping) for ping in pings]


@settings(deadline=None, max_examples=50)
@given(st.lists(payloads, max_size=5), st.lists(st.integers(0, 5000), max_size=30))
def test_what_goes_out_in_pieces_is_read_by_the_library(messages, takes):
    pieces = Pieces(takes=takes)
    web = WebSocket(pieces)
    for message in messages:
        push(web, message)
    assert frames(pieces.sent) == [(Opcode.BINARY, message) for message in messages]


def test_a_pong_never_lands_inside_another_frame():
    pieces = Pieces(Frame(Opcode.PING, b"ping").serialize(mask=False), takes=[0, 100])
    web = WebSocket(pieces)
    assert web.send(b"x" * 1000) == 0
    read_all(web, pieces, 10)
    push(web, b"x" * 1000)
    assert frames(pieces.sent) == [(Opcode.BINARY, b"x" * 1000)]


def test_a_pong_that_goes_out_in_pieces_is_finished_before_the_next_frame():
    pieces = Pieces(Frame(Opcode.PING, b"ping").serialize(mask=False), takes=[3, 2])
    web = WebSocket(pieces)
    read_all(web, pieces, 10)
    push(web, b"data")
    assert frames(pieces.sent) == [(Opcode.PONG, b"ping"), (Opcode.BINARY, b"data")]


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Opcode.TEXT, b"hello").serialize(mask=False),
        Frame(Opcode.BINARY, b"masked").serialize(mask=True),
        b"\xc2\x01x",
        b"\x89\x7e\x01\x00" + b"x" * 256,
        b"\x8b\xff" + bytes(8),
    ],
)
def test_what_breaks_the_rules_ends_the_connection(frame):
    pieces = Pieces(frame)
    with pytest.raises(ConnectionError):
        read_all(WebSocket(pieces), pieces, 100)


def test_a_close_is_the_end():
    pieces = Pieces(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=False) + b"more")
    web = WebSocket(pieces)
    for _ in range(10):
        try:
            assert web.recv(10) == b""
        except BlockingIOError:
            continue
        return
    raise AssertionError("no end")


@given(st.binary(max_size=400))
def test_garbage_is_read_or_ends_the_connection(data):
    pieces = Pieces(data)
    web = WebSocket(pieces)
    try:
        for _ in range(len(data) * 2 + 4):
            try:
                if not web.recv(50):
                    return
            except BlockingIOError:
                pass
    except ConnectionError:
        return
    assert not pieces.incoming
