"""JSON Schema (draft 7, which editors understand) of `site.yaml`, `share.yaml` and profiles, made from the structs of the check."""

from __future__ import annotations

import enum
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from gateway.config.build import fields_of
from gateway.config.profile import ProfileSpec
from gateway.config.spec import Connection, MachineSpec, ShareFile, Site
from gateway.driver import Plugin, find, schemes

Schema = dict[str, Any]

Kind = Literal["site", "share", "profile"]

_TITLES = {
    "site": "site.yaml of the retrofit gateway",
    "share": "share.yaml of the retrofit gateway",
    "profile": "a profile of the retrofit gateway: what is known about a device",
}
_BASE = "https://json-schema.org/draft-07/schema"
_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "description": "description",
}


def schema(kind: Kind = "site", served: Iterable[str] | None = None) -> Schema:
    """Return the JSON Schema of one kind of file.

    Args:
        kind: which file.
        served: URL schemes whose drivers' options and points go into it; default: all that are installed.
    """
    making = _Making()
    schemes_ = tuple(schemes() if served is None else served)
    root = making.profile(schemes_) if kind == "profile" else making.mapping(Site if kind == "site" else ShareFile)
    if kind == "site":
        making.machines(root, schemes_)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": _TITLES[kind], **root, "definitions": making.definitions}


class _Making:
    """One schema in the making; every struct becomes a definition once."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type that a field of a spec may have."""
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._reference(kind)
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            inner = self.of(args[0])
            for meta in args[1:]:
                inner = _limited(inner, meta) if isinstance(meta, Meta) else inner
            return inner
        if origin in {Union, types.UnionType}:
            return self._union(args)
        if origin is Literal:
            return {"enum": list(args)}
        if (origin or kind) in {list, tuple}:
            return {"type": ["array", "null"] if origin is not tuple else "array", "items": self.of(args[0])}
        if (origin or kind) is dict:
            return self._dict(args)
        if hasattr(kind, "parse"):
            return dict(kind.schema()) if hasattr(kind, "schema") else {"type": ["string", "number", "boolean"]}
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return {"enum": [member.value for member in kind]}
        simple = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
        return {"type": simple[kind]} if kind in simple else {}

    def mapping(self, *structs: type[Struct], required: Iterable[str] | None = None) -> Schema:
        """Return the schema of a mapping with the keys of all `structs` and no others; a key of several may be any of them."""
        fields = {key: field for struct in reversed(structs) for key, field in fields_of(struct).items()}
        properties: dict[str, list[Schema]] = {key: [] for key in fields}
        for struct in structs:
            for key, field in fields_of(struct).items():
                if (form := self._field(field)) not in properties[key]:
                    properties[key].append(form)
        made: Schema = {
            "type": "object",
            "properties": {key: forms[0] if len(forms) == 1 else {"anyOf": forms} for key, forms in properties.items()},
        }
        made["required"] = [key for key, field in fields.items() if field.required and (required is None or key in required)]
        made["additionalProperties"] = False
        if structs[0].__doc__:
            made = {"description": _first(structs[0].__doc__), **made}
        return made

    def machines(self, root: Schema, served: tuple[str, ...]) -> None:
        """Put the machines and connections of these drivers into the schema of a site file."""
        plugins = {find(scheme).name: find(scheme) for scheme in served}
        choice: Schema = self._named(list(plugins.values()))
        lines: Schema = {"$ref": "#/definitions/connection"}
        self.definitions["connection"] = self.mapping(Connection) | {"additionalProperties": True}
        for plugin in reversed(plugins.values()):
            own = [scheme for scheme in plugin.schemes if scheme in served]
            pattern = rf"^({'|'.join(scheme.replace('.', '[.]') for scheme in own)}):"
            name = f"machine-on-{plugin.name}"
            options = [*fields_of(plugin.link), *fields_of(plugin.unit)]
            machine = self.mapping(MachineSpec, plugin.unit, plugin.link, required=set(fields_of(MachineSpec)) - set(options))
            machine["properties"]["connect"] |= {"examples": [f"{scheme}:{'' if scheme == 'replay' else '//'}…" for scheme in own]}
            machine["properties"]["points"] = self._points([plugin])
            self.definitions[name] = machine
            choice = _switch("connect", pattern, {"$ref": f"#/definitions/{name}"}, choice)
            line = f"connection-of-{plugin.name}"
            self.definitions[line] = self.mapping(Connection, plugin.link, required={"url"})
            lines = _switch("url", pattern, {"$ref": f"#/definitions/{line}"}, lines)
        root["properties"]["machines"] |= {"items": {"type": "object", **choice}}
        root["properties"]["connections"] |= {"additionalProperties": {"type": "object", **lines}}

    def profile(self, served: tuple[str, ...]) -> Schema:
        """Return the schema of a profile: its own keys, and the options and points of these drivers."""
        plugins = list({find(scheme).name: find(scheme) for scheme in served}.values())
        options = [struct for plugin in plugins for struct in (plugin.unit, plugin.link)]
        root = self.mapping(ProfileSpec, *options, required=set(fields_of(ProfileSpec)))
        root["properties"]["points"] = self._points(plugins)
        return root

    def _named(self, plugins: list[Plugin]) -> Schema:
        """Return the schema of a machine on a named connection, or without `connect:` yet: any driver's options."""
        machine = self.mapping(MachineSpec, *(plugin.unit for plugin in plugins), required=set(fields_of(MachineSpec)))
        machine["properties"]["points"] = self._points(plugins)
        self.definitions["machine-on-a-connection"] = machine
        return {"$ref": "#/definitions/machine-on-a-connection"}

    def _points(self, plugins: list[Plugin]) -> Schema:
        kinds = [self.of(plugin.point) for plugin in plugins]
        points = self._field(fields_of(MachineSpec)["points"])
        # a profile may bring what a point needs, so nothing is required of it here
        for kind in kinds:
            self.definitions[kind["$ref"].rsplit("/", 1)[1]].pop("required", None)
        return points | {"additionalProperties": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}

    def _field(self, field: msgspec.structs.FieldInfo) -> Schema:
        made = self.of(field.type)
        default = field.default
        default = default.written if hasattr(default, "written") else default
        if type(default) in {str, int, float, bool} and default != "":
            made = {**_wrapped(made), "default": default}
        return made

    def _reference(self, struct: type[Struct]) -> Schema:
        name = struct.__name__
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.mapping(struct)
        return {"$ref": f"#/definitions/{name}"}

    def _union(self, args: tuple[Any, ...]) -> Schema:
        members = [self.of(arg) for arg in args if arg is not type(None)]
        if type(None) not in args:
            return {"anyOf": members}
        if len(members) == 1 and isinstance(members[0].get("type"), str) and "enum" not in members[0]:
            return {**members[0], "type": [members[0]["type"], "null"]}
        return {"anyOf": [*members, {"type": "null"}]}

    def _dict(self, args: tuple[Any, ...]) -> Schema:
        made: Schema = {"type": ["object", "null"], "additionalProperties": self.of(args[1])}
        keys = self.of(args[0])
        if keys.get("type") == "integer":
            made["propertyNames"] = {"pattern": "^-?[0-9]+$"}
        elif "pattern" in keys:
            made["propertyNames"] = {key: keys[key] for key in ("pattern", "minLength", "maxLength") if key in keys}
        return made


def _switch(key: str, pattern: str, then: Schema, otherwise: Schema) -> Schema:
    return {
        "if": {"properties": {key: {"type": "string", "pattern": pattern}}, "required": [key]},
        "then": then,
        "else": otherwise,
    }


def _limited(inner: Schema, meta: Meta) -> Schema:
    made = _wrapped(inner)
    for attribute, keyword in _LIMITS.items():
        value = getattr(meta, attribute)
        if value is not None:
            if "array" in (made.get("type") or ""):
                keyword = {"minLength": "minItems", "maxLength": "maxItems"}.get(keyword, keyword)
            made[keyword] = value
    if meta.examples:
        made["examples"] = [_plain(example) for example in meta.examples]
    if made.get("minItems"):
        made["type"] = "array"
    return made


def _wrapped(inner: Schema) -> Schema:
    """Return a copy that can take further keywords: beside `$ref`, draft 7 ignores them."""
    return {"allOf": [inner]} if "$ref" in inner else dict(inner)


def _plain(value: Any) -> Any:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else value


def _first(text: str) -> str:
    return " ".join(text.strip().split("\n\n")[0].split())
