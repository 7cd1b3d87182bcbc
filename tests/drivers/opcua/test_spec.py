"""What `gateway check` says about an OPC UA machine, without asyncua."""

import subprocess
import sys

import pytest

from drivers.opcua import PLUGIN
from drivers.opcua.address import BrowsePath, NodeAddress
from drivers.opcua.spec import OpcuaLink, OpcuaPoint, OpcuaUnit, Security
from gateway.config.quantity import Duration
from gateway.config.spec import Link
from gateway.driver import find

SECURE = {"security": Security("Aes256Sha256RsaPss"), "certificate": "own.pem", "key_file": "own.key"}
TEMP = BrowsePath("Objects/Temp")


def test_it_is_found_by_its_scheme():
    assert find("opc.tcp") is PLUGIN


@pytest.mark.parametrize(
    ("written", "policy", "mode"),
    [
        ("Aes256Sha256RsaPss", "Aes256Sha256RsaPss", "SignAndEncrypt"),
        ("Aes128_Sha256_RsaOaep", "Aes128Sha256RsaOaep", "SignAndEncrypt"),
        ("Basic256Sha256/Sign", "Basic256Sha256", "Sign"),
        ("Basic256Sha256/SignAndEncrypt", "Basic256Sha256", "SignAndEncrypt"),
    ],
)
def test_good_security(written, policy, mode):
    security = Security.parse(written)
    assert (security.policy, security.mode) == (policy, mode)


def test_the_same_security_is_equal_however_it_is_written():
    assert Security.parse("Aes256_Sha256_RsaPss/SignAndEncrypt") == Security.parse("Aes256Sha256RsaPss")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Basic256", "is broken and no longer allowed"),
        ("Basic128Rsa15", "is broken"),
        ("None", "is written 'insecure: true'"),
        ("Basic256Sha265", "did you mean 'Basic256Sha256'"),
        ("TLS", "known: Aes256Sha256RsaPss"),
        ("Basic256Sha256/Encrypt", "unknown mode 'Encrypt'"),
        (None, "is written 'insecure: true'"),
    ],
)
def test_bad_security(written, words):
    with pytest.raises(ValueError, match=words):
        Security.parse(written)


@pytest.mark.parametrize(
    ("options", "key", "words"),
    [
        ({}, "", "'security: Aes256Sha256RsaPss' with 'certificate' and 'key_file', or, .* 'insecure: true'"),
        ({**SECURE, "insecure": True}, "insecure", "exclude each other"),
        ({"security": SECURE["security"]}, "security", "security needs 'certificate' and 'key_file' too"),
        ({**SECURE, "key_file": ""}, "security", "security needs 'key_file' too"),
        ({"insecure": True, "server_certificate": "a.der"}, "certificate", "used only with 'security'"),
        ({"insecure": True, "timeout": Duration(0)}, "timeout", "from 0.1s to 60s"),
        ({"insecure": True, "keepalive": Duration(0.1)}, "keepalive", "from 1s to 60s"),
        ({"insecure": True, "session": Duration(1)}, "session", "from 10s to 3600s"),
    ],
)
def test_link_options_that_do_not_fit(options, key, words):
    import re

    [(found, message)] = OpcuaLink(**options).problems()
    assert found == key
    assert re.search(words, message)


def test_good_options():
    assert not list(OpcuaLink(insecure=True).problems())
    assert not list(OpcuaLink(**SECURE).problems())
    assert not list(OpcuaUnit().problems())
    assert not list(OpcuaPoint(path=TEMP).problems())


def test_unit_and_point_options_that_do_not_fit():
    assert [key for key, _ in OpcuaUnit(mode="read", publish=Duration(1), queue=2).problems()] == ["publish", "queue"]
    assert [key for key, _ in OpcuaUnit(sample=Duration(0)).problems()] == ["sample"]
    assert [message for _, message in OpcuaPoint().problems()] == [
        "where is it? write 'node: \"nsu=<uri>;s=…\"' or 'path: Objects/…'"
    ]
    assert [key for key, _ in OpcuaPoint(path=TEMP, node=NodeAddress("i=1")).problems()] == ["path"]
    assert "scale" in [key for key, _ in OpcuaPoint(path=TEMP, scale=0.0).problems()]


def test_a_namespace_by_index_is_a_warning():
    link = Link("opc.tcp", "plc:4840", OpcuaLink(insecure=True))
    points = {
        "shifts": OpcuaPoint(node=NodeAddress("ns=2;s=a")),
        "stays": OpcuaPoint(node=NodeAddress("nsu=urn:a;s=a")),
        "standard": OpcuaPoint(node=NodeAddress("ns=0;i=2258")),
        "path": OpcuaPoint(path=TEMP),
    }
    [finding] = PLUGIN.check(link, OpcuaUnit(), points)
    assert (finding.point, finding.key, finding.level) == ("shifts", "node", "warning")
    assert "'nsu=<uri>;…' names the namespace for good" in finding.message


def test_checking_does_not_load_the_protocol_library():
    code = (
        "import sys; from drivers.opcua import PLUGIN; from drivers.opcua.spec import *; "
        "PLUGIN.check_address('opc.tcp', 'a'); print([m for m in ('asyncua', 'cryptography') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
