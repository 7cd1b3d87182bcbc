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
    """A secret is nowhere, or may not be used where it is: `message` says where it was looked for, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return message and hint as one line."""
        return f"{self.message}; {self.hint}"


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
        raise SecretMissing("this is not the name of a secret", "use letters, digits, '-', '_' and '.'")
    places: list[str] = []
    if credentials := os.environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(credentials) / name
        if _is_there(path, name, places):
            return _ready(name, _text(path, name, private=False), str(path))
    for folder in ([base / "secrets"] if base is not None else []) + [SYSTEM_FOLDER]:
        path = folder / name
        if _is_there(path, name, places):
            return _ready(name, _text(path, name, private=True), str(path))
    variable = environment_name(name)
    places.append(f"${variable}")
    if (value := os.environ.get(variable)) is not None:
        return _ready(name, value, f"${variable}")
    where = str(base / "secrets" / name) if base is not None else str(SYSTEM_FOLDER / name)
    raise SecretMissing(
        f"secret '{name}' is missing; looked in {', '.join(places)}", f"write its value into {where} and run: chmod 600 {where}"
    )


def _is_there(path: Path, name: str, places: list[str]) -> bool:
    """Say whether a file stands at a place, and note the place; what is no file is told, else it is looked for elsewhere."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        places.append(f"{path} (this user may not look there)")
        return False
    except OSError:
        places.append(str(path))
        return False
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is not an ordinary file"
        raise SecretMissing(f"secret '{name}': {path} {what}", "put a file there that holds the value and nothing else")
    return True


def _unreadable(path: Path, name: str, error: OSError) -> SecretMissing:
    cure = "it must belong to the user the gateway runs as" if isinstance(error, PermissionError) else f"see ls -l {path}"
    return SecretMissing(f"secret '{name}': {path} cannot be read: {error.strerror}", cure)


def _text(path: Path, name: str, *, private: bool) -> str:
    try:
        with path.open("rb") as stream:
            # asked of the open file, so that it is the one that is read
            mode = os.fstat(stream.fileno()).st_mode
            if private and stat.S_IMODE(mode) & 0o077:
                message = f"secret '{name}': others may read {path} (mode {stat.S_IMODE(mode):04o})"
                raise SecretMissing(message, f"run: chmod 600 {path}")
            data = stream.read(_LONGEST + 1)
    except OSError as error:
        raise _unreadable(path, name, error) from None
    if len(data) > _LONGEST:
        raise SecretMissing(
            f"secret '{name}': {path} is larger than {_LONGEST // 1024} KiB", "this is no secret; store its value alone"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretMissing(f"secret '{name}': {path} is not UTF-8 text", "save it as UTF-8") from None


def _ready(name: str, value: str, place: str) -> Secret:
    value = value[:-2] if value.endswith("\r\n") else value.removesuffix("\n")
    if not value:
        raise SecretMissing(f"secret '{name}': {place} is empty", "write its value into it")
    redact(value)
    return Secret(value)
