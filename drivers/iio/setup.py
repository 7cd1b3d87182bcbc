"""A device made ready to sample into its buffer, and left as it was found."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from cython_ext.scans import Decoder
from drivers.iio import sysfs
from drivers.iio.rates import set_rate
from drivers.iio.scantype import ScanType, layout
from drivers.iio.spec import IioLink
from gateway.driver import LinkError
from gateway.model import Reason

TIMESTAMP = "timestamp"


class Wanted(Struct, frozen=True):
    """A channel as the kernel names it (`accel_x`), and by what to multiply its value in the unit of its kind."""

    element: str
    factor: float = 1.0


class Element(Struct, frozen=True):
    """A channel that a buffer can hold; `folder` is where its switch is."""

    name: str
    index: int
    form: ScanType
    folder: Path


class Device:
    """One device; `begin` makes it sample and `end` stops it. Both block, `end` never raises and may come at any time."""

    def __init__(self, folder: Path, dev: Path, options: IioLink) -> None:
        self.folder = folder
        self.name = sysfs.read(folder / "name") or folder.name
        self.watched = False
        self.fd = -1
        self.node = dev / folder.name
        self._options = options
        self._before: list[tuple[Path, str]] = []
        self._enable: Path | None = None

    def elements(self) -> dict[str, Element]:
        """Return what the buffer of this device can hold, by name.

        Raises:
            LinkError: it has no buffer, or describes it in a way that is not known.
        """
        for folder in (self.folder / "scan_elements", self.folder / "buffer0"):
            if names := sorted(path.name[3:-3] for path in folder.glob("in_*_en")):
                return {name: self._element(folder, name) for name in names}
        words = f"{self.name} cannot sample into a buffer"
        raise LinkError(words, hint="its driver gives single values only; a waveform needs one with 'scan_elements'")

    def _element(self, folder: Path, name: str) -> Element:
        index, form = sysfs.read(folder / f"in_{name}_index"), sysfs.read(folder / f"in_{name}_type")
        try:
            return Element(name, int(index or ""), ScanType.parse(form or ""), folder)
        except ValueError as error:
            raise LinkError(f"{self.name} describes its channel {name} in a way that is not known: {error}") from None

    def scaled(self, element: Element) -> tuple[float, float]:
        """Return (scale, offset) of a channel: value = (raw + offset) * scale, m/s² of an acceleration, mV of a voltage.

        Raises:
            LinkError: the device does not tell.
        """
        kind = element.name.partition("_")[0].split("-")[0].rstrip("0123456789")
        found = [self._first(element.name, kind, what) for what in ("scale", "offset")]
        try:
            scale, offset = (float(text) if text is not None else None for text in found)
        except ValueError:
            raise LinkError(f"{self.name} tells {found[0]} and {found[1]} as scale and offset of {element.name}") from None
        if not scale:
            raise LinkError(f"{self.name} does not tell the scale of {element.name}", hint="without it a sample has no unit")
        return scale, offset or 0.0

    def _first(self, name: str, kind: str, what: str) -> str | None:
        return next((text for key in (name, kind) if (text := sysfs.read(self.folder / f"in_{key}_{what}")) is not None), None)

    def begin(self, wanted: list[Wanted]) -> Decoder:
        """Make it sample; return what decodes its scans: the channels wanted, in order, and last the timestamp where there is one.

        Raises:
            LinkError: what the kernel refuses, and what to do about it.
        """
        elements = self.elements()
        chosen = [self._take(elements, want.element) for want in wanted]
        self._open()
        on = sorted({element.index: element for element in [*chosen, *self._stamps(elements)]}.values(), key=lambda e: e.index)
        buffer = chosen[0].folder if chosen[0].folder.name == "buffer0" else self.folder / "buffer"
        enable = buffer / "enable"
        if sysfs.read(enable) == "1":
            sysfs.write(enable, "0")  # left on by a program that was killed: nobody else has the device, it could be opened
        self._trigger()
        self._rate(chosen[0].name)
        for element in elements.values():
            self._set(element.folder / f"in_{element.name}_en", "1" if element in on else "0")
        self._optional(self.folder / "current_timestamp_clock", "monotonic")
        self._set(buffer / "length", str(self.length))
        self.watched = self._optional(buffer / "watermark", str(max(1, round(self._options.block * self._options.rate))))
        places, size = layout([element.form for element in on])
        at = {element.name: place for element, place in zip(on, places, strict=True)}
        channels = []
        for want, element in zip(wanted, chosen, strict=True):
            scale, offset = self.scaled(element)
            channels.append(element.form.channel(at[element.name], scale * want.factor, offset))
        channels += [element.form.channel(at[element.name]) for element in self._stamps(elements)]
        self._switch_on(enable)
        return Decoder(size, channels)

    @property
    def length(self) -> int:
        """Scans that the kernel keeps."""
        return max(2, round(self._options.buffer * self._options.rate))

    def end(self) -> None:
        """Stop it, and put back what was there before."""
        enable, self._enable = self._enable, None
        changes = [(enable, "0")] if enable else []
        changes += reversed(self._before)
        self._before.clear()
        for path, value in changes:
            try:
                sysfs.write(path, value)
            except LinkError:
                continue  # the device may be gone; the rest is tried all the same
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _open(self) -> None:
        try:
            self.fd = os.open(self.node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise sysfs.refused(self.node, error, "opened") from None

    def _take(self, elements: dict[str, Element], name: str) -> Element:
        element = elements.get(name)
        if element is None or element.form.repeat > 1:
            kind = name.partition("_")[0]
            has = [e.rpartition("_")[2] if kind == "accel" else e for e in elements if e.startswith(kind.rstrip("0123456789"))]
            words = f"{self.name} has no {'axis ' + name[-1] if kind == 'accel' else 'input ' + name}"
            near = "" if kind == "accel" else sysfs.guess(name, has)
            raise LinkError(words, hint=f"{near}it has {', '.join(has or elements)}", reason=Reason.NO_SUCH_ADDRESS)
        return element

    def _stamps(self, elements: dict[str, Element]) -> list[Element]:
        return [elements[TIMESTAMP]] if TIMESTAMP in elements and elements[TIMESTAMP].form.kind != "f" else []

    def _trigger(self) -> None:
        name, current = self._options.trigger, self.folder / "trigger/current_trigger"
        if not name:
            return
        triggers = self._triggers()
        if not current.exists():
            raise LinkError(f"{self.name} takes no trigger, it has a clock of its own", hint="leave 'trigger' out")
        if name not in triggers:
            listed = ", ".join(triggers) or "none; one of time is made with: mkdir /sys/kernel/config/iio/triggers/hrtimer/NAME"
            raise LinkError(f"there is no trigger '{name}'", hint=f"{sysfs.guess(name, triggers)}there are: {listed}")
        self._set(current, name)

    def _triggers(self) -> dict[str, Path]:
        found = sysfs.devices(self.folder.parents[3], "trigger")
        return {sysfs.read(path / "name") or number: path for number, path in found.items()}

    def _rate(self, name: str) -> None:
        kind = name.partition("_")[0]
        places = [self.folder / f"in_{name}_sampling_frequency", self.folder / f"in_{kind}_sampling_frequency"]
        places.append(self.folder / "sampling_frequency")
        if self._options.trigger:  # what a trigger starts comes at the rate of the trigger
            places.insert(0, self._triggers()[self._options.trigger] / "sampling_frequency")
        set_rate(places, float(self._options.rate), self._set)

    def _switch_on(self, enable: Path) -> None:
        self._enable = enable
        try:
            sysfs.write(enable, "1")
        except LinkError as error:
            current = self.folder / "trigger/current_trigger"
            if error.reason == Reason.DEVICE_FAILURE and not self._options.trigger and sysfs.read(current) == "":
                listed = ", ".join(self._triggers()) or "none yet"
                words = f"{self.name} does not begin to sample: it needs a trigger"
                raise LinkError(words, hint=f"write trigger=NAME; there are: {listed}") from None
            raise

    def _set(self, path: Path, value: str) -> None:
        """Write an attribute and remember what it held, unless it holds the value already."""
        before = sysfs.read(path)
        if before != value:
            sysfs.write(path, value)
            self._before.append((path, before or ""))

    def _optional(self, path: Path, value: str) -> bool:
        """Write an attribute that some kernels and devices do not have."""
        if not path.exists():
            return False
        try:
            self._set(path, value)
        except LinkError:
            return False
        return True
