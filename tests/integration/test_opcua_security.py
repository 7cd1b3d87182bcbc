"""Getting in: security policies, certificates, and what is said when a server cannot be entered."""

import asyncio
import shutil

import pytest

from drivers.opcua.spec import Security
from gateway.driver import LinkError
from gateway.model import Reason
from tests.integration.opcua_client import connected, make_driver, make_table, values
from tests.peers.broker import free_port
from tests.peers.opcua import FOREIGN, KINDS, make_certificate, opcua_peer
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)
TEMP = {"temp": "Objects/Press/Temp"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the gateway's YAML file would stand: with its certificate."""
    folder = tmp_path_factory.mktemp("gateway")
    make_certificate(folder, "own", "urn:retrofit:gateway:test")
    return folder


@pytest.fixture(scope="module", params=KINDS)
def peer(request, tmp_path_factory):
    with opcua_peer(request.param, tmp_path_factory.mktemp("peer"), none=False) as running:
        yield running


def secured(folder, policy="Aes256Sha256RsaPss", **options):
    return {"base": str(folder), "security": Security.parse(policy), "certificate": "own.pem", "key_file": "own.key", **options}


@pytest.mark.parametrize(
    "policy", ["Aes256Sha256RsaPss", "Basic256Sha256", "Aes128Sha256RsaOaep", "Basic256Sha256/Sign", "Aes256Sha256RsaPss/Sign"]
)
async def test_every_policy_reads_and_subscribes(peer, folder, policy):
    async with connected(peer.address, **secured(folder, policy)) as driver:
        table = make_table(TEMP)
        assert values(await driver.read(table)) == {"temp": 21.5}
        scans = driver.subscribe(table)
        assert values(await anext(scans)) == {"temp": 21.5}
        await scans.aclose()
        [warning] = driver.warnings
        assert "is not pinned" in warning


async def test_a_server_without_an_open_door_names_what_it_offers(peer):
    with pytest.raises(
        LinkError, match=r"does not talk without security; write security: …, it offers: .*Basic256Sha256"
    ) as caught:
        await make_driver(peer.address).open()
    assert "Aes256" in caught.value.hint
    assert caught.value.reason is Reason.REFUSED


@pytest.fixture
async def server_certificate(peer, folder):
    """The server's certificate, as it shows it itself."""
    from asyncua import Client

    [endpoint, *_] = await Client(f"opc.tcp://{peer.address}").connect_and_get_server_endpoints()
    (folder / "server.der").write_bytes(endpoint.ServerCertificate)
    return "server.der"


async def test_a_pinned_server_is_entered_and_no_other(peer, folder, server_certificate):
    async with connected(peer.address, **secured(folder, server_certificate=server_certificate)) as driver:
        assert values(await driver.read(make_table(TEMP))) == {"temp": 21.5}
        assert driver.warnings == ()
    with pytest.raises(LinkError, match="shows another certificate than the one in server_certificate"):
        await make_driver(peer.address, **secured(folder, server_certificate="own.pem")).open()


async def test_insecure_has_a_standing_warning(tmp_path):
    with opcua_peer(KINDS[0], tmp_path) as peer:
        async with connected(peer.address) as driver:
            assert driver.warnings == (
                f"OPC UA without security to {peer.address}: everyone on the network can read and forge values",
            )


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_server_that_does_not_know_us_or_is_full(kind, tmp_path, folder):
    with opcua_peer(kind, tmp_path, trust=False, sessions=1) as peer:
        if peer.is_node:
            with pytest.raises(LinkError, match="tell the server to trust this gateway") as caught:
                await make_driver(peer.address, timeout=2.0, **secured(folder)).open()
            assert caught.value.reason is Reason.REFUSED
        async with connected(peer.address):
            if peer.is_node:
                with pytest.raises(LinkError, match="the server has no session left; close other clients") as caught:
                    await make_driver(peer.address).open()
                assert caught.value.reason is Reason.DEVICE_BUSY


async def test_neither_security_nor_insecure_is_refused_without_a_packet():
    with pytest.raises(LinkError, match=r"write security: .* or insecure: true"):
        await make_driver("127.0.0.1:1", insecure=False).open()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "own.pem").unlink(), r"the certificate .*own\.pem is missing"),
        (lambda f: (f / "own.key").unlink(), r"the private key .*own\.key is missing"),
        (lambda f: (f / "own.pem").write_text("hello"), r"own\.pem is not a certificate"),
        (lambda f: (f / "own.key").write_text("hello"), r"own\.key is not a private key"),
    ],
)
async def test_files_that_are_missing_or_wrong(folder, tmp_path, spoil, words):
    for name in ("own.pem", "own.key"):
        shutil.copy(folder / name, tmp_path / name)
    spoil(tmp_path)
    with pytest.raises(LinkError, match=words):
        await make_driver("127.0.0.1:1", **secured(tmp_path)).open()


async def test_a_key_that_others_can_read_is_told(peer, folder, tmp_path):
    for name in ("own.pem", "own.key"):
        shutil.copy(folder / name, tmp_path / name)
    (tmp_path / "own.key").chmod(0o644)
    async with connected(peer.address, **secured(tmp_path)) as driver:
        assert any("own.key can be read by others; chmod 600 it" in warning for warning in driver.warnings)


async def test_nobody_there():
    with pytest.raises(LinkError, match="nobody listens on 127") as caught:
        await make_driver(f"127.0.0.1:{free_port()}").open()
    assert caught.value.reason is Reason.REFUSED
    with pytest.raises(LinkError, match=r"the name no-such-host\.invalid is unknown|cannot be reached"):
        await make_driver("no-such-host.invalid:4840").open()


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, "no answer from"), (b"", "was cut"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "was cut|no answer|does not understand")],
)
async def test_something_else_listens_there(answer, words):
    async def handle(reader, writer):
        await reader.read(100)
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    before = asyncio.all_tasks()
    with pytest.raises(LinkError, match=words):
        await make_driver(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=0.5).open()
    server.close()
    await server.wait_closed()
    await until(lambda: asyncio.all_tasks() <= before, 5, "nothing is left running")
