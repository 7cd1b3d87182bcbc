"""Secrets: a systemd credential, else a file with mode 0600, else the environment. Their values never stand in YAML or in a log."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from gateway.redaction import redact

SYSTEM_FOLDER = Path("/etc/retrofit-gateway/secrets")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_LONGEST = 65_536


class SecretMissing(Exception):  # noqa: N818  (a user's mistake, not a fault)
    """A secret is nowhere, or may not be used where it is; the text names all places and what to do."""


class Secret(str):
    """The value of a secret: a str whose repr is `***`, so that a struct or a traceback that holds it does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


def environment_name(name: str) -> str:
    """Return the environment variable of a secret: `GATEWAY_SECRET_` and the name in capitals, `-` and `.` as `_`."""
    return "GATEWAY_SECRET_" + name.upper().replace("-", "_").replace(".", "_")


def read_secret(name: str, base: Path | None = None) -> Secret:
    """Return the value of a secret without one line break at its end, and register it so that no log line shows it.

    Looked for in this order: `$CREDENTIALS_DIRECTORY/NAME` (systemd), the file `secrets/NAME` in `base` (the folder of the site
    file), `/etc/retrofit-gateway/secrets/NAME`, the environment variable `GATEWAY_SECRET_NAME` (see `environment_name`).

    Raises:
        SecretMissing: it is in none of these places, it is empty, or others may read its file.
    """
    if not _NAME.fullmatch(name):
        raise SecretMissing("this is not the name of a secret: use letters, digits, '-', '_' and '.'")
    places = []
    if credentials := os.environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(credentials) / name
        places.append(str(path))
        if path.is_file():
            return _ready(name, _text(path, name, private=False), str(path))
    for folder in ([base / "secrets"] if base is not None else []) + [SYSTEM_FOLDER]:
        path = folder / name
        places.append(str(path))
        if path.is_file():
            return _ready(name, _text(path, name, private=True), str(path))
    variable = environment_name(name)
    places.append(f"${variable}")
    if (value := os.environ.get(variable)) is not None:
        return _ready(name, value, f"${variable}")
    where = str(base / "secrets" / name) if base is not None else str(SYSTEM_FOLDER / name)
    raise SecretMissing(
        f"secret '{name}' is missing; looked in {', '.join(places)}; write its value into {where} and run: chmod 600 {where}"
    )


def _text(path: Path, name: str, *, private: bool) -> str:
    try:
        with path.open("rb") as stream:
            # asked of the open file, so that it is the one that is read
            mode = os.fstat(stream.fileno()).st_mode
            if private and stat.S_IMODE(mode) & 0o077:
                raise SecretMissing(
                    f"secret '{name}': others may read {path} (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
                )
            data = stream.read(_LONGEST + 1)
    except OSError as error:
        cure = "it must belong to the user the gateway runs as" if isinstance(error, PermissionError) else "see the file"
        raise SecretMissing(f"secret '{name}': {path} cannot be read: {error.strerror}; {cure}") from None
    if len(data) > _LONGEST:
        raise SecretMissing(f"secret '{name}': {path} is larger than {_LONGEST // 1024} KiB; this is no secret")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretMissing(f"secret '{name}': {path} is not UTF-8 text") from None


def _ready(name: str, value: str, place: str) -> Secret:
    value = value[:-2] if value.endswith("\r\n") else value.removesuffix("\n")
    if not value:
        raise SecretMissing(f"secret '{name}': {place} is empty; write its value into it")
    redact(value)
    return Secret(value)
