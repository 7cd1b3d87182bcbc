"""What every part of the configuration is made of: the base of all structs, names, and references to secrets."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Name = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_.-]+$", min_length=1, max_length=64, description="letters, digits, '-', '_' and '.'"),
]


class Spec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that is written in YAML."""


class SecretRef(Spec, frozen=True, kw_only=True):
    """A reference to a secret: a systemd credential, else a file with mode 0600, else an environment variable of that name."""

    secret: Annotated[Name, Meta(description="name of the secret; the value never stands in a YAML file", examples=["mqtt"])]
