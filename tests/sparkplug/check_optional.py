"""Checks of two optional groups that the gateway makes use of: aliases, and the properties of metrics."""

from __future__ import annotations

from collections.abc import Callable

from tests.sparkplug.check_sessions import BDSEQ
from tests.sparkplug.payload import INT32, PROPERTY_SET, PROPERTY_SET_LIST, TEXT, Metric, Property
from tests.sparkplug.rules import Check, MetricRule, each, metric, metrics
from tests.sparkplug.view import REBIRTH, Message

QUALITIES = (0, 192, 500)


def _unique(message: Message) -> str | None:
    """No alias twice in a birth, and none that another device or the node has."""
    device = message.place.device
    taken = {alias: where for alias, where in message.aliases.items() if where[0] != device}
    for found in message.payload.metrics:
        if found.alias is None:
            continue
        if found.alias in taken:
            return f"alias {found.alias} of {found.name} is that of {taken[found.alias]}"
        taken[found.alias] = device, found.name or ""
    return "" if any(found.alias is not None for found in message.payload.metrics) else None


def _both(message: Message, found: Metric) -> str | None:
    """A name and an alias; but not where no data ever goes by it: `bdSeq` and commands, which hosts look up by name."""
    if found.name == BDSEQ or (found.name or "").startswith("Node Control/"):
        return None
    missing = [word for word, there in (("name", found.name), ("alias", found.alias is not None)) if not there]
    return f"no {', no '.join(missing)}" if missing else ""


def _alias_only(message: Message, found: Metric) -> str:
    if found.name is not None:
        return "the name is there"
    return "no alias" if found.alias is None else ""


def _no_alias(message: Message, found: Metric) -> str:
    return "" if found.alias is None else f"alias {found.alias}"


def _same_length(message: Message, found: Metric) -> str | None:
    if found.properties is None:
        return None
    keys, values = len(found.properties.keys), len(found.properties.values)
    return "" if keys == values else f"{keys} keys and {values} values"


def _of_values(rule: Callable[[Property], str], quality: bool = False) -> MetricRule:
    """Apply a rule to the values of all properties, or of the quality alone."""

    def of_metric(message: Message, found: Metric) -> str | None:
        if found.properties is None:
            return None
        pairs = zip(found.properties.keys, found.properties.values, strict=False)
        values: list[Property] = [value for key, value in pairs if not quality or key == "Quality"]
        return "; ".join(filter(None, map(rule, values))) if values else None

    return of_metric


def _has_type(value: Property) -> str:
    return "" if value.type is not None else "a property without a type"


def _type_is_uint32(value: Property) -> str:
    return "" if value.type is None or value.type < 1 << 32 else f"type {value.type}"


def _type_is_known(value: Property) -> str:
    known = value.type is None or 1 <= value.type <= TEXT or value.type in {PROPERTY_SET, PROPERTY_SET_LIST}
    return "" if known else f"type {value.type}"


def _quality_type(value: Property) -> str:
    return "" if value.type == INT32 else f"quality of type {value.type}"


def _quality_value(value: Property) -> str:
    return "" if value.field == "int" and value.value in QUALITIES else f"quality {value.value} in {value.field}_value"


_EVERYWHERE = "NBIRTH DBIRTH NDATA DDATA"

CHECKS: dict[str, Check] = {
    "payloads-alias-uniqueness": each("NBIRTH DBIRTH", _unique),
    "payloads-alias-birth-requirement": each("NBIRTH DBIRTH", metrics(_both)),
    "payloads-alias-data-cmd-requirement": each("NDATA DDATA", metrics(_alias_only)),
    "operational-behavior-data-commands-rebirth-name-aliases": each("NBIRTH", metric(REBIRTH, _no_alias)),
    "payloads-propertyset-keys-array-size": each(_EVERYWHERE, metrics(_same_length)),
    "payloads-propertyset-values-array-size": each(_EVERYWHERE, metrics(_same_length)),
    "payloads-metric-propertyvalue-type-req": each("NBIRTH DBIRTH", metrics(_of_values(_has_type))),
    "payloads-metric-propertyvalue-type-type": each(_EVERYWHERE, metrics(_of_values(_type_is_uint32))),
    "payloads-metric-propertyvalue-type-value": each(_EVERYWHERE, metrics(_of_values(_type_is_known))),
    "payloads-propertyset-quality-value-type": each(_EVERYWHERE, metrics(_of_values(_quality_type, quality=True))),
    "payloads-propertyset-quality-value-value": each(_EVERYWHERE, metrics(_of_values(_quality_value, quality=True))),
}
