"""What is wrong with a line, in words, from nothing but counters; pure, so that every tool says the same.

Used by `gateway scan`; anyone else who has counted what happened on a line may ask, see `evidence_of`.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Code = Literal["another_master", "echo", "silent", "all_damaged", "some_damaged", "no_target", "unasked", "good"]

FEW: Final = 3
"""Bytes that may come by chance when a port is opened or a plug is moved; more of them are somebody's."""

NOTEWORTHY: Final = 0.01
"""Share of damaged answers from which on it is told; a sound RS-485 line has next to none."""


class Evidence(Struct, kw_only=True):
    """What happened on a line; every request ends as exactly one of `answers`, `silent` and `damaged`.

    Attributes:
        requests: requests sent.
        answers: sound answers to them, exceptions included.
        no_target: how many of the answers were exception 10 or 11 (a gateway speaks for a unit that is not there).
        silent: requests to which not a single byte came, besides an echo.
        damaged: requests to which bytes came, but no sound answer.
        echoes: requests that were heard again word for word.
        foreign: sound frames that belong to no request of ours.
        unasked: bytes that came while nothing was asked.
        serial: whether the line has wires, baud and parity to look at (False: TCP).
        connected: whether the other end is known to be there (False: datagrams).
    """

    requests: int = 0
    answers: int = 0
    no_target: int = 0
    silent: int = 0
    damaged: int = 0
    echoes: int = 0
    foreign: int = 0
    unasked: int = 0
    serial: bool = True
    connected: bool = True


class Verdict(Struct, frozen=True):
    """One finding about a line: a code for programs, what is the matter, and what to do about it ("" when it is well)."""

    code: Code
    sentence: str
    cure: str = ""

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.sentence}; {self.cure}" if self.cure else self.sentence


def verdicts(evidence: Evidence) -> list[Verdict]:
    """Return what the counters say, the gravest first; never empty once something was asked or heard."""
    e = evidence
    found: list[Verdict] = []
    if e.foreign:
        found.append(another_master())
    elif e.unasked > FEW:
        found.append(_unasked(e.unasked))
    if e.echoes:
        found.append(_echo())
    reached = e.answers - e.no_target
    if e.requests and not e.answers:
        found.append(_all_damaged(e) if e.damaged else _silent(e))
    elif e.answers and not reached:
        found.append(_no_target())
    if e.answers and e.damaged and (share := e.damaged / (e.answers + e.damaged)) >= NOTEWORTHY:
        found.append(_some_damaged(share, e.serial))
    if not found and reached:
        found.append(Verdict("good", "every answer was sound"))
    return found


def evidence_of(counters: object, *, no_target: int = 0, serial: bool = True) -> Evidence:
    """Return the evidence in the counters of an exchange (`drivers.modbus.exchange.Counters`, or anything with its fields).

    An exchange counts neither the exceptions 10 and 11, which the caller knows, nor echoes.
    """

    def count(name: str) -> int:
        return int(getattr(counters, name, 0))

    unanswered = max(0, count("requests") - count("answers"))
    damaged = min(unanswered, count("damaged"))
    # garbage without a damaged answer: noise that came among silent requests
    if not damaged and count("garbage") > FEW and unanswered:
        damaged = unanswered
    return Evidence(
        requests=count("requests"),
        answers=count("answers"),
        no_target=no_target,
        silent=unanswered - damaged,
        damaged=damaged,
        foreign=count("foreign"),
        serial=serial,
    )


def another_master(doing: str = "") -> Verdict:
    """Return the verdict on a bus where somebody else asks; `doing` says what was heard."""
    heard = f" ({doing})" if doing else ""
    return Verdict(
        "another_master",
        f"another master talks on this bus{heard}",
        "two masters disturb each other and the machine: unplug the other one, or read its device over the network instead",
    )


def _unasked(count: int) -> Verdict:
    return Verdict(
        "unasked",
        f"{count} bytes arrived although nobody had asked, and they are no Modbus",
        "noise (A and B swapped, no terminator or bias, wire beside a motor cable), or something else than Modbus on this line",
    )


def _echo() -> Verdict:
    return Verdict("echo", "the adapter echoes: it hears what it sends itself", "set echo: true on the connection")


def _silent(e: Evidence) -> Verdict:
    if not e.connected:
        return Verdict(
            "silent",
            "nothing answers, and datagrams do not tell whether anybody is there",
            "address, port and unit number; is Modbus over UDP switched on in the device, or does it speak tcp:// only?",
        )
    if not e.serial:
        return Verdict(
            "silent",
            "the host takes the connection, but nothing answers on it",
            "unit number, or another protocol on this port; the device may serve one connection only",
        )
    also = " besides the echo" if e.echoes else ""
    return Verdict(
        "silent",
        f"nothing arrives{also}: wiring, unit, power",
        "is the device on? are A, B and ground connected at both ends? does its menu show Modbus RTU, and which unit number?",
    )


def _all_damaged(e: Evidence) -> Verdict:
    if not e.serial:
        return Verdict("all_damaged", "bytes arrive, but they are no Modbus TCP", "another protocol, or RTU over TCP, on this port")
    return Verdict(
        "all_damaged",
        "bytes arrive but every CRC is wrong: baud, parity or A/B swapped",
        "compare baud and parity with the menu of the device, then exchange the wires A and B",
    )


def _some_damaged(share: float, serial: bool) -> Verdict:
    if not serial:
        return Verdict("some_damaged", f"{100 * share:.0f} % of the answers were no sound Modbus", "update the device's software")
    return Verdict(
        "some_damaged",
        f"{100 * share:.0f} % CRC errors: terminator or shield",
        "120 ohms at both ends of the bus and nowhere else; shield on earth at one end; keep away from motor cables",
    )


def _no_target() -> Verdict:
    return Verdict(
        "no_target",
        "the gateway answers, the unit behind it does not",
        "unit number, wiring and power behind the gateway, and the baud and parity set in it",
    )
