"""Addresses are read offline; whatever is written gives an address or a sentence."""

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.opcua.address import BrowsePath, NodeAddress, NodeParts, Segment, check_address


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("10.0.0.30", "10.0.0.30:4840"),
        ("10.0.0.30:4841", "10.0.0.30:4841"),
        ("plc.local:4840/", "plc.local:4840"),
        ("plc:4840/UA/Server", "plc:4840/UA/Server"),
        ("plc/UA:1", "plc:4840/UA:1"),
        ("[fe80::1]", "[fe80::1]:4840"),
        ("[fe80::1]:4841/x", "[fe80::1]:4841/x"),
    ],
)
def test_good_endpoints(written, normal):
    assert check_address("opc.tcp", written) == normal
    assert check_address("opc.tcp", normal) == normal


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "the host is missing"),
        (":4840", "the host is missing"),
        ("plc:", "is not a port"),
        ("plc:abc", "'abc' is not a port"),
        ("plc:0", "'0' is not a port"),
        ("plc:70000", "is not a port"),
        ("fe80::1", r"write an IPv6 address in brackets: \[fe80::1\]"),
        ("[fe80::1", "is not host:port"),
        ("user:pw@plc", "user and password do not stand in the URL"),
        ("a b", "the host is missing"),
    ],
)
def test_bad_endpoints(written, words):
    with pytest.raises(ValueError, match=words):
        check_address("opc.tcp", written)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("nsu=urn:vendor:plc;s=Press.Temp", NodeParts("urn:vendor:plc", None, "s", "Press.Temp")),
        ("nsu=urn:a%3Bb%25;s=x;y=z", NodeParts("urn:a;b%", None, "s", "x;y=z")),
        ("ns=3;i=100001", NodeParts(None, 3, "i", 100001)),
        ("i=2258", NodeParts(None, None, "i", 2258)),
        (
            "ns=1;g=72962B91-FA75-4AE6-8D28-B404DC7DAF63",
            NodeParts(None, 1, "g", uuid.UUID("72962b91-fa75-4ae6-8d28-b404dc7daf63")),
        ),
        ("ns=1;b=AAH+/w==", NodeParts(None, 1, "b", b"\x00\x01\xfe\xff")),
        (' ns=2;s="DB".Temp[1] ', NodeParts(None, 2, "s", '"DB".Temp[1]')),
    ],
)
def test_good_node_ids(written, parts):
    assert NodeAddress.parse(written).parts == parts


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Objects/Press/Temp", "did you mean 'path: Objects/Press/Temp'"),
        ("2258", "did you mean 'i=2258'"),
        ("ns=2,s=Temp", "did you mean 'ns=2;s=Temp'"),
        ("ns=2;i=Temp", "'Temp' after i= is not a number from 0 to 4294967295; did you mean 's=Temp'"),
        ("ns=2;i=4294967296", "is not a number"),
        ("ns=2;i=²", "is not a number"),
        ("ns=x;s=a", "'x' is not a namespace index"),
        ("ns=70000;s=a", "'70000' is not a namespace index"),
        ("nsu=;s=a", "the namespace URI in .* is empty"),
        ("ns=1;g=abc", "'abc' after g= is not a GUID"),
        ("ns=1;b=!", "'!' after b= is not base64"),
        ("ns=1;s=", "is not a node id"),
        ("", "is not a node id"),
        (2258, "is not a node id"),
    ],
)
def test_bad_node_ids(written, words):
    with pytest.raises(ValueError, match=words):
        NodeAddress.parse(written)


@pytest.mark.parametrize(
    ("written", "segments"),
    [
        ("Objects/Press/Temp", [Segment("Objects"), Segment("Press"), Segment("Temp")]),
        ("/Root/Objects/2:Press/12:Temp", [Segment("Objects"), Segment("Press", 2), Segment("Temp", 12)]),
        ("0:Objects/a&/b", [Segment("Objects", 0), Segment("a/b")]),
        ("Objects/1&:x/y:z/&&", [Segment("Objects"), Segment("1:x"), Segment("y:z"), Segment("&")]),
        ("Objects/2:3:x", [Segment("Objects"), Segment("3:x", 2)]),
        ("Types", [Segment("Types")]),
    ],
)
def test_good_paths(written, segments):
    assert list(BrowsePath.parse(written).segments) == segments


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Press/Temp", "did you mean 'Objects/Press/Temp'"),
        ("Object/Press", "did you mean 'Objects/Press'"),
        ("objects/Press", "did you mean 'Objects/Press'"),
        ("Objects//Temp", "a step in 'Objects//Temp' is empty"),
        ("Objects/", "is empty"),
        ("2:Objects/a", "a path begins with Objects, Types or Views"),
        ("ns=2;s=Temp", "did you mean 'node: ns=2;s=Temp'"),
        ("", "is not a path"),
        (3, "is not a path"),
    ],
)
def test_bad_paths(written, words):
    with pytest.raises(ValueError, match=words):
        BrowsePath.parse(written)


@example("&")
@given(st.one_of(st.text(), st.text("0123456789ns=uigb;:/&%Objects[]@."), st.integers(), st.none(), st.booleans()))
def test_anything_is_an_address_or_a_sentence(written):
    for parse in (NodeAddress.parse, BrowsePath.parse, lambda text: check_address("opc.tcp", str(text))):
        try:
            parsed = parse(written)
        except ValueError as error:
            sentence = str(error)
            assert " " in sentence
        else:
            assert parse(str(parsed)) == parsed
            _ = getattr(parsed, "parts", None), getattr(parsed, "segments", None)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_any_name_can_be_escaped(names):
    escaped = "/".join(name.replace("&", "&&").replace("/", "&/").replace(":", "&:") for name in names)
    path = f"Objects/{escaped}|end"
    assert [step.name for step in BrowsePath.parse(path).segments] == ["Objects", *names[:-1], names[-1] + "|end"]
