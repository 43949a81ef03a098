"""What lies beside a policy: its fixtures, and the signature over it.

Rules:
- What is there is judged by every lint. That it is there is asked for by `--governance` alone: a draft has neither.
- A signature is not verified here, which takes keys; but one over another text is none. `stella policy verify` believes
  nothing that it did not check.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path

import msgspec

from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.language.compile import Compiled
from stella.language.diagnostics import Diagnostic, found
from stella.language.ir import digest
from stella.runtime.files import read_file

ATTESTATION = ".attestation.sigstore"
FIXTURES = ".fixtures."
MAX_BUNDLE = 4 << 20  # bytes; a bundle has a few thousand


class _Subject(msgspec.Struct):
    digest: dict[str, str] = {}


class _Statement(msgspec.Struct):
    subject: tuple[_Subject, ...] = ()


class _Envelope(msgspec.Struct):
    payload: str = ""
    signatures: tuple[object, ...] = ()


class _Bundle(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope


def attestation_of(path: Path) -> Path:
    """Where the attestation of a policy is."""
    return path.with_name(path.name + ATTESTATION)


def fixtures_of(path: Path) -> list[Path]:
    """The files of fixtures of a policy: `NAME.fixtures.*` beside `NAME.stella`."""
    return sorted(path.parent.glob(f"{_literal(path.stem)}{FIXTURES}*"))


def beside(path: Path, compiled: Compiled, *, governance: bool) -> Iterator[Diagnostic]:
    """What is wrong with it, at the name of the policy; nothing of a text that is none."""
    place = compiled.places.get("policy")
    if compiled.policy is None or place is None:
        return
    if governance and not fixtures_of(path):
        yield found("POL5002", f"no fixtures: `{path.stem}{FIXTURES}json` is not beside it", place)
    bundle = attestation_of(path)
    if not bundle.is_file():
        if governance:
            yield found("POL5004", f"not signed: `{bundle.name}` is not beside it", place)
        return
    try:
        data = read_file(bundle, MAX_BUNDLE)
        subjects = _subjects(data)
    except (StellaError, msgspec.DecodeError, binascii.Error, UnicodeDecodeError) as error:
        said = error.message if isinstance(error, StellaError) else "it is no bundle of Sigstore"
        yield found("POL5004", f"`{bundle.name}` cannot be read: {said}", place)
        return
    known = {digest(compiled.policy), sha256(read_file(path, MAX_BUNDLE))}
    if not subjects & known:
        yield found("POL5004", f"`{bundle.name}` is about another text than this one: sign it again", place)


def _subjects(bundle: bytes) -> set[str]:
    """The digests that a bundle speaks of; raises what msgspec and base64 raise."""
    envelope = msgspec.json.decode(bundle, type=_Bundle).dsse_envelope
    statement = msgspec.json.decode(base64.b64decode(envelope.payload, validate=True), type=_Statement)
    if not envelope.signatures:
        return set()
    return {one.digest.get("sha256", "") for one in statement.subject} - {""}


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
