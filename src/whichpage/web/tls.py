"""A certificate of one's own, so that phones grant the page the live camera.

Browsers warn once of a certificate that nobody else vouches for; its fingerprint, which `serve` prints, tells
that it is the right one.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platformdirs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from whichpage.errors import WhichpageError

# Apple's systems refuse one of more than 825 days, even if its user trusts it.
_VALID = timedelta(days=397)
_RENEWED = timedelta(days=30)  # before it ends


class CertificateError(WhichpageError):
    """The certificate can be neither read nor made."""


@dataclass(frozen=True)
class Certificate:
    """Where a certificate and its key lie, and its SHA-256 fingerprint as browsers show it."""

    certificate: Path
    key: Path
    fingerprint: str


def certificate(hosts: Sequence[str], *, folder: Path | None = None) -> Certificate:
    """The certificate for these names and addresses; made anew when it lacks one or is about to end.

    folder: where it is kept; None for a folder among the user's data.

    Raises:
        CertificateError: it cannot be written.
    """
    folder = folder or platformdirs.user_data_path("whichpage", appauthor=False) / "tls"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    try:
        found = _read(certificate, key)
        if found is None or not _serves(found, hosts):
            found = _make(certificate, key, hosts)
    except OSError as error:
        raise CertificateError(f"no certificate can be kept at {folder}: {error.strerror}") from None
    digest = found.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(certificate, key, digest)


def _read(certificate: Path, key: Path) -> x509.Certificate | None:
    """The certificate of an earlier run, if its key is still there and fits."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return found if found.public_key() == private.public_key() else None


def _serves(found: x509.Certificate, hosts: Sequence[str]) -> bool:
    if found.not_valid_after_utc - _RENEWED < datetime.now(UTC):
        return False
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return set(names) >= {_general_name(host) for host in hosts}


def _make(certificate: Path, key: Path, hosts: Sequence[str]) -> x509.Certificate:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whichpage")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of phones are not always right to the minute.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.parent.mkdir(parents=True, exist_ok=True)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, pem)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))
    return made


def _write(path: Path, data: bytes) -> None:
    """Writes a file that nobody else may read, at no moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode())
