"""What can go wrong with the demo beside what can go wrong with the job it shows."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class MaterialMissing(StellaError):
    """The demo finds no folder `{folder}` beside the package.

    The demo works on the examples of a checkout: sample advisories, policies, and the locks of the two releases it carries.
    A Stella that was installed without them can do everything but this.
    """

    code = "DEMO-001"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "run `make demo` in a checkout"
