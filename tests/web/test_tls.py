"""The certificate: for whom it holds, where its key is, and when it is made anew."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from whichpage.web import tls

HOSTS = ["localhost", "127.0.0.1", "192.168.1.7", "fd00::7", "ann.local"]


def read(made: tls.Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.certificate.read_bytes())


def test_it_holds_for_every_name_and_address(tmp_path: Path) -> None:
    made = tls.certificate(HOSTS, folder=tmp_path / "tls")
    names = read(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "ann.local"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(a) for a in HOSTS[1:4]]
    assert read(made).not_valid_after_utc - datetime.now(UTC) < timedelta(days=398)
    der = ssl.PEM_cert_to_DER_cert(made.certificate.read_text())
    assert made.fingerprint.replace(":", "") == hashlib.sha256(der).hexdigest().upper()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.certificate, made.key)


def test_it_holds_for_earlier_networks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tls.certificate(HOSTS, folder=tmp_path)
    away = tls.certificate(["localhost", "10.0.0.9"], folder=tmp_path)
    assert away.fingerprint != home.fingerprint
    assert tls.certificate(HOSTS, folder=tmp_path) == away
    names = read(away).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["10.0.0.9", *HOSTS[1:4]]
    monkeypatch.setattr(tls, "_MOST_NAMES", 3)
    fewer = read(tls.certificate(["10.0.0.10"], folder=tmp_path))
    names = fewer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["10.0.0.10", "localhost", "10.0.0.9"]


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_its_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = tls.certificate(HOSTS, folder=tmp_path)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600


def test_it_is_kept_until_it_does_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tls.certificate(HOSTS, folder=tmp_path)
    assert tls.certificate(HOSTS[:2], folder=tmp_path) == first
    moved = tls.certificate([*HOSTS, "10.0.0.9"], folder=tmp_path)
    assert moved.fingerprint != first.fingerprint
    moved.key.write_text("rubbish")
    mended = tls.certificate(HOSTS, folder=tmp_path)
    assert mended.fingerprint != moved.fingerprint
    monkeypatch.setattr(tls, "_RENEWED", timedelta(days=400))
    assert tls.certificate(HOSTS, folder=tmp_path).fingerprint != mended.fingerprint


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(tls.CertificateError, match="no certificate can be kept at "):
        tls.certificate(HOSTS, folder=tmp_path / "file" / "tls")
