"""VEX documents of either form, and how far each vendor is trusted."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from stella.inventory import csaf, openvex
from stella.inventory.errors import BadTrustFile, WrongFormat
from stella.inventory.feeds import micros
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document, decode
from stella.inventory.statements import Statement
from stella.kernel.errors import BadDuration
from stella.kernel.instant import Seconds, parse_duration
from stella.language.names import MICRO

ENDINGS = (".json",)
FRESH: Seconds = 180 * 86400  # what a statement may be old, when the trust file does not say


class Vendor(NamedTuple):
    """How far a vendor is trusted, in micros; None is missing. `name` is what policies call it."""

    name: str
    trust: int | None = None
    accuracy: int | None = None
    verified: bool | None = None
    fresh: Seconds = FRESH


class Trust(NamedTuple):
    """The vendors that are known, by the name in their documents."""

    vendors: dict[str, Vendor]
    fresh: Seconds = FRESH

    def of(self, name: str) -> Vendor:
        """A vendor; nothing is known of one that is not listed."""
        return self.vendors.get(name) or Vendor(name, fresh=self.fresh)


class _Form(msgspec.Struct, rename={"context": "@context"}):
    """The fields that tell the forms apart."""

    context: str | None = None
    document: dict[str, Any] | None = None


class _Vendor(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    trust: Decimal | None = None
    accuracy: Decimal | None = None
    verified: bool | None = None
    max_age: str = ""


class _Trust(msgspec.Struct, forbid_unknown_fields=True):
    max_age: str = ""
    vendor: dict[str, _Vendor] = {}


def read(document: Document, tally: Tally) -> Iterator[Statement]:
    """The statements of a document; bad ones go to the tally.

    Raises WrongFormat, WrongVersion, NotParsed or TooDeep.
    """
    form = decode(document, _Form, "VEX document")
    if form.context is not None and form.context.startswith(openvex.CONTEXT):
        return openvex.read(document, tally)
    if form.document is not None and "csaf_version" in form.document:
        return csaf.read(document, tally)
    raise WrongFormat(file=document.shown, expected="VEX document", problem="it is neither OpenVEX nor CSAF")


def read_trust(document: Document) -> Trust:
    """Whom to trust, from TOML; raises BadTrustFile."""
    try:
        found = msgspec.convert(
            tomllib.loads(document.data.decode(), parse_float=Decimal), _Trust, builtin_types=(Decimal,)
        )
        fresh = parse_duration(found.max_age) if found.max_age else FRESH
        vendors = {name: _vendor(name, one, fresh) for name, one in found.vendor.items()}
    except (tomllib.TOMLDecodeError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadTrustFile(file=document.shown, problem=error) from None
    except BadDuration as error:
        raise BadTrustFile(file=document.shown, problem=error.message) from None
    return Trust(vendors, fresh)


def _vendor(name: str, told: _Vendor, fresh: Seconds) -> Vendor:
    return Vendor(
        told.name or name,
        None if told.trust is None else micros(str(told.trust), 0, MICRO),
        None if told.accuracy is None else micros(str(told.accuracy), 0, MICRO),
        told.verified,
        parse_duration(told.max_age) if told.max_age else fresh,
    )
