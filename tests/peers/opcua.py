"""OPC UA servers for tests, each a process of its own: node-opcua, and asyncua's own server; both hold the same values."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.peers.broker import free_port
from tests.peers.node import HAS_NODE, ROOT, node_modules

URI = "urn:peer:press"
KINDS = ["node-opcua", "asyncua"] if HAS_NODE else ["asyncua-because-node-is-missing"]
FOREIGN = KINDS[:1]
"""The peer that is not asyncua, where this computer has node; its name stands in the test's id."""
START_S = 40.0


class OpcuaPeer:
    """One server; stays on its port when it is started again.

    Options: `before` (namespaces registered before ours), `none` (an endpoint without security), `load` (doubles that
    change ten times a second), `sessions` (how many at most), `trust` (every certificate); the latter three only node-opcua.
    """

    def __init__(self, kind: str, folder: Path, **options: Any) -> None:
        self.kind = kind
        self.is_node = kind == "node-opcua"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.index = 0
        self.pki = folder / "pki"
        self._options = options
        self._log = folder / f"peer-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **options: Any) -> None:
        """Start it and wait until it serves; takes seconds."""
        settings = {"port": self.port, "pki": str(self.pki), **self._options, **options}
        env = dict(os.environ)
        if self.is_node:
            command = ["node", str(ROOT / "tests/peers/opcua_node/server.js")]
            env["NODE_PATH"] = str(node_modules("opcua_node"))
        else:
            command = [sys.executable, "-m", "tests.peers.opcua_asyncua"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                stderr=log,
                env=env,
                cwd=ROOT,
            )
        self.index = self._answer()["index"]

    def command(self, **command: Any) -> None:
        """`set` values (`at` a source time), `status` codes by name, `add` a variable."""
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        self._answer()

    def freeze(self) -> None:
        """Hang: connected, and silent."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        process, self.process = self.process, None
        if process:
            process.kill()
            process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process
        assert self.process.stdout
        deadline = time.monotonic() + START_S
        while select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            line = self.process.stdout.readline()
            if line.startswith(b"{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
            if not line:
                break
        raise AssertionError(f"the OPC UA peer ended or is silent:\n{self._log.read_text()[-3000:]}")


@contextmanager
def opcua_peer(kind: str, folder: Path, **options: Any) -> Iterator[OpcuaPeer]:
    """A running server, gone at the end."""
    peer = OpcuaPeer(kind, folder, **options)
    try:
        peer.start()
        yield peer
    finally:
        peer.kill()


def make_certificate(folder: Path, name: str, uri: str, *, expired: bool = False) -> tuple[Path, Path]:
    """Write a self-signed application certificate; return the files of certificate and key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC) - timedelta(days=20 if expired else 1)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign"), True
    )
    usage |= dict.fromkeys(("key_agreement", "crl_sign", "encipher_only", "decipher_only"), False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=10))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    key_file.chmod(0o600)
    return certificate_file, key_file
