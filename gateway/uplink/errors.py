"""What can go wrong between the gateway and a broker, each in words for people and with a hint what to do."""

from __future__ import annotations


class UplinkError(Exception):
    """Something went wrong at the broker. `words` say what, `hint` what to do, `code` is MQTT's reason code where there is one.

    No message ever holds a password or a key.
    """

    def __init__(self, words: str, hint: str = "", *, code: int | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        """Return words and hint as one line."""
        return f"{self.words}; {self.hint}" if self.hint else self.words


class PublishRefused(UplinkError):  # noqa: N818  (the port's word)
    """The broker answered a publish with a reason code >= 0x80: it does not have the message. The session goes on."""

    def __init__(self, code: int, words: str, hint: str = "") -> None:
        super().__init__(words, hint, code=code)


class SubscribeRefused(UplinkError):  # noqa: N818  (like the others)
    """The broker answered a subscription to `topic` with a reason code >= 0x80. The session goes on."""

    def __init__(self, topic: str, code: int, words: str, hint: str = "") -> None:
        super().__init__(words, hint, code=code)
        self.topic = topic


class SessionLost(UplinkError):  # noqa: N818  (the port's word)
    """There is no connection (any more). Whether a message under way arrived is unknown.

    Attributes:
        server: other brokers that this one names, as it writes them; empty for none.
    """

    def __init__(self, words: str, hint: str = "", *, code: int | None = None, server: str = "") -> None:
        super().__init__(words, hint, code=code)
        self.server = server


class VersionRefused(SessionLost):
    """The broker does not speak this version of MQTT."""


class DroppedEarly(SessionLost):
    """The broker closed the connection before it answered CONNECT; some brokers refuse a version of MQTT this way."""


class NeverAnswered(SessionLost):
    """The broker took the connection and did not answer CONNECT; some old ones wait for more where MQTT 5 has a will."""


class TlsProblem(SessionLost):
    """The certificates do not allow an encrypted connection; retrying does not help until somebody changes them."""


class FormatError(ValueError):
    """A payload is not a message of this format; the text says what is wrong and where."""
