"""What Home Assistant takes as an announcement over MQTT, by its documentation, and what it then makes of a message.

Sources: Home Assistant, "MQTT": discovery topic, discovery payload, device, origin; "MQTT Sensor" and "MQTT binary sensor":
configuration variables; "Sensor": device classes with their units, state classes. The templates are the few forms that the
gateway uses; anything else is refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema

TOPIC = re.compile(r"(?P<prefix>.+)/(?P<component>sensor|binary_sensor)/(?:[a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config")
TEXT = {"type": "string", "minLength": 1}

UNITS = {
    "temperature": {"°C", "°F", "K"},
    "pressure": {"Pa", "kPa", "hPa", "bar", "cbar", "mbar", "mmHg", "inHg", "inH₂O", "psi"},
    "voltage": {"V", "mV", "µV", "kV", "MV"},
    "current": {"A", "mA"},
    "power": {"mW", "W", "kW", "MW", "GW", "TW"},
    "energy": {"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal"},
    "duration": {"d", "h", "min", "s", "ms"},
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "apparent_power": {"VA"},
    "reactive_power": {"var"},
}
TOTALS = {"energy"}
"""Classes of what a meter counts: they are no measurement."""

DEVICE = {
    "type": "object",
    "properties": {
        "identifiers": {"type": "array", "items": TEXT, "minItems": 1},
        **dict.fromkeys(("name", "manufacturer", "model", "model_id", "hw_version", "sw_version", "serial_number"), TEXT),
        **dict.fromkeys(("suggested_area", "via_device", "configuration_url"), TEXT),
    },
    "required": ["identifiers"],
    "additionalProperties": False,
}
ORIGIN = {
    "type": "object",
    "properties": dict.fromkeys(("name", "sw_version", "support_url"), TEXT),
    "required": ["name"],
    "additionalProperties": False,
}
AVAILABILITY = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": dict.fromkeys(("topic", "payload_available", "payload_not_available", "value_template"), TEXT),
        "required": ["topic"],
        "additionalProperties": False,
    },
}
COMMON = {
    **dict.fromkeys(("name", "unique_id", "state_topic", "value_template", "json_attributes_topic", "icon", "object_id"), TEXT),
    "availability": AVAILABILITY,
    "availability_mode": {"enum": ["all", "any", "latest"]},
    "device": DEVICE,
    "origin": ORIGIN,
    "expire_after": {"type": "integer", "minimum": 1},
    "qos": {"enum": [0, 1, 2]},
}
ENTITY = {
    "sensor": COMMON
    | {
        "unit_of_measurement": TEXT,
        "device_class": {"enum": sorted(UNITS)},
        "state_class": {"enum": ["measurement", "total", "total_increasing"]},
    },
    "binary_sensor": COMMON | {"payload_on": TEXT, "payload_off": TEXT},
}


def discovered(topic: str, payload: bytes) -> dict[str, Any]:
    """Return the entity that an announcement makes.

    Raises:
        AssertionError, jsonschema.ValidationError: Home Assistant would not take it.
    """
    match = TOPIC.fullmatch(topic)
    assert match, f"{topic} is no discovery topic"
    entity: dict[str, Any] = json.loads(payload)
    schema = {
        "type": "object",
        "properties": ENTITY[match["component"]],
        "required": ["state_topic", "unique_id", "device"],
        "additionalProperties": False,
    }
    jsonschema.validate(entity, schema)
    kind = entity.get("device_class")
    if kind:
        assert entity["unit_of_measurement"] in UNITS[kind], f"{kind} is not measured in {entity['unit_of_measurement']}"
        assert (entity["state_class"] == "measurement") == (kind not in TOTALS), f"{kind} is no {entity['state_class']}"
    if "state_class" in entity:
        assert match["component"] == "sensor"
    return entity | {"component": match["component"]}


def state(entity: dict[str, Any], standing: dict[str, bytes]) -> str | None:
    """Return what Home Assistant shows of an entity by what stands at the broker: `unavailable`, `unknown` or a state."""
    for source in entity["availability"]:
        payload = standing.get(source["topic"])
        if payload is None or rendered(source.get("value_template"), payload) != "online":
            return "unavailable"
    payload = standing.get(entity["state_topic"])
    if payload is None:
        return "unknown"
    shown = rendered(entity["value_template"], payload)
    if shown == "None":
        return "unknown"
    if entity["component"] == "binary_sensor":
        return {"ON": "on", "OFF": "off"}[shown]
    if "state_class" in entity or "unit_of_measurement" in entity:
        float(shown)  # a number is wanted
    assert len(shown) <= 255
    return shown


def rendered(template: str | None, payload: bytes) -> str:
    """Return what a template makes of a payload."""
    if template is None:
        return payload.decode()
    told = json.loads(payload)
    value = told["value"]
    forms = {
        "{{ value_json.value }}": lambda: str(value),
        "{{ (value_json.value | string)[:255] }}": lambda: str(value)[:255],
        "{{ 'offline' if value_json.quality == 'bad' else 'online' }}": lambda: "offline" if told["quality"] == "bad" else "online",
        "{{ 'None' if value_json.value is none else 'ON' if value_json.value else 'OFF' }}": lambda: (
            "None" if value is None else "ON" if value else "OFF"
        ),
    }
    return forms[template]()
