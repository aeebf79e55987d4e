"""A certificate of one's own, so that phones grant the page the live camera.

Browsers warn once of a certificate that nobody else vouches for; its fingerprint, which `serve` prints, tells
that it is the right one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from whichpage.errors import WhichpageError
from whichpage.web.kept import own_folder, write_private

# Apple's systems refuse one of more than 825 days, even if its user trusts it.
_VALID = timedelta(days=397)
_RENEWED = timedelta(days=30)  # before it ends
# Addresses of the networks that a computer was in; more than anybody goes back to.
_MOST_NAMES = 100


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

    What it held for it goes on to hold for: back in an earlier network, phones need not accept it again.

    folder: where it is kept; None for a folder among the user's data.

    Raises:
        CertificateError: it cannot be written.
    """
    folder = folder or own_folder() / "tls"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    try:
        found = _read(certificate, key)
        names = [_general_name(host) for host in hosts]
        if found is None or not _serves(found, names):
            known = _names(found) if found else []
            most = max(_MOST_NAMES, len(names))
            found = _make(certificate, key, list(dict.fromkeys([*names, *known]))[:most])
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


def _serves(found: x509.Certificate, names: Sequence[x509.GeneralName]) -> bool:
    lasts = found.not_valid_after_utc - _RENEWED >= datetime.now(UTC)
    return lasts and set(_names(found)) >= set(names)


def _names(found: x509.Certificate) -> list[x509.GeneralName]:
    """The names and addresses that a certificate holds for."""
    try:
        return list(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _make(certificate: Path, key: Path, names: Sequence[x509.GeneralName]) -> x509.Certificate:
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
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(key, pem)
    write_private(certificate, made.public_bytes(serialization.Encoding.PEM))
    return made


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode())
