"""How a lost connection is told."""

import pytest

from gateway.uplink.client import _broken


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "the connection to the broker broke (the other side cut it)"),
        (OSError(113, "No route to host"), "the connection to the broker broke (no route to host)"),
        ("", "the connection to the broker broke"),
    ],
)
def test_a_broken_connection_is_told_without_numbers_of_the_system(detail, words):
    assert str(_broken(detail)) == words
