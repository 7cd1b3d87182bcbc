"""MQTT's reason codes in words, with what to do about each. Source: MQTT 5.0, sections 2.4, 3.2.2.2 and 3.14.2.1."""

from __future__ import annotations

from enum import Enum

UNSUPPORTED_VERSION = 0x84
NOT_AUTHORISED = 0x87
PACKET_TOO_LARGE = 0x95
CLIENT_ID_REFUSED = 0x85
TAKEN_OVER = 0x8E
MOVED = 0x9D
USER_REFUSED = (0x86, 0x87)
"""Codes with which a broker refuses who connects: many give 0x87 for a wrong password, too, to tell an attacker less."""


class Manner(Enum):
    """How to go on after a reason code."""

    USUAL = "usual"
    """Try again after the usual pause."""
    SLOW = "slow"
    """Somebody has to change something; trying often helps nobody."""
    QUOTA = "quota"
    """There is too much of us: ten times the usual pause."""
    STOP = "stop"
    """Another one is in our place: go away until a person acts, or for an hour and more."""
    MOVE = "move"
    """Another broker is to be used."""


_MANNERS = {
    **dict.fromkeys((0x85, 0x86, 0x87, 0x8A, 0x8C), Manner.SLOW),
    **dict.fromkeys((0x89, 0x96, 0x97, 0x9F), Manner.QUOTA),
    TAKEN_OVER: Manner.STOP,
    **dict.fromkeys((0x9C, MOVED), Manner.MOVE),
}


def manner(code: int | None) -> Manner:
    """Return how to go on after a reason code; None: there was none."""
    return _MANNERS.get(code or 0, Manner.USUAL)


_ASK = "ask the operator of the broker"

_WORDS: dict[int, tuple[str, str]] = {
    0x80: ("the broker gives no reason", _ASK),
    0x81: ("the broker found a packet malformed", _ASK),
    0x82: ("the broker found an error of protocol", _ASK),
    0x83: ("the broker does not accept this, for a reason of its own", _ASK),
    0x84: ("the broker does not speak this version of MQTT", "use a broker that speaks MQTT 5"),
    0x85: (
        "the broker does not accept the client id",
        "ask the operator of the broker to admit <site>:<gateway>, or <site>:<gateway>:<recipient>",
    ),
    0x86: ("wrong user name or password", "check credentials in site.yaml and the secret they name"),
    0x87: ("not authorised", "ask the operator of the broker to allow this gateway its topic"),
    0x88: ("the broker is not available", "it is tried again"),
    0x89: ("the broker is busy", "it is tried again later"),
    0x8A: ("this gateway is banned", _ASK),
    0x8B: ("the broker is shutting down", "it is tried again"),
    0x8C: ("the broker does not accept this way of authentication", _ASK),
    0x8D: ("the broker did not hear from the gateway in time", "check the quality of the network"),
    0x8E: (
        "another client took over this client id",
        "see that no other gateway has the same site and gateway name, then run gateway apply; else it is tried again in an hour",
    ),
    0x90: ("the broker does not accept the topic", "ask the operator of the broker which topics it knows"),
    0x93: ("more messages were under way than the broker allows", "it is tried again"),
    0x95: ("the message is larger than the broker allows", "smaller messages are tried; else raise the limit at the broker"),
    0x96: ("the broker finds the message rate too high", "lengthen 'batch' or share fewer points"),
    0x97: ("the quota at the broker is used up", "ask the operator of the broker for more, or share fewer points"),
    0x98: ("the operator of the broker ended the connection", _ASK),
    0x99: (
        "the broker does not accept the form of the payload",
        "the format is in docs/formats.md; ask the operator of the broker",
    ),
    0x9A: ("the broker keeps no retained messages", _ASK),
    0x9B: ("the broker does not take messages at QoS 1", "use a broker that acknowledges messages"),
    0x9C: ("the broker asks to use another one for now", "put the other broker into 'broker' in site.yaml"),
    0x9D: ("the broker has moved", "put its new address into 'broker' in site.yaml"),
    0x9F: ("the broker finds the rate of connections too high", "it is tried again later"),
    0xA0: ("the broker ended a connection that lasted as long as it allows", "it is tried again"),
}


def words(code: int) -> tuple[str, str]:
    """Return what a reason code >= 0x80 means and what to do about it."""
    return _WORDS.get(code, (f"the broker gives reason 0x{code:02X}", _ASK))


def at_connect(code: int, user: str | None, secret: str = "") -> tuple[str, str]:
    """Return what a reason code >= 0x80 means in the answer to CONNECT, where no topic is in question yet.

    Args:
        code: the reason code.
        user: the user name that was given, None for none.
        secret: name of the secret its password came from, where that is known.
    """
    if code not in USER_REFUSED:
        return words(code)
    if user is None:
        return "the broker admits nobody without user and password", "give them with credentials: {user: …, secret: NAME}"
    return f"the broker refuses user '{user}'", f"check credentials: user, and the secret{f' {secret!r}' if secret else ''}"
