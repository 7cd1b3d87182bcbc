"""What arecord prints, read: listings and messages of alsa-utils."""

import pytest

from drivers.alsa.words import Card, actual_rate, cards, overruns_ms

LISTING = """\
**** List of CAPTURE Hardware Devices ****
card 0: PCH [HDA Intel PCH], device 0: ALC257 Analog [ALC257 Analog]
  Subdevices: 1/1
  Subdevice #0: subdevice #0
card 1: Ltd [333D01 012345 with odd [name]], device 0: USB Audio [USB Audio]
  Subdevices: 0/1
"""


def test_cards_are_read_from_the_listing():
    assert cards(LISTING) == [Card("hw:0,0", "HDA Intel PCH"), Card("hw:1,0", "333D01 012345 with odd [name]")]
    assert cards("arecord: device_list:274: no soundcards found...\n") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("overrun!!! (at least 1234.567 ms long)\n", [1234.567]),
        ("overrun!!!\n", [0.0]),
        ("a\noverrun!!! (at least 1.000 ms long)\nb\noverrun!!! (at least 2.000 ms long)\n", [1.0, 2.0]),
        ("Recording raw data 'stdin' : Signed 16 bit Little Endian, Rate 8000 Hz, Mono\n", []),
    ],
)
def test_overruns_are_read_with_their_length(text, found):
    assert overruns_ms(text) == found


def test_the_rate_is_the_one_it_ends_up_with():
    assert actual_rate("Warning: rate is not accurate (requested = 8000Hz, got = 44100Hz)\n") == 44100
    assert actual_rate("  rate         : 44100\n  exact rate   : 44117.6 (750000/17)\n") == 44117.6
    assert actual_rate("Recording raw data") is None
