"""The keys behind tickets: the login server's own pair, and the public keys of whoever else issues tokens.

Keys are PEM text: private ones PKCS #8, public ones SubjectPublicKeyInfo. What is signed and checked with them is in
`tickets.py`.
"""

import os
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MIN_RSA_BITS = 2048
"""RFC 7518 section 3.3: RS256 needs a key of at least this size."""


def generate_key_pair() -> tuple[str, str]:
    """A new Ed25519 private key and its public key, both PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), public_pem(key.public_key())


def ensure_key_pair(private_path: Path, public_path: Path) -> bool:
    """Create the key files that are missing: the private key with mode 0600, the public one beside it.

    Returns:
        Whether a new key pair was made.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the private key that is there is no Ed25519 key.
    """
    created = False
    if not private_path.exists():
        private_pem, _ = generate_key_pair()
        created = _create_file(private_path, private_pem, 0o600)
    pem = public_pem(load_private_key(private_path.read_text()).public_key())
    if not public_path.exists() or public_path.read_text() != pem:
        public_path.parent.mkdir(parents=True, exist_ok=True)
        public_path.write_text(pem)
    return created


def load_private_key(pem: str) -> Ed25519PrivateKey:
    """The private key of this text.

    Raises:
        ValueError: it is no Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise ValueError(f"not a private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the private key is not an Ed25519 key")
    return key


def load_public_key(pem: str) -> Ed25519PublicKey | RSAPublicKey:
    """The public key of this text.

    Raises:
        ValueError: it is no public key, or of another kind than Ed25519 and RSA, or too short for RS256.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"not a public key: {error}") from error
    if isinstance(key, RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ValueError(f"an RSA key needs {MIN_RSA_BITS} bits at least, this one has {key.key_size}")
        return key
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the public key is neither an Ed25519 key nor an RSA key")
    return key


def public_pem(key: Ed25519PublicKey) -> str:
    """The text of a public key."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _create_file(path: Path, text: str, mode: int) -> bool:
    """Create a file whole or not at all; False when somebody else did so at the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(path).hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        Path(temporary).unlink()
    return True
