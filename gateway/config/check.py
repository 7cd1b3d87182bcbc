"""`gateway check`: a site file and what belongs to it, all problems at once, offline; it never raises."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from msgspec import Struct

from gateway.config.budget import loads
from gateway.config.build import build
from gateway.config.connection import Lines
from gateway.config.contract import is_contract, read_contract, site_of
from gateway.config.derived import check_tellers
from gateway.config.files import check_files
from gateway.config.found import BAD, Found
from gateway.config.host import is_loopback
from gateway.config.load import load
from gateway.config.machine import Machines
from gateway.config.neighbours import check_neighbours
from gateway.config.node import Mapping, Node, Scalar, Sequence
from gateway.config.outcome import Outcome
from gateway.config.problem import Problem, Source, tidy
from gateway.config.profile import Profiles
from gateway.config.sensor import check_speeds
from gateway.config.spec import COOPERATIVE, LIVE, Config, Machine, Site, Uplink


class Checked(Struct, frozen=True):
    """What a check found: the configuration (None when there is an error), the problems in order, the texts they are in."""

    config: Config | None
    problems: tuple[Problem, ...]
    sources: dict[str, Source]


def check(path: str | Path) -> Checked:
    """Check `path`, the contract beside it and the profiles it names; relative names in messages are as `path` was given."""
    shown = Path(path)
    site = shown.absolute()
    found = Found()
    loaded = load(site, str(shown))
    found.sources[loaded.source.file] = loaded.source
    found.problems += loaded.problems
    config = None
    if isinstance(loaded.root, Mapping) and is_contract(loaded.root):
        words = "this is a contract (what may leave), which is checked with the site file it belongs to"
        found.error(loaded.root, f"{words}: gateway check {site_of(shown)}")
    elif isinstance(loaded.root, Mapping):
        config = _site(loaded.root, site, shown, found)
    elif loaded.root is not None:
        found.error(loaded.root, "a site file is a mapping; it begins with 'site: NAME' and 'gateway: NAME'")
    elif not loaded.problems:
        found.error(Node(str(shown), 1, 1), "the file is empty; it needs at least 'site: NAME' and 'gateway: NAME'")
    problems = tidy(found.problems, found.sources)
    good = config is not None and all(problem.level == "warning" for problem in problems)
    return Checked(config if good else None, problems, found.sources)


def _site(root: Mapping, site: Path, shown: Path, found: Found) -> Config | None:
    base = site.parent.resolve()
    spec = build(Site, root, found)
    lines = Lines(_value(root, "connections"), str(base), found)
    machines = Machines(lines, Profiles(base, shown.parent), str(base), found)
    outcomes = _machines(_value(root, "machines"), machines, found)
    lines.unused()
    _no_machines(root, found)
    check_neighbours(outcomes, found)
    check_speeds(outcomes, found)
    check_tellers(outcomes, found)
    uplinks = _uplinks(root, spec, found)
    check_files(outcomes, uplinks, root, base, found)
    named = uplinks or _recipients(root)
    contract = read_contract(site, shown, outcomes, named, found, "" if spec is BAD else spec.gateway)
    if spec is BAD or contract is None or any(outcome.machine is None for outcome in outcomes):
        return None
    ready = {outcome.name: outcome.machine for outcome in outcomes if outcome.machine is not None}
    _overruns(ready, outcomes, lines, found)
    return Config(spec.site, spec.gateway, str(site), ready, uplinks, contract, spec.metrics)


def _machines(node: Node | None, machines: Machines, found: Found) -> list[Outcome]:
    outcomes: list[Outcome] = []
    first: dict[str, Node] = {}
    for item in node.items if isinstance(node, Sequence) else ():
        outcome = machines.check(item)
        if outcome is None:
            continue
        outcomes.append(outcome)
        if outcome.name and outcome.name in first:
            line = first[outcome.name].line
            found.error(
                outcome.key, f"the name '{outcome.name}' is taken by the machine at line {line}; every machine needs its own"
            )
        first.setdefault(outcome.name, outcome.key)
    return outcomes


def _overruns(ready: dict[str, Machine], outcomes: list[Outcome], lines: Lines, found: Found) -> None:
    """Warn of connections whose machines together need more time than their periods give them."""
    for busy in loads(ready.values()):
        if words := busy.overrun:
            longest = max(busy.groups, key=lambda group: group.share)
            key = next(outcome.key for outcome in outcomes if outcome.name == longest.machine)
            found.warning(lines.key(busy.link) or key, words)


def _no_machines(root: Mapping, found: Found) -> None:
    """Warn of a list of machines in which none stands; without the key nothing was meant to be read."""
    entry = root.entries.get("machines")
    if entry and (isinstance(entry.value, Sequence) and not entry.value.items):
        words = "no machine stands here, so nothing is read"
        found.warning(
            entry.key, f"{words}; add one: machines: [{{name: press-1, connect: 'modbus-tcp://10.0.0.21', points: {{…}}}}]"
        )


def _uplinks(root: Mapping, spec: Site | object, found: Found) -> dict[str, Uplink]:
    """Return the recipients by name; `uplink:` is the one called cooperative."""
    single, several = root.entries.get("uplink"), _value(root, "uplinks")
    if single and isinstance(several, Mapping) and COOPERATIVE in several.entries:
        words = f"the recipient '{COOPERATIVE}' stands here and under 'uplink:' (line {single.key.line}); keep one"
        found.error(several.entries[COOPERATIVE].key, words)
    if isinstance(several, Mapping) and LIVE in several.entries:
        words = (
            f"the name '{LIVE}' is reserved: it would give the client id of the live lane; choose another, for example '{LIVE}-1'"
        )
        found.error(several.entries[LIVE].key, words)
    if not isinstance(spec, Site):
        return {}
    uplinks = {COOPERATIVE: spec.uplink, **spec.uplinks} if spec.uplink else dict(spec.uplinks)
    for name, uplink in uplinks.items():
        node = several.entries[name].value if isinstance(several, Mapping) and name in several.entries else _value(root, "uplink")
        _open_password(uplink, cast("Sequence", _value(cast("Mapping", node), "broker")), found)
    return uplinks


def _open_password(uplink: Uplink, brokers: Sequence, found: Found) -> None:
    """Warn of a password that everybody on the way can read."""
    for url, node in zip(uplink.broker, brokers.items, strict=True):
        if uplink.credentials and not url.tls and not is_loopback(url.host):
            words = f"user and password go to {url.host} unencrypted, for everybody on the network to read"
            found.warning(node, f"{words}; write '{url.encrypted}' if the broker can do TLS")


def _recipients(root: Mapping) -> list[str]:
    """Return the recipients a file names, also where something is wrong with them."""
    uplink, uplinks = _value(root, "uplink"), _value(root, "uplinks")
    names = [COOPERATIVE] if uplink is not None and not (isinstance(uplink, Scalar) and uplink.value is None) else []
    return names + [str(key) for key in uplinks.entries] if isinstance(uplinks, Mapping) else names


def _value(node: Mapping, key: str) -> Node | None:
    entry = node.entries.get(key)
    return entry.value if entry else None
