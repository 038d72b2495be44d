"""Certificate files as users and tools write them, and the errors for files that cannot be used."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import PrivateFormat, load_pem_private_key, pkcs12
from hypothesis import example, given, settings
from hypothesis import strategies as st

from azext_login.auth.workload.certificates import ClientCertificate, needs_passphrase, read_certificate
from azext_login.auth.workload.pem import find_blocks
from azext_login.errors import SignInError
from azext_login.system.command_line import AZ_LOGIN
from tests.unit.auth.workload.certificates import DAY, NOW, issue

PASSPHRASE = "Grüße, 世界 -@\"'"
FORMS = {"pkcs8": PrivateFormat.PKCS8, "traditional": PrivateFormat.TraditionalOpenSSL}

ROOT = issue("root")
INTERMEDIATE = issue("intermediate", issuer=ROOT)
LEAF = issue("ci-app", issuer=INTERMEDIATE)
OTHER = issue("other")
CHAIN = LEAF.pem + INTERMEDIATE.pem


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the parts of a certificate file, text or bytes."""

    def write(*parts: str | bytes) -> Path:
        path = tmp_path / "certificate.file"
        path.write_bytes(b"".join(part.encode() if isinstance(part, str) else part for part in parts))
        return path

    return write


def read(path: Path, passphrase: str | None = None, now: datetime = NOW) -> ClientCertificate:
    command = AZ_LOGIN.with_option("--service-principal").with_option("--certificate", str(path))
    return read_certificate(path, passphrase=passphrase, now=now.timestamp(), command=command)


def refusal(path: Path, passphrase: str | None = None, now: datetime = NOW) -> SignInError:
    """Return the error. It has a next step and quotes no secret."""
    with pytest.raises(SignInError) as caught:
        read(path, passphrase, now)
    error = caught.value
    assert error.recommendations
    assert error.recommendations[0]
    assert "Nothing was sent" in error.error_msg
    said = f"{error.error_msg} {error.recommendations} {error.__cause__!r}"
    assert passphrase is None or passphrase not in said
    assert "MII" not in said
    return error


def is_leaf(read: ClientCertificate) -> bool:
    """Whether everything in the record belongs to LEAF."""
    key = load_pem_private_key(read.private_key.encode(), None)
    return (
        read.thumbprint == LEAF.thumbprint
        and read.chain.startswith(LEAF.pem)
        and read.private_key.startswith("-----BEGIN PRIVATE KEY-----")
        and key.public_key() == LEAF.key.public_key()
    )


def host_signs(path: Path) -> bool:
    """Whether azure-cli's own class makes an assertion with the file that Entra could verify."""
    import jwt
    from azure.cli.core.auth.identity import ServicePrincipalAuth
    from knack.util import CLIError
    from msal.application import extract_certs
    from msal.oauth2cli.assertion import JwtAssertionCreator

    entry = {"client_id": "app", "tenant": "t", "certificate": str(path), "use_cert_sn_issuer": True}
    try:
        credential = ServicePrincipalAuth(entry).get_msal_client_credential()
        headers = {"x5c": extract_certs(credential["public_certificate"])}
        creator = JwtAssertionCreator(
            credential["private_key"], "RS256", sha1_thumbprint=credential["thumbprint"], headers=headers
        )
        assertion = creator.create_normal_assertion(audience="https://a", issuer="app")
        sent = jwt.get_unverified_header(assertion)
        jwt.decode(assertion, LEAF.certificate.public_key(), ["RS256"], audience="https://a")  # type: ignore[arg-type]
    except (CLIError, ValueError, TypeError, AttributeError, jwt.PyJWTError):
        return False
    thumbprint = base64.urlsafe_b64decode(sent["x5t"] + "==").hex().upper()
    return bool(thumbprint == LEAF.thumbprint and base64.b64decode("".join(sent["x5c"][0].split())) == LEAF.der)


@cache
def key_text(form: str, encrypted: bool) -> str:
    return LEAF.key_pem(FORMS[form], PASSPHRASE if encrypted else None)


def rewrapped(text: str, width: int) -> str:
    """Return PEM blocks whose base64 has lines of another width; 0 for one line."""
    blocks = find_blocks(text)
    lines = []
    for block in blocks:
        body = textwrap.wrap(block.body, width) if width else [block.body]
        lines += [f"-----BEGIN {block.label}-----", *body, f"-----END {block.label}-----"]
    return "\n".join([*lines, ""])


class Layouts:
    """Every layout of a file with the same key and certificates."""

    encrypted = st.booleans()
    form = st.sampled_from(sorted(FORMS))
    extra = st.lists(st.sampled_from([INTERMEDIATE.pem, ROOT.pem, OTHER.pem]), max_size=3, unique=True)
    seed = st.integers(0, 1000)
    between = st.sampled_from(["", "\n", "Bag Attributes\n    localKeyID: 01\nsubject=CN = ci-app\n", "größer\n"])
    line_end = st.sampled_from(["\n", "\r\n", "\r"])
    prefix = st.sampled_from([b"", b"\xef\xbb\xbf"])
    indent = st.sampled_from(["", "    ", "\t"])
    width = st.sampled_from([64, 76, 0])


@settings(max_examples=50)
@given(
    encrypted=Layouts.encrypted,
    form=Layouts.form,
    extra=Layouts.extra,
    seed=Layouts.seed,
    between=Layouts.between,
    line_end=Layouts.line_end,
    prefix=Layouts.prefix,
    indent=Layouts.indent,
    width=Layouts.width,
)
def test_a_pem_file_is_read_in_every_layout_and_the_host_can_read_what_is_marked_so(
    tmp_path_factory: pytest.TempPathFactory,
    encrypted: bool,
    form: str,
    extra: list[str],
    seed: int,
    between: str,
    line_end: str,
    prefix: bytes,
    indent: str,
    width: int,
) -> None:
    key = key_text(form, encrypted)
    blocks = [key if encrypted else rewrapped(key, width), rewrapped(LEAF.pem, width), *extra]
    random.Random(seed).shuffle(blocks)
    text = between + between.join(blocks)
    text = line_end.join(indent + line for line in text.split("\n"))
    path = tmp_path_factory.mktemp("pem") / "certificate.pem"
    path.write_bytes(prefix + text.encode())

    assert needs_passphrase(path) is encrypted
    certificate = read(path, PASSPHRASE if encrypted else None)
    assert is_leaf(certificate)
    expected = [LEAF.pem, INTERMEDIATE.pem] if INTERMEDIATE.pem in extra else [LEAF.pem]
    assert certificate.chain == "".join(expected)
    assert not certificate.host_readable or host_signs(path)


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(
    "order",
    ["key first", "certificate first", "with a chain", "with text", "CRLF", "one line", "indented", "stray ends"],
)
def test_a_plain_pem_file_is_readable_for_the_host(write: Callable[..., Path], form: str, order: str) -> None:
    key = key_text(form, False)
    text = {
        "key first": key + LEAF.pem,
        "certificate first": LEAF.pem + key,
        "with a chain": key + CHAIN + ROOT.pem,
        "with text": f"subject=CN = ci-app\n{key}Bag Attributes\n    localKeyID: 01\n{LEAF.pem}",
        "CRLF": (key + LEAF.pem).replace("\n", "\r\n"),
        "one line": rewrapped(key + LEAF.pem, 0),
        "indented": (key + LEAF.pem).replace("\nMII", "\n\t MII"),
        "stray ends": f"{key}-----END CERTIFICATE-----\n{LEAF.pem}-----BEGIN CERTIFICATE-----\nAAAA\n",
    }[order]
    path = write(text)
    assert host_signs(path)
    assert read(path).host_readable


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LEAF.key_pem(passphrase=PASSPHRASE) + LEAF.pem, id="encrypted"),
        pytest.param(LEAF.key_pem() + INTERMEDIATE.pem + LEAF.pem, id="issuer first"),
        pytest.param(OTHER.key_pem() + LEAF.key_pem() + LEAF.pem, id="another key first"),
        pytest.param("größer\n" + LEAF.key_pem() + LEAF.pem, id="not ASCII"),
        pytest.param(LEAF.key_pem() + LEAF.pem.replace(" CERT", " X509 CERT"), id="older label"),
        pytest.param(LEAF.key_pem() + "the certificate: " + LEAF.pem, id="text before a marker"),
        pytest.param(LEAF.key_pem() + LEAF.pem[:-1] + " (the certificate)\n", id="text after a marker"),
        pytest.param("-----BEGIN CERTIFICATE-----\n" + LEAF.key_pem() + LEAF.pem, id="a beginning without an end"),
        pytest.param("-----END CERTIFICATE-----\n" + LEAF.key_pem() + ROOT.pem[:80] + "\n" + LEAF.pem, id="parts"),
        pytest.param("\ufeff" + LEAF.key_pem() + LEAF.pem, id="byte order mark"),
    ],
)
def test_a_file_that_the_host_cannot_use_is_not_marked_so(write: Callable[..., Path], text: str) -> None:
    path = write(text)
    certificate = read(path, PASSPHRASE)
    assert is_leaf(certificate)
    assert not host_signs(path)
    assert not certificate.host_readable


def test_text_that_powershell_wrote_as_utf_16_is_read(write: Callable[..., Path]) -> None:
    assert is_leaf(read(write((LEAF.key_pem() + LEAF.pem).encode("utf-16"))))


def test_the_host_can_use_the_text_to_store(write: Callable[..., Path], tmp_path: Path) -> None:
    certificate = read(write(LEAF.pfx(ROOT, INTERMEDIATE, passphrase=PASSPHRASE)), PASSPHRASE)
    assert not certificate.host_readable
    stored = tmp_path / "stored.pem"
    stored.write_text(certificate.pem_text(), encoding="ascii")
    assert host_signs(stored)
    again = read(stored)
    assert again.host_readable
    assert (again.thumbprint, again.chain) == (certificate.thumbprint, CHAIN)


@pytest.mark.parametrize("passphrase", [None, "simple", PASSPHRASE])
def test_a_pfx_file_is_read(write: Callable[..., Path], passphrase: str | None) -> None:
    path = write(LEAF.pfx(ROOT, OTHER, INTERMEDIATE, passphrase=passphrase))
    assert needs_passphrase(path) is (passphrase is not None)
    certificate = read(path, passphrase)
    assert is_leaf(certificate)
    assert certificate.chain == CHAIN


def test_a_pfx_file_of_old_windows_is_read(write: Callable[..., Path]) -> None:
    algorithm = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC
    builder = PrivateFormat.PKCS12.encryption_builder().key_cert_algorithm(algorithm).hmac_hash(hashes.SHA1())
    encryption = builder.kdf_rounds(2000).build(PASSPHRASE.encode())
    path = write(pkcs12.serialize_key_and_certificates(b"", LEAF.key, LEAF.certificate, None, encryption))
    assert needs_passphrase(path)
    assert is_leaf(read(path, PASSPHRASE))


def test_a_pfx_file_of_a_tool_that_writes_ber_is_read_without_a_warning(write: Callable[..., Path]) -> None:
    der = LEAF.pfx()
    assert der[:2] == b"\x30\x82"
    # BER may leave the length open until two zero bytes (X.690 section 8.1.3.6); Java and NSS write it so.
    path = write(b"\x30\x80" + der[4:] + b"\0\0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_leaf(read(path))


@pytest.mark.parametrize("protection", [["-passout", "pass:"], ["-passout", "pass:", "-nomac"]])
def test_a_pfx_file_of_openssl_with_an_empty_passphrase_needs_none(
    write: Callable[..., Path], tmp_path: Path, protection: list[str]
) -> None:
    source, target = write(LEAF.key_pem() + LEAF.pem), tmp_path / "made.pfx"
    subprocess.run(["openssl", "pkcs12", "-export", "-in", source, "-out", target, *protection], check=True)
    assert not needs_passphrase(target)
    assert is_leaf(read(target))
    assert is_leaf(read(target, ""))


def test_a_passphrase_from_a_command_line_that_is_not_utf_8_works(write: Callable[..., Path]) -> None:
    latin_1 = "caf\udce9"  # the byte E9 in the form that it has in sys.argv
    assert is_leaf(read(write(LEAF.key_pem(passphrase=latin_1) + LEAF.pem), latin_1))


@pytest.mark.parametrize("content", [LEAF.key_pem() + LEAF.pem, LEAF.pfx()], ids=["PEM", "PFX"])
def test_a_passphrase_that_is_not_needed_is_ignored(write: Callable[..., Path], content: str | bytes) -> None:
    assert is_leaf(read(write(content), PASSPHRASE))


def test_the_key_that_has_a_certificate_is_used(write: Callable[..., Path]) -> None:
    encrypted = OTHER.key_pem(passphrase="another")
    path = write(OTHER.key_pem() + encrypted + LEAF.key_pem() + LEAF.pem)
    assert not needs_passphrase(path)
    assert is_leaf(read(path))


def test_the_valid_certificate_of_a_key_is_used(write: Callable[..., Path]) -> None:
    expired = issue("ci-app", key=LEAF.key, valid=(NOW - 9 * DAY, NOW - DAY))
    later = issue("ci-app", key=LEAF.key, valid=(NOW + DAY, NOW + 9 * DAY))
    assert is_leaf(read(write(LEAF.key_pem() + expired.pem + later.pem + LEAF.pem)))


def test_the_chain_follows_signatures_as_well_as_names(write: Callable[..., Path]) -> None:
    namesake = issue("intermediate", issuer=ROOT, key=OTHER.key)
    assert read(write(LEAF.key_pem() + namesake.pem + INTERMEDIATE.pem + LEAF.pem)).chain == CHAIN


def test_a_chain_of_issuers_that_signed_each_other_is_finite(write: Callable[..., Path]) -> None:
    one = issue("one", issuer=issue("two"))
    two = issue("two", issuer=one)
    crossed = issue("one", issuer=two)
    leaf = issue("ci-app", issuer=one)
    chain = read(write(leaf.key_pem() + leaf.pem + crossed.pem + two.pem)).chain
    assert chain == leaf.pem + crossed.pem + two.pem


@pytest.mark.parametrize("name", [b"ci-app", b"intermediate"])
def test_a_certificate_with_a_damaged_name_is_refused(write: Callable[..., Path], name: bytes) -> None:
    damaged = base64.encodebytes(LEAF.der.replace(name, b"\xff" * len(name))).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{damaged}-----END CERTIFICATE-----\n"
    assert "The certificate in" in str(refusal(write(LEAF.key_pem() + pem)))


def test_a_damaged_certificate_of_the_chain_is_skipped(write: Callable[..., Path]) -> None:
    damaged = INTERMEDIATE.pem.replace("\nMII", "\nAAA")
    assert read(write(LEAF.key_pem() + damaged + LEAF.pem)).chain == LEAF.pem


def test_msal_gets_the_chain_without_line_breaks_and_only_on_request(write: Callable[..., Path]) -> None:
    from msal.application import extract_certs

    certificate = read(write(LEAF.key_pem() + CHAIN))
    plain = certificate.as_msal_credential(send_chain=False)
    assert plain == {"private_key": certificate.private_key, "thumbprint": LEAF.thumbprint}
    sent = extract_certs(certificate.as_msal_credential(send_chain=True)["public_certificate"])
    assert [base64.b64decode(one, validate=True) for one in sent] == [LEAF.der, INTERMEDIATE.der]


def test_the_record_does_not_show_its_key(write: Callable[..., Path]) -> None:
    certificate = read(write(LEAF.key_pem() + LEAF.pem))
    assert "PRIVATE" not in repr(certificate)
    assert LEAF.thumbprint in repr(certificate)


EC = issue("ec", key=ec.generate_private_key(ec.SECP256R1()))
ED25519 = issue("ed25519", key=ed25519.Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\x00\x01\x02 nothing", "neither a PEM file nor a PFX", id="something else"),
        pytest.param(b"\xff\xfe\x00\xd8x", "neither a PEM file nor a PFX", id="part of UTF-16"),
        pytest.param(b"\xfe\xed\xfe\xed\x00\x00\x00\x02", "neither a PEM file nor a PFX", id="Java key store"),
        pytest.param(b"A" * (1024 * 1024 + 1), "larger than 1024 KB", id="large"),
        pytest.param(LEAF.pem, "a certificate, but no private key", id="certificate only"),
        pytest.param(LEAF.der, "DER form, but no private key", id="certificate in DER"),
        pytest.param(LEAF.key_pem(), "a private key, but no certificate", id="key only"),
        pytest.param(LEAF.key_der(), "DER form, but no certificate", id="key in DER"),
        pytest.param(LEAF.key_pem() + OTHER.pem, "does not belong to the certificate in it (CN=other)", id="mismatch"),
        pytest.param(LEAF.key_der("x"), "DER form, but no certificate", id="encrypted key in DER"),
        pytest.param(EC.key_pem() + EC.pem, "type EC", id="EC"),
        pytest.param(EC.pfx(), "type EC", id="EC in PFX"),
        pytest.param(ED25519.key_pem() + ED25519.pem, "type Ed25519", id="Ed25519"),
        pytest.param(LEAF.key_pem(PrivateFormat.OpenSSH) + LEAF.pem, "OpenSSH", id="OpenSSH"),
        pytest.param(base64.encodebytes(LEAF.pfx()), "base64-encoded PFX file", id="PFX in base64"),
        pytest.param(LEAF.key_pem().replace("\nMII", "\nAAA") + LEAF.pem, "is damaged", id="damaged key"),
        pytest.param(LEAF.key_pem() + LEAF.pem.replace("\nMII", "\nAAA"), "is damaged", id="damaged certificate"),
        pytest.param(LEAF.pfx()[:900], "is damaged", id="part of a PFX"),
        pytest.param(LEAF.pfx(passphrase="x"), "no passphrase was given", id="PFX without passphrase"),
        pytest.param(LEAF.key_pem(passphrase="x") + LEAF.pem, "no passphrase was given", id="PKCS#8 without"),
        pytest.param(
            LEAF.key_pem(PrivateFormat.TraditionalOpenSSL, "x") + LEAF.pem,
            "no passphrase was given",
            id="older without",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(write: Callable[..., Path], content: str | bytes, words: str) -> None:
    path = write(content)
    message = refusal(path).error_msg
    assert words in message
    assert str(path) in message


@pytest.mark.parametrize("passphrase", ["w-r-o-n-g", "x" * 5000, "nul\0nul", "lone \ud800 surrogate", "falsch-\udce4"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(LEAF.pfx(passphrase="right"), id="PFX"),
        pytest.param(LEAF.key_pem(passphrase="right") + LEAF.pem, id="PKCS#8"),
        pytest.param(LEAF.key_pem(FORMS["traditional"], "right") + LEAF.pem, id="older"),
    ],
)
def test_the_error_for_a_wrong_passphrase_explains_how_to_give_it(
    write: Callable[..., Path], content: str | bytes, passphrase: str
) -> None:
    path = write(content)
    error = refusal(path, passphrase)
    assert "passphrase" in error.error_msg
    assert "AZURE_CLIENT_CERTIFICATE_PASSWORD" in error.recommendations[0]
    assert "is wrong" in error.error_msg
    assert f"--certificate {path} --password=@-" in error.recommendations[0]


def test_a_pfx_file_without_a_key_is_explained(write: Callable[..., Path]) -> None:
    content = pkcs12.serialize_java_truststore(
        [pkcs12.PKCS12Certificate(LEAF.certificate, b"a")],
        PrivateFormat.PKCS12.encryption_builder().build(b"right"),
    )
    assert "but no private key" in refusal(write(content), "right").error_msg


def test_the_error_for_an_expired_certificate_has_the_time_of_expiry(write: Callable[..., Path]) -> None:
    until = datetime.fromisoformat("2026-04-30T08:15:00+00:00")
    expired = issue("ci-app", key=LEAF.key, valid=(NOW - 9 * DAY, until))
    error = refusal(write(LEAF.key_pem() + expired.pem))
    assert "expired at 2026-04-30 08:15:00 UTC" in error.error_msg
    assert "2026-05-01 12:00:00 UTC" in error.error_msg
    assert "az ad app credential reset" in error.recommendations[0]


def test_the_error_for_several_expired_certificates_has_the_latest_time_of_expiry(write: Callable[..., Path]) -> None:
    expired = [issue("ci-app", key=LEAF.key, valid=(NOW - 9 * DAY, NOW - days * DAY)).pem for days in (3, 2, 4)]
    assert "expired at 2026-04-29 12:00:00 UTC" in refusal(write(LEAF.key_pem(), *expired)).error_msg


def test_a_certificate_is_valid_up_to_the_second_of_its_expiry(write: Callable[..., Path]) -> None:
    path = write(LEAF.key_pem() + issue("ci-app", key=LEAF.key, valid=(NOW - DAY, NOW)).pem)
    assert read(path).thumbprint
    assert "expired" in refusal(path, now=NOW + timedelta(seconds=1)).error_msg


def test_the_error_for_a_certificate_of_the_future_has_the_start_of_its_validity(write: Callable[..., Path]) -> None:
    path = write(LEAF.key_pem() + issue("ci-app", key=LEAF.key, valid=(NOW, NOW + DAY)).pem)
    assert "not valid before 2026-05-01 12:00:00 UTC" in refusal(path, now=NOW - timedelta(minutes=6)).error_msg
    # A new certificate is accepted although this clock is a little slow.
    assert read(path, now=NOW - timedelta(minutes=4)).thumbprint


def test_a_missing_file_is_named_with_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for action in (refusal, _refused_before_the_passphrase):
        assert (
            f"{tmp_path}/missing.pem could not be read: there is no such file" in action(Path("missing.pem")).error_msg
        )


def _refused_before_the_passphrase(path: Path) -> SignInError:
    with pytest.raises(SignInError) as caught:
        needs_passphrase(path)
    return caught.value


def test_a_directory_and_a_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    assert "is a directory" in refusal(tmp_path).error_msg
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "not a regular file" in refusal(pipe).error_msg


def test_a_path_below_a_file_and_an_invalid_path_are_refused(write: Callable[..., Path]) -> None:
    assert "Not a directory" in refusal(write("x") / "certificate.pem").error_msg
    assert "null" in refusal(Path("certificate\0.pem")).error_msg


def _damage(content: bytes, position: int, replacement: bytes) -> bytes:
    position %= len(content)
    return content[:position] + replacement + content[position + 1 :]


def _pieces() -> st.SearchStrategy[bytes]:
    whole = [LEAF.key_pem().encode(), LEAF.key_pem(passphrase="x").encode(), LEAF.pem.encode(), LEAF.pfx(), LEAF.der]
    damaged = st.builds(
        lambda content, position, byte: (
            content[: position % len(content)] + byte + content[position % len(content) + 1 :]
        ),
        st.sampled_from(whole),
        st.integers(0, 5000),
        st.binary(max_size=3),
    )
    return st.one_of(st.sampled_from(whole), damaged, st.binary(max_size=30))


@settings(max_examples=150)
@given(st.lists(_pieces(), max_size=4), st.sampled_from([None, "x", "x\0"]))
@example([b"0\x80\x02\x01\x03"], None)
@example([b"0"], None)
@example([b"-----BEGIN PRIVATE KEY-----\n\xc3\xa4\n-----END PRIVATE KEY-----", LEAF.pem.encode()], None)
def test_nothing_in_a_file_causes_another_error(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], passphrase: str | None
) -> None:
    path = tmp_path_factory.mktemp("any") / "any"
    path.write_bytes(b"".join(pieces))
    with contextlib.suppress(SignInError):
        needs_passphrase(path)
    with contextlib.suppress(SignInError):
        assert read(path, passphrase).thumbprint == LEAF.thumbprint


def _labels(text: str) -> list[str]:
    return [block.label for block in find_blocks(text)]


@given(st.text(alphabet=st.characters(exclude_characters="-")), st.text(alphabet=st.characters(exclude_characters="-")))
def test_a_block_is_found_in_any_text(before: str, after: str) -> None:
    assert [block.text() for block in find_blocks(before + LEAF.pem + after)] == [LEAF.pem]


def test_blocks_without_an_end_are_left_out() -> None:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    assert _labels(begin) == _labels(end) == _labels(f"{end}{begin}") == []
    assert _labels(f"{begin}\n-----END PRIVATE KEY-----\nAAAA\n{end}") == []
    assert _labels(f"{begin}\nAAAA\n{begin}\nAAAA\n{end}") == ["CERTIFICATE"]


def test_a_block_does_not_show_its_content() -> None:
    block = find_blocks(LEAF.key_pem())[0]
    assert block.body[:20] not in repr(block)


def test_a_megabyte_of_begin_markers_is_searched_once() -> None:
    assert find_blocks("-----BEGIN CERTIFICATE-----" * 40_000) == []
