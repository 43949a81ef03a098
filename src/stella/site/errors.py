"""Why a site refuses a command."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class SiteExists(StellaError):
    """{path} already holds the site `{site}`.

    A site is laid once; its history and its trust would be lost otherwise.
    """

    code = "SITE-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "choose another folder, or use it as it is: `stella site status --dir {path}`"


class NoSite(StellaError):
    """{path} is not a site folder.

    The folder has no `state.json`.
    """

    code = "SITE-002"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "lay one: `stella site init --dir {path} --trust TRUST`"


class NotMonotonic(StellaError):
    """Bundle carries generation {found}, this site runs {active}.

    Generations only go up. An older one may hide fixes and advisories: somebody may be replaying it.
    """

    code = "SITE-003"
    exit = Exit.NEGATIVE
    reason = "not_monotonic"
    hint = "to go back on purpose: `stella site rollback`, or import with `--force --reason TEXT --approver NAME`"


class ApprovalRequired(StellaError):
    """{what} needs a second person.

    One person alone must not be able to change whom this site trusts or to go back in time. The approver is another
    person than the operator; both names and the reason are kept in the site's history and in its receipts.
    """

    code = "SITE-004"
    exit = Exit.DENIED
    reason = "approval_required"
    hint = "run it again with `--approver NAME` of a second person{and_reason}"


class ReasonRequired(StellaError):
    """{what} needs a reason.

    The reason is kept in the site's history and in its receipts.
    """

    code = "SITE-005"
    exit = Exit.USAGE
    reason = "usage"
    hint = "run it again with `--reason TEXT`"


class AnchorReplayed(StellaError):
    """Proof of time in the bundle is of {found}, this site has already seen one of {seen}.

    A newer generation cannot carry an older proof of time: the proof was replayed.
    """

    code = "SITE-006"
    exit = Exit.NEGATIVE
    reason = "anchor_replayed"
    hint = "do not use this file; fetch the generation again from the vendor"


class GenerationNotHeld(StellaError):
    """This site does not hold generation {generation}; it holds {held}.

    Only generations that were imported and are still kept can be shown or run.
    """

    code = "SITE-007"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see what there is: `stella site list --dir {path}`"


class NothingToRollBack(StellaError):
    """There is no generation before {active} to roll back to.

    A site keeps the generation that was active before; a site with one import has none.
    """

    code = "SITE-008"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see what there is: `stella site list --dir {path}`"


class NotInQuarantine(StellaError):
    """There is nothing with the id `{id}` in quarantine.

    The id is the first part of the digest that `stella site quarantine` lists.
    """

    code = "SITE-009"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "list what there is: `stella site quarantine --dir {path}`"


class RootRejected(StellaError):
    """Two histories: generation {generation} was {held} here and is {found} in the bundle.

    A channel has one root for each generation. Somebody shows different sites different content.
    """

    code = "SITE-010"
    exit = Exit.NEGATIVE
    reason = "equivocation"
    hint = "do not use this file; compare both roots with the vendor by phone"


class NoActiveGeneration(StellaError):
    """This site runs no generation yet.

    A site is empty until its first import.
    """

    code = "SITE-011"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "import one: `stella site import B.stella --dir {path}`"


class PathNotHeld(StellaError):
    """Generation {generation} has no file `{path}`.

    Paths begin with their category, as `stella site show --files` lists them.
    """

    code = "SITE-012"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "list the files: `stella site show --files`"
