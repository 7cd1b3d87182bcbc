"""What is computed of a waveform, described for people: the table of docs/features.md, and the words beside each value."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gateway.config.features import CATALOGUE, TEXTS, FeatureSpec

_WHEN = {
    "": "",
    "bands": "with `bands:`",
    "speed": "with `speed:`",
    "iso": "with `iso:`",
    "bearing": "with `bearing:`",
    "gear": "with `gear:`",
}


class Described(Struct, frozen=True):
    """What is to be said of a feature beside its value: what it is averaged over, and the standard it follows."""

    averaging: str
    standard: str
    sentence: str


def line_of(name: str) -> FeatureSpec:
    """Return the line of the catalogue that a point belongs to, by what stands behind its sensor: `band.low` to `bands`.

    Raises:
        KeyError: there is no such feature.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    head, _, rest = name.partition(".")
    if head == "band":
        return CATALOGUE["bands"]
    if head == "harmonic":
        return CATALOGUE["half_orders" if "." in rest else "harmonics"]
    if head in {"bearing", "gear"}:
        return CATALOGUE[head]
    raise KeyError(name)


def described(name: str, segment_s: float, averages: int) -> Described:
    """Return the words that belong to a feature of a window.

    Args:
        name: what stands behind the name of the sensor, such as `velocity_rms` or `band.low`.
        segment_s: length of the segments that the window's density is averaged over.
        averages: how many these are.
    """
    line = line_of(name)
    averaging = f"Hann, {averages} x {segment_s:g} s" if line.averaging.startswith("Welch") else line.averaging
    return Described(averaging, line.standard, line.sentence)


def table() -> Iterator[str]:
    """Yield the lines of the table in docs/features.md."""
    yield "| `features:` | unit | what it tells | band | averaged over | follows | usual |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for line in CATALOGUE.values():
        usual = (
            (f"with `{line.needs}:`" if line.needs else "yes")
            if line.usual
            else (f"no; needs `{line.needs}:`" if line.needs else "no")
        )
        unit = "a text" if line.name in TEXTS else line.unit or "as the waveform"
        yield f"| `{line.name}` | {unit} | {line.sentence} | {line.band} | {line.averaging} | {line.standard} | {usual} |"
