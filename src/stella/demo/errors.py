"""What can go wrong with the demo beside what can go wrong with the job it shows."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class MaterialMissing(StellaError):
    """The demo finds no folder `{folder}` beside the package.

    The demo works on the examples of a checkout: sample advisories, policies, and the locks of the two releases that it
    carries. A Stella that was installed without them can do everything but this.
    """

    code = "DEMO-001"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "run `make demo` in a checkout"


class DemoFailed(StellaError):
    """The demo did not end as it should: {problem}.

    The demo checks itself: the site must hold the vendor's bytes and refuse every attack for the right reason. This is
    a defect, or the machine lacks something; the folder of the demo is left as it was for a look.
    """

    code = "DEMO-002"
    exit = Exit.NEGATIVE
    reason = "validation"
    hint = "run it again with `--debug`, and look into the folder of the demo"
