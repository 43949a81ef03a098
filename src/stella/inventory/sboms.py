"""SBOMs of either form: which one a file is, and its fleet of components."""

from __future__ import annotations

import msgspec

from stella.inventory import cyclonedx, spdx
from stella.inventory.bom import Bom
from stella.inventory.errors import WrongFormat
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document, decode

ENDINGS = (".json",)


class _Form(msgspec.Struct):
    """The fields that tell the forms apart."""

    bomFormat: str | None = None  # noqa: N815  # CycloneDX's name
    spdxVersion: str | None = None  # noqa: N815  # SPDX's name


def read(document: Document, tally: Tally) -> Bom:
    """Read an SBOM; bad records go to the tally.

    Raises WrongFormat, WrongVersion, NotParsed or TooDeep.
    """
    form = decode(document, _Form, "SBOM")
    if form.bomFormat == "CycloneDX":
        return cyclonedx.read(document, tally)
    if form.spdxVersion is not None:
        return spdx.read(document, tally)
    raise WrongFormat(
        file=document.shown, expected="SBOM", problem="it has neither `bomFormat: CycloneDX` nor `spdxVersion`"
    )
