"""Personal and sensitive texts: encrypted under a key of the tenant, so that erasing the key erases them all.

Rules:
- AES-256-GCM with a fresh 96-bit nonce. Tenant, event, field, class and number of the key are bound to the ciphertext,
  so that none can be moved to another place.
- The key of a tenant is stored wrapped by the installation's key, and never leaves memory otherwise.
- The chain covers the ciphertext. An actor has a pseudonym too, an HMAC under the same key, so that one actor's events
  can be found while the key lives, and by nobody afterwards.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stella.audit.errors import BadAuditKey, WrongWrapKey
from stella.audit.model import Closed, Event, Fact, Given, Marked, Record, Sealed, classes
from stella.runtime.ports import Entropy

KEY = 32  # bytes; AES-256
NONCE = 12  # bytes; SP 800-38D section 5.2.1.1. Random ones allow 2**32 texts under a key (section 8.3)
MARK = 16  # bytes of a pseudonym: enough that no two of a tenant's actors share one
HIDDEN = {"personal": "(personal)", "sensitive": "(sensitive)"}
ERASED = "(erased)"

_CLASSES = classes()


def read_key(secret: bytes, setting: str) -> bytes:
    """The 32 bytes behind a setting; raises BadAuditKey."""
    try:
        key = base64.b64decode(b"".join(secret.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadAuditKey(setting=setting, problem="it is not base64") from None
    if len(key) != KEY:
        raise BadAuditKey(setting=setting, problem=f"{len(key)} bytes instead of {KEY}")
    return key


class TenantKey:
    """Key `number` of a tenant."""

    def __init__(self, tenant: str, number: int, raw: bytes) -> None:
        self.tenant, self.number = tenant, number
        self._cipher = AESGCM(hmac.digest(raw, b"stella.audit/seal", "sha256"))
        self._marks = hmac.digest(raw, b"stella.audit/mark", "sha256")

    def mark(self, actor: str) -> str:
        """The pseudonym of an actor."""
        return hmac.digest(self._marks, actor.encode(), "sha256")[:MARK].hex()

    def seal(self, text: str, kind: Closed, place: str, nonce: bytes, mark: str = "") -> Sealed:
        """Encrypt a text for a place, which is the id of an event and the name of a field."""
        data = nonce + self._cipher.encrypt(nonce, text.encode(), self._bound(kind, place))
        return Sealed(key=self.number, kind=kind, mark=mark, sealed=base64.b64encode(data).decode())

    def open(self, sealed: Sealed, place: str) -> str | None:
        """The text; None when it is not what was sealed at this place."""
        try:
            data = base64.b64decode(sealed.sealed, validate=True)
            return self._cipher.decrypt(data[:NONCE], data[NONCE:], self._bound(sealed.kind, place)).decode()
        except (InvalidTag, ValueError):
            return None

    def _bound(self, kind: str, place: str) -> bytes:
        return f"stella.audit\n{self.tenant}\n{self.number}\n{kind}\n{place}".encode()


class Vault(NamedTuple):
    """The installation's key, and where nonces come from."""

    wrap_key: bytes
    entropy: Entropy

    def make(self, tenant: str, number: int) -> bytes:
        """A new key of a tenant, wrapped."""
        nonce = self.entropy(NONCE)
        return nonce + AESGCM(self.wrap_key).encrypt(nonce, self.entropy(KEY), _wrapping(tenant, number))

    def unwrap(self, tenant: str, number: int, wrapped: bytes) -> TenantKey:
        """The key of a tenant; raises WrongWrapKey."""
        try:
            raw = AESGCM(self.wrap_key).decrypt(wrapped[:NONCE], wrapped[NONCE:], _wrapping(tenant, number))
        except (InvalidTag, ValueError):
            raise WrongWrapKey(number=number, tenant=tenant) from None
        return TenantKey(tenant, number, raw)


def _wrapping(tenant: str, number: int) -> bytes:
    return f"stella.audit/wrap\n{tenant}\n{number}".encode()


def needs_key(event: Event) -> bool:
    """Whether anything of an event has to be encrypted."""
    given = (event.resource, *event.before.values(), *event.after.values())
    return any(isinstance(fact, Marked) for fact in given) or any(getattr(event, name) for name in _closed(event))


def _closed(event: Event) -> Iterator[str]:
    """The fields whose text is closed in this event."""
    for name, kind in _CLASSES.items():
        if kind != "none" and not (name == "actor" and event.actor_type != "user"):
            yield name


def close(event: Event, key: TenantKey | None, entropy: Entropy) -> Record:
    """The record of an event. Raises ValueError when it needs a key and there is none."""
    if key is None and needs_key(event):
        raise ValueError("this event has personal texts and there is no key")
    values = {name: getattr(event, name) for name in Event.__struct_fields__}
    values["before"], values["after"] = dict(event.before), dict(event.after)
    if key is not None:
        for name in _closed(event):
            kind: Closed = "sensitive" if _CLASSES[name] == "sensitive" else "personal"
            mark = key.mark(event.actor) if name == "actor" else ""
            if values[name]:
                values[name] = key.seal(values[name], kind, f"{event.id}\n{name}", entropy(NONCE), mark)
        if isinstance(event.resource, Marked):
            mark = key.mark(event.resource.text)
            values["resource"] = _close_fact(event.resource, key, f"{event.id}\nresource", entropy, mark)
        for side in ("before", "after"):
            values[side] = {
                name: _close_fact(fact, key, f"{event.id}\n{side}.{name}", entropy)
                for name, fact in values[side].items()
            }
    return Record(**values)


def _close_fact(fact: Given, key: TenantKey, place: str, entropy: Entropy, mark: str = "") -> Fact:
    return key.seal(fact.text, fact.kind, place, entropy(NONCE), mark) if isinstance(fact, Marked) else fact


def reveal(record: Record, key_of: Callable[[int], TenantKey | None], *, kinds: frozenset[str]) -> Record:
    """The record with each text that is in `kinds` and whose key lives; the others as words that say why not."""

    def shown(value: Fact, name: str) -> Fact:
        if not isinstance(value, Sealed):
            return value
        if value.kind not in kinds:
            return HIDDEN[value.kind]
        key = key_of(value.key)
        text = key.open(value, f"{record.id}\n{name}") if key else None
        return ERASED if text is None else text

    return msgspec.structs.replace(
        record,
        actor=shown(record.actor, "actor"),
        resource=shown(record.resource, "resource"),
        reason=shown(record.reason, "reason"),
        before={name: shown(fact, f"before.{name}") for name, fact in record.before.items()},
        after={name: shown(fact, f"after.{name}") for name, fact in record.after.items()},
    )
