"""Whatever stands in the files, the check answers with problems."""

import contextlib
import string
import tempfile
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config.check import check
from gateway.config.load import loads
from gateway.config.problem import render

KEYS = st.sampled_from(
    [
        "site",
        "gateway",
        "machines",
        "connections",
        "uplink",
        "uplinks",
        "name",
        "connect",
        "url",
        "every",
        "points",
        "at",
        "type",
        "unit",
        "scale",
        "states",
        "limits",
        "low",
        "profile",
        "vibration",
        "temperature",
        "window",
        "features",
        "broker",
        "credentials",
        "secret",
        "password",
        "tls",
        "key",
        "keep",
        "max",
        "shares",
        "to",
        "<<",
        "baud",
        "node",
        "path",
    ]
)
WORDS = st.sampled_from(
    [
        "modbus-tcp://h?unit=1",
        "modbus-rtu:///dev/a",
        "opc.tcp://h",
        "replay:a.wav?unit=g",
        "bus",
        "holding 16",
        "int16",
        "1s",
        "cooperative",
        "*",
        "?",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | WORDS
TREES = st.recursive(
    SCALARS,
    lambda t: st.lists(t, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5) | st.integers(), t, max_size=6),
    max_leaves=30,
)
MACHINES = st.lists(
    st.dictionaries(KEYS, TREES, max_size=6).map(lambda d: {"name": "m", "connect": "modbus-tcp://h", **d}) | TREES, max_size=3
)
SITES = st.dictionaries(KEYS, TREES, max_size=4).flatmap(
    lambda d: MACHINES.map(lambda m: {"site": "a", "gateway": "b", **d, "machines": m})
)
YAML_LIKE = st.text(alphabet=string.ascii_lowercase[:4] + ":-[]{},&*!|>'\"#%@` \n\t<?°0", max_size=60)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answers(site, share=None):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_bytes(site)
        if share is not None:
            path.with_name("share.yaml").write_bytes(share)
        checked = check(path)
    assert (checked.config is None) == any(problem.level == "error" for problem in checked.problems)
    for problem in checked.problems:
        assert problem.message.isprintable()
        lines = checked.sources[problem.file].lines if problem.file in checked.sources else []
        assert problem.line <= len(lines)
        assert problem.line == 0 or 1 <= problem.column <= len(lines[problem.line - 1]) + 1
    render(checked.problems, checked.sources)


@QUICK
@given(st.binary(max_size=80))
def test_any_bytes(data):
    answers(data)


@QUICK
@given(YAML_LIKE)
def test_what_looks_like_yaml(text):
    answers(text.encode())


@QUICK
@given(TREES | SITES, st.booleans())
def test_any_tree(tree, flow):
    with contextlib.suppress(yaml.YAMLError):
        answers(yaml.safe_dump(tree, allow_unicode=True, default_flow_style=flow).encode())


@QUICK
@given(
    TREES
    | st.lists(st.fixed_dictionaries({"to": SCALARS, "machines": TREES, "points": TREES})).map(lambda rules: {"shares": rules})
)
def test_any_contract(tree):
    with contextlib.suppress(yaml.YAMLError):
        answers(b"site: a\ngateway: b\nuplink: {broker: [mqtt://h]}\n", yaml.safe_dump(tree, allow_unicode=True).encode())


@QUICK
@given(st.text(max_size=40))
def test_any_url(text):
    answers(
        yaml.safe_dump({"site": "a", "gateway": "b", "machines": [{"name": "m", "connect": text}]}, allow_unicode=True).encode()
    )
    answers(
        yaml.safe_dump(
            {"site": "a", "gateway": "b", "machines": [{"name": "m", "connect": f"modbus-tcp://h?{text}"}]}, allow_unicode=True
        ).encode()
    )


@QUICK
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
        st.text(max_size=8) | st.integers() | st.booleans(),
        max_size=5,
    )
)
def test_a_mapping_is_read_back_as_it_was_written(mapping):
    loaded = loads(yaml.safe_dump(mapping, allow_unicode=True, default_style='"').encode(), "x")
    assert loaded.problems == []
    if mapping:
        assert {key: entry.value.text for key, entry in loaded.root.entries.items()} == {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in mapping.items()
        }
