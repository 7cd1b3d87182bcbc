"""From a YAML tree to the structs of `spec`: every problem at once, each at its place. The types are the only declaration.

A builder is a function `(node, found) -> value`; it reports to `found` and returns `BAD` when there is no value. Builders
are made once per type, so checking a thousand points costs a few dictionary look-ups each.
"""

from __future__ import annotations

import enum
import functools
import types
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo

from gateway.config import values
from gateway.config.found import BAD, HOW_TO_KEEP_SECRETS, Bad, Builder, Found
from gateway.config.node import Entry, Mapping, Node, Scalar, Sequence
from gateway.config.problem import looks_secret
from gateway.config.spec import SecretRef
from gateway.config.words import in_flow, meant, nearest, quoted

_META = ("ge", "gt", "le", "lt", "multiple_of", "pattern", "min_length", "max_length", "description", "examples")


def build(kind: Any, node: Node, found: Found) -> Any:
    """Return `node` as a `kind` (a struct, or any type a field of `spec` may have), or BAD."""
    return builder(kind)(node, found)


@functools.cache
def fields_of(struct: type[Struct]) -> dict[str, FieldInfo]:
    """Return the fields of a struct by the name they have in YAML."""
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def builder(kind: Any, meta: Meta | None = None) -> Builder:
    """Return the builder for a type."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _struct(kind)
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return builder(args[0], meta_of(kind) or meta)
    if origin in {Union, types.UnionType}:
        return _union(args, meta)
    if origin is Literal:
        return values.choice({value: value for value in args})
    if origin is list or kind is list:
        return _list(builder(args[0] if args else Any), meta)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return _tuple(_list(builder(args[0]), meta))
    if origin is dict or kind is dict:
        return _dict(builder(args[0] if args else Any), builder(args[1] if args else Any))
    if hasattr(kind, "parse"):
        return values.parsed(kind.parse)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return values.choice({member.value: member for member in kind})
    simple: dict[Any, Builder] = {
        str: values.text(meta),
        int: values.whole(meta),
        float: values.number(meta),
        bool: values.flag,
        Any: lambda node, _: node,
    }
    if kind in simple:
        return simple[kind]
    raise TypeError(f"a spec cannot hold {kind!r}; see gateway.config.spec")


@functools.cache
def _struct(struct: type[Struct]) -> Builder:
    # made on the first use, so that structs may contain themselves
    @functools.cache
    def parts() -> dict[str, tuple[str, Builder, bool]]:
        return {key: (f.name, builder(f.type), _collects(f.type)) for key, f in fields_of(struct).items()}

    required = {key: f for key, f in fields_of(struct).items() if f.required}
    cross = getattr(struct, "problems", None)

    def build_struct(node: Node, found: Found) -> Any:
        if not isinstance(node, Mapping):
            return _no_mapping(struct, required, node, found)
        built: dict[str, Any] = {}
        good = True
        unknown: list[Entry] = []
        known = parts()
        for key, entry in node.entries.items():
            part = known.get(cast("str", key))
            if part is None:
                unknown.append(entry)
                continue
            name, make, collects = part
            if collects and isinstance(entry.value, Scalar) and entry.value.value is None and not entry.value.loose:
                continue  # `points:` with everything below it commented out is as good as none
            value = make(entry.value, found)
            if value is BAD:
                good = False
            else:
                built[name] = value
        if unknown:
            good = False
            _unknown(node, unknown, known, found)
        missing = [key for key in required if key not in node.entries]
        if missing:
            good = False
            guessed = {"secret" if looks_secret(entry.key.text) else nearest(entry.key.text, known) for entry in unknown}
            for key in missing:
                if key not in guessed:
                    found.error(node.place, f"missing key '{key}'{_explained(required[key])}{node.cure}")
        if not good:
            return BAD
        try:
            result = struct(**built)
        except (ValueError, TypeError) as error:
            found.error(node.place, str(error))
            return BAD
        if cross is not None:
            for key, sentence in result.problems():  # type: ignore[attr-defined]
                good = False
                at = node.entries.get(key)
                found.error(at.value if at else node.place, f"'{key}' {sentence}" if key and key not in sentence else sentence)
        return result if good else BAD

    return build_struct


def _no_mapping(struct: type[Struct], required: dict[str, FieldInfo], node: Node, found: Found) -> Bad:
    if struct is SecretRef:
        if isinstance(node, Scalar):
            node.secret = True
            if source := found.sources.get(node.file):
                source.hide(node.line, node.column, node.text)
        found.error(node, HOW_TO_KEEP_SECRETS)
        return BAD
    example = ", ".join(f"{key}: …" for key in required) or f"{next(iter(fields_of(struct)), 'key')}: …"
    if isinstance(node, Scalar) and node.value is not None and len(required) == 1 and not node.secret:
        return found.wrong(node, "a mapping", f"; did you mean {{{next(iter(required))}: {in_flow(node.text)}}}?")
    return found.wrong(node, f"a mapping such as {{{example}}}")


def _unknown(node: Mapping, unknown: list[Entry], known: dict[str, Any], found: Found) -> None:
    entries = list(node.entries.values())
    for entry in unknown:
        report_unknown(entry, known, found, before=entries[entries.index(entry) - 1] if entries[0] is not entry else None)


def report_unknown(entry: Entry, known: Any, found: Found, *, before: Entry | None = None) -> None:
    """Report a key that does not exist: a password, a decimal comma, or a slip of the pen."""
    key = entry.key
    if looks_secret(key.text) and isinstance(entry.value, Scalar):
        cure = HOW_TO_KEEP_SECRETS.replace("{secret: NAME}", "secret: NAME") if "secret" in known else HOW_TO_KEEP_SECRETS
        found.error(key, f"'{key.text}': {cure}")
    elif before and key.text.isdigit() and isinstance(entry.value, Scalar) and not entry.value.text and _is_whole(before.value):
        number = f"{cast('Scalar', before.value).text}.{key.text}"
        found.error(key, f"a comma separates keys here; did you mean {number}, with a decimal point?")
    else:
        found.error(key, f"unknown key {quoted(key.text)}{meant(key.text, known)}")


def _is_whole(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, int)


def _explained(field: FieldInfo) -> str:
    meta = meta_of(field.type)
    if meta is None:
        return ""
    example = f", for example {meta.examples[0]}" if meta.examples and isinstance(meta.examples[0], str | int | float) else ""
    return f": {meta.description}{example}" if meta.description else example


def meta_of(kind: Any) -> Meta | None:
    """Return what an Annotated type says; nested ones (a Name with a description of its own) are taken together."""
    metas = [extra for extra in get_args(kind)[1:] if isinstance(extra, Meta)] if get_origin(kind) is Annotated else []
    said = {name: value for meta in metas for name in _META if (value := getattr(meta, name)) is not None}
    return Meta(**said) if said else None


def _collects(kind: Any) -> bool:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return (get_origin(kind) or kind) in {list, dict}


def _list(item: Builder, meta: Meta | None) -> Builder:
    least = (meta.min_length if meta else None) or 0
    most = meta.max_length if meta else None

    def build_list(node: Node, found: Found) -> Any:
        if not isinstance(node, Sequence):
            cure = f"; did you mean [{in_flow(node.text)}]?" if isinstance(node, Scalar) and node.text and not node.secret else ""
            if isinstance(node, Mapping):
                cure = "; begin each entry with '- '"
            return found.wrong(node, "a list", cure)
        if len(node.items) < least:
            found.error(node, "the list is empty; it needs an entry" if least == 1 else f"the list needs {least} entries")
            return BAD
        if most is not None and len(node.items) > most:
            found.error(node, f"the list has {len(node.items)} entries, at most {most} are possible")
            return BAD
        items = [item(child, found) for child in node.items]
        return BAD if BAD in items else items

    return build_list


def _tuple(make: Builder) -> Builder:
    def build_tuple(node: Node, found: Found) -> Any:
        items = make(node, found)
        return BAD if items is BAD else tuple(items)

    return build_tuple


def _dict(key_of: Builder, value_of: Builder) -> Builder:
    def build_dict(node: Node, found: Found) -> Any:
        if not isinstance(node, Mapping):
            return found.wrong(node, "a mapping", "; write 'name: value' pairs" if isinstance(node, Sequence) else "")
        pairs = [(key_of(entry.key, found), value_of(entry.value, found)) for entry in node.entries.values()]
        return BAD if any(BAD in (key, value) for key, value in pairs) else dict(pairs)

    return build_dict


def _misfit(attempt: Found) -> bool:
    return all(problem.message.startswith("expected ") for problem in attempt.problems)


def _union(args: tuple[Any, ...], meta: Meta | None) -> Builder:
    members = [arg for arg in args if arg is not type(None)]
    optional = len(members) < len(args)
    makes = [builder(member, meta) for member in members]

    def build_union(node: Node, found: Found) -> Any:
        if optional and isinstance(node, Scalar) and node.value is None:
            if node.text or node.loose:
                return None
            cure = (
                "what follows ' #' is a comment; put the value in quotes" if node.comment else "leave the key out, or give it one"
            )
            found.error(node, f"no value stands here; {cure}")
            return BAD
        attempts = []
        for make in makes:
            attempt = Found()
            attempt.sources = found.sources
            value = make(node, attempt)
            if value is not BAD:
                found.problems += attempt.problems
                return value
            attempts.append(attempt)
        # the attempt that came furthest has the most to say about what was meant, the least one that wanted another kind of thing
        best = max(attempts, key=lambda attempt: (not _misfit(attempt), max((p.line, p.column) for p in attempt.problems)))
        found.problems += best.problems
        return BAD

    return makes[0] if len(makes) == 1 and not optional else build_union
