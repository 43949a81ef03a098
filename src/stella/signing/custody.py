"""Where private keys are: behind one port, as encrypted files here or inside OpenBao in `bao_custody`.

Rules:
- A private key is made where it stays, and never travels: what comes out is public keys and signatures.
- A handle says where a key is; it is no secret, and only the custody that gave it understands it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from stella.runtime.ports import Entropy, Folder
from stella.signing.errors import WrongPassphrase
from stella.signing.keys import MAX_KEY_FILE
from stella.signing.signing_key import SigningKey
from stella.signing.verifying_key import VerifyingKey
from stella.signing.vocabulary import Algorithm

PREFIX = "private/"
FILE = "file:"
ID = 16  # characters of a key id that name its file


class Kept(NamedTuple):
    """A key in custody: its handle and its public half."""

    handle: str
    public: VerifyingKey


class Custody(Protocol):
    """The port. Each method raises what keeps the custody from it."""

    def make(self, algorithm: Algorithm, purpose: str) -> Kept:
        """Make a key."""
        ...

    def sign(self, handle: str, data: bytes) -> bytes:
        """Signature over `data`: ECDSA with SHA-256 in DER, or 64 bytes of Ed25519."""
        ...

    def forget(self, handle: str) -> None:
        """Destroy a private key; no error when it is gone already."""
        ...


class FileCustody:
    """Private keys as files of a folder, in the encrypted PEM that cosign opens as well."""

    def __init__(self, folder: Folder, passphrase: Callable[[], bytes], entropy: Entropy) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._entropy = entropy
        self._opened: dict[str, SigningKey] = {}

    def make(self, algorithm: Algorithm, purpose: str) -> Kept:
        """Make a key and write it; raises as the passphrase and the folder do."""
        del purpose  # it is in the list
        return self.take(SigningKey.generate(self._entropy, algorithm))

    def take(self, key: SigningKey) -> Kept:
        """Keep a key that was made elsewhere."""
        handle = f"{FILE}{PREFIX}{key.keyid[:ID]}.key"
        pem = key.to_pem(self._passphrase(), self._entropy)
        self._folder.write(handle.removeprefix(FILE), pem, private=True)
        self._opened[handle] = key
        return Kept(handle, key.public)

    def sign(self, handle: str, data: bytes) -> bytes:
        return self.key(handle).sign(data)

    def key(self, handle: str) -> SigningKey:
        """The key itself, for the authority of certificates; raises ObjectMissing, WrongPassphrase or UnusableKey."""
        key = self._opened.get(handle)
        if key is None:
            path = handle.removeprefix(FILE)
            if path == handle or not path.startswith(PREFIX):
                raise WrongPassphrase(path=handle, problem="it is not a key of this folder")
            key = SigningKey.from_pem(self._folder.read(path, MAX_KEY_FILE), self._passphrase(), path)
            self._opened[handle] = key
        return key

    def forget(self, handle: str) -> None:
        self._opened.pop(handle, None)
        self._folder.remove(handle.removeprefix(FILE))
