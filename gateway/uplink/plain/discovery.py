"""How Home Assistant learns of a point by itself: one retained message per entity.

Source: Home Assistant, MQTT integration, "MQTT discovery", and the pages of the sensor and binary sensor.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

import msgspec

from gateway import __version__
from gateway.model import Feature, Reading

from .message import Key, Topics

_CLASSES = {
    **dict.fromkeys(("°C", "°F", "K"), "temperature"),
    **dict.fromkeys(("Pa", "hPa", "kPa", "mbar", "bar", "psi"), "pressure"),
    **dict.fromkeys(("V", "mV"), "voltage"),
    **dict.fromkeys(("A", "mA"), "current"),
    **dict.fromkeys(("W", "kW"), "power"),
    **dict.fromkeys(("Wh", "kWh", "MWh"), "energy"),
    **dict.fromkeys(("s", "min", "h", "d"), "duration"),
    "Hz": "frequency",
    "VA": "apparent_power",
    "var": "reactive_power",
}
"""Unit: the device class it leaves no doubt about; Home Assistant then converts and picks an icon."""

_BAD_IS_AWAY = "{{ 'offline' if value_json.quality == 'bad' else 'online' }}"
_SWITCH = "{{ 'None' if value_json.value is none else 'ON' if value_json.value else 'OFF' }}"
_TEXT = "{{ (value_json.value | string)[:255] }}"
_NUMBER = "{{ value_json.value }}"


def announcement(prefix: str, topics: Topics, site: str, gateway: str, record: Reading | Feature) -> tuple[str, bytes] | None:
    """Return topic and payload that announce a point; None while nothing is known of it but that it is bad.

    Args:
        prefix: the discovery prefix, `homeassistant` unless it was changed there.
        topics: where its value stands.
        site: the member.
        gateway: this gateway.
        record: a value of it; its kind decides between a number, a text and a switch.
    """
    if record.value is None:
        return None
    machine, point = record.machine, record.point
    state = topics.value(machine, point)
    component, entity = _entity(record)
    place = _place(prefix, component, site, gateway, (machine, point))
    entity |= {
        "name": point,
        "unique_id": f"{site}.{gateway}.{machine}.{point}",
        "state_topic": state,
        "availability": [{"topic": topics.availability}, {"topic": state, "value_template": _BAD_IS_AWAY}],
        "availability_mode": "all",
        "device": {"identifiers": [f"{site}.{gateway}.{machine}"], "name": machine},
        "origin": {"name": "retrofit-gateway", "sw_version": __version__},
    }
    return place, msgspec.json.encode(entity)


def places(prefix: str, site: str, gateway: str, key: Key) -> frozenset[str]:
    """Return the topics at which a point may be announced, by the kind of its value."""
    return frozenset(_place(prefix, component, site, gateway, key) for component in ("sensor", "binary_sensor"))


def _place(prefix: str, component: str, site: str, gateway: str, key: Key) -> str:
    machine, point = key
    return f"{prefix}/{component}/{identifier(f'{site}.{gateway}.{machine}')}/{identifier(point)}/config"


def _entity(record: Reading | Feature) -> tuple[str, dict[str, Any]]:
    if isinstance(record.value, bool):
        return "binary_sensor", {"value_template": _SWITCH}
    if not isinstance(record.value, int | float):
        return "sensor", {"value_template": _TEXT}
    entity: dict[str, Any] = {"value_template": _NUMBER, "state_class": "measurement"}
    if record.unit not in {"", "1"}:  # the second is the unit of what has none
        entity["unit_of_measurement"] = record.unit
    if kind := _CLASSES.get(record.unit):
        entity["device_class"] = kind
        if kind == "energy":
            entity["state_class"] = "total_increasing"  # the class takes no other for what a meter counts
    return "sensor", entity


def identifier(name: str) -> str:
    """Return a name as a discovery topic may hold it: letters, digits, `_` and `-`; different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if plain == name else f"{plain}_{zlib.crc32(name.encode()):08x}"
