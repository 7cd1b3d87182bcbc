"""What arecord says, in words for whoever stands beside the machine."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from msgspec import Struct

from drivers.alsa.spec import FORMATS, AlsaLink
from gateway.driver import LinkError
from gateway.model import Reason

INSTALL = "install it: apt-get install alsa-utils"
_OVERRUN = re.compile(r"overrun!!! \(at least ([0-9.]+) ms long\)|^overrun!!!", re.MULTILINE)
_RATE = re.compile(r"^\s*exact rate\s*:\s*([0-9.]+)|rate is not accurate \(requested = \d+Hz, got = (\d+)Hz\)", re.MULTILINE)
_OFFER = re.compile(r"^(FORMAT|CHANNELS|RATE):\s*(.+)$", re.MULTILINE)
_CARD = re.compile(r"^card (\d+): (\S+) \[(.*?)\], device (\d+): (.*?)(?: \[.*)?$", re.MULTILINE)
_COMPLAINT = re.compile(r"^arecord: \w+:\d+: (.+)$", re.MULTILINE)


class Card(Struct, frozen=True):
    """A device that can record: `hw:1,0`, and what it calls itself."""

    device: str
    name: str


def cards(listing: str) -> list[Card]:
    """Return the devices in what `arecord -l` prints."""
    return [Card(f"hw:{number},{device}", name) for number, _, name, device, _ in _CARD.findall(listing)]


def overruns_ms(text: str) -> list[float]:
    """Return how long each overrun was that is told in this text, at least, in milliseconds."""
    return [float(match[1] or 0) for match in _OVERRUN.finditer(text)]


def actual_rate(text: str) -> float | None:
    """Return the rate at which it says to record, None while it has not said so."""
    found = [float(exact or got) for exact, got in _RATE.findall(text)]
    return found[-1] if found else None


def other_rate(device: str, options: AlsaLink, rate_hz: float, text: str) -> LinkError:
    """Return the error for a card that records at another rate than it was asked for."""
    words = f"{device} was asked for {options.rate:g} Hz and records at {rate_hz:g} Hz"
    return LinkError(words, hint=_offered(text, "RATE") or f"write rate={rate_hz:g}Hz", reason=Reason.OUT_OF_RANGE)


def refused(device: str, options: AlsaLink, text: str, there: Sequence[Card]) -> LinkError:
    """Return the error for an arecord that ended; `text` is all that it said."""
    complaints = _COMPLAINT.findall(text)
    said = complaints[-1] if complaints else ""
    if "Sample format non available" in text:
        offered = [name for name in _offer(text, "FORMAT").split() if name in FORMATS]
        hint = f"it has {', '.join(offered)}: write format={offered[-1]}" if offered else "write another format=…"
        return LinkError(f"{device} has no samples of {options.format}", hint=hint, reason=Reason.OUT_OF_RANGE)
    if "Channels count non available" in text:
        offered_ = _offer(text, "CHANNELS")
        hint = f"write channels={offered_}" if offered_.isdigit() else f"it has {offered_ or 'another number'}: write channels=…"
        return LinkError(f"{device} does not record {options.channels} channels", hint=hint, reason=Reason.OUT_OF_RANGE)
    if "No such file or directory" in said or "Unknown PCM" in text or "No such device" in said:
        return _missing(device, said, there)
    if "Device or resource busy" in said:
        hint = "end the program that records from it; fuser -v /dev/snd/* names it"
        return LinkError(f"{device} is in use by another program", hint=hint, reason=Reason.DEVICE_BUSY)
    if "Permission denied" in said:
        hint = "put the user into the group audio; as a service: the drop-in systemd/alsa.conf (systemd/README.md)"
        return LinkError(f"{device} may not be used by this user", hint=hint, reason=Reason.REFUSED)
    return LinkError(
        f"arecord ended: {said or text.strip().splitlines()[-1:] or 'it said nothing'}", hint="try it by hand: arecord -l"
    )


def _missing(device: str, said: str, there: Sequence[Card]) -> LinkError:
    if "No such device" in said:
        return LinkError(f"{device} has gone", hint="is the sensor still plugged in?")
    if not there:
        hint = "is the sensor plugged in? lsusb and dmesg tell"
        return LinkError(f"there is no {device}: this computer has no sound card that records", hint=hint)
    near = difflib.get_close_matches(device, [card.device for card in there], 1, 0.5)
    guess = f"did you mean '{near[0]}'? " if near else ""
    listed = ", ".join(f"{card.device} ({card.name})" for card in there)
    return LinkError(f"there is no {device}", hint=f"{guess}there are: {listed}", reason=Reason.NO_SUCH_ADDRESS)


def _offer(text: str, what: str) -> str:
    return next((offer.strip() for key, offer in _OFFER.findall(text) if key == what), "")


def _offered(text: str, what: str) -> str:
    offer = _offer(text, what)
    return f"it records at {offer.strip('[]').replace(' ', ' to ')} Hz" if offer else ""
