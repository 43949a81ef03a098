"""What can go wrong with the life of a policy."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class BadWord(StellaError):
    """`{text}` is no {what}.

    Names, digests and transitions have one spelling each, since they become part of addresses and signed documents.
    """

    code = "POLICY-100"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it as {form}"


class NoSuchPolicy(StellaError):
    """There is no policy {policy}.

    Policies are those of the tenant of whoever asks.
    """

    code = "POLICY-101"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see `stella policy list`"


class NoSuchVersion(StellaError):
    """There is no version {version}.

    Versions are numbered from 1 on, and none ever goes.
    """

    code = "POLICY-102"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see `stella policy show`"


class PolicyTaken(StellaError):
    """The id {policy} is taken.

    An id belongs to one policy for ever.
    """

    code = "POLICY-103"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "take another id, or add a version with `stella policy bump {policy} FILE`"
    status = 409


class TwoBeginnings(StellaError):
    """A policy begins with one thing, and {count} were given.

    A file, a template or a version of a policy; without any of them it begins with the template `blank`.
    """

    code = "POLICY-104"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give one of --file, --template and --from"


class DoesNotCompile(StellaError):
    """The policy does not compile: {diagnostic} at {place}: {first}.

    What does not compile is never stored as a version: nobody could say what it means.
    """

    code = "POLICY-105"
    exit = Exit.USAGE
    reason = "does_not_compile"
    hint = "see all {count} errors with `stella policy lint FILE`"

    def __init__(self, **facts: object) -> None:
        super().__init__(**facts)
        self.reason = str(facts["diagnostic"])  # type: ignore[misc]  # the code of the first error, for this one alone


class NothingChanged(StellaError):
    """The text means the same as {version}.

    Layout and comments are no part of what a version is, so there is nothing that a new one would say.
    """

    code = "POLICY-106"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "go on with {version}"
    status = 409


class IllegalTransition(StellaError):
    """{version} is {state}, so it cannot be the subject of `{event}`; what can be done: {allowed}.

    A version goes from draft over submitted and approved to active, and ends as archived. No state is left out.
    """

    code = "POLICY-107"
    exit = Exit.USAGE
    reason = "illegal_transition"
    hint = "see `stella policy show`; what can be done now is {allowed}"
    status = 409

    @property
    def message(self) -> str:
        return self.template().format_map(self._said()).removesuffix(".")

    @property
    def advice(self) -> str:
        return self.hint.format_map(self._said())

    def _said(self) -> dict[str, object]:
        found = self.facts["allowed"]
        words = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
        return {**self.facts, "allowed": words or "nothing"}


class SelfApproval(StellaError):
    """{actor} has written or submitted {version}, and so cannot approve it.

    Two people are needed: what one has written another one approves.
    """

    code = "POLICY-108"
    exit = Exit.DENIED
    reason = "two_person_rule"
    hint = "let somebody else approve it"


class LoginTooOld(StellaError):
    """Whoever does this must have logged in within the last {limit} minutes.

    What gives rights away is not done with a login of long ago, which somebody else may have come by. The token of the
    administrator says nothing of a login.
    """

    code = "POLICY-109"
    exit = Exit.DENIED
    reason = "reauth_required"
    hint = "log in again: `stella login`; a STELLA_TOKEN in the environment goes before a login, so unset it"


class GateShut(StellaError):
    """The gate says {decision}: {reasons}.

    Before a version decides, it was linted, its fixtures and their coverage were good, it ran in shadow, a simulation
    of the last day kept the limits, two runs gave the same, and a signature was verified. A reason that ends in
    `missing` or `stale`, and `policy_shadow_required`, asks for something to be run; all others are findings.
    """

    code = "POLICY-110"
    exit = Exit.NEGATIVE
    reason = "gate"
    hint = "see the evidence with `stella policy show`; run what is missing and try again"

    def __init__(self, **facts: object) -> None:
        super().__init__(**facts)
        self.reason = str(facts["reasons"]).partition(",")[0]  # type: ignore[misc]  # the first of them, for this one


class ShadowRequired(GateShut):
    """The gate says {decision}: {reasons}; it has not run in shadow.

    What is new or changed first runs beside what decides, without deciding anything, and with its fixtures.
    """

    code = "POLICY-111"
    reason = "policy_shadow_required"
    hint = "let it run in shadow, then try again"
    status = 412

    def __init__(self, **facts: object) -> None:
        super().__init__(**facts)
        self.reason = "policy_shadow_required"  # type: ignore[misc]  # whatever else is missing


class NotPublished(StellaError):
    """{version} was not published.

    Who publishes a version says why it is to count, and its signature is verified then.
    """

    code = "POLICY-112"
    exit = Exit.NEGATIVE
    reason = "not_published"
    hint = "publish it first: `stella policy publish`"
    status = 409


class IrHashMismatch(StellaError):
    """What is stored of {version} has the digest {found}, not {expected}.

    A version is what its digest says. Something other than Stella has changed the database.
    """

    code = "POLICY-113"
    exit = Exit.NEGATIVE
    reason = "policy_ir_hash_mismatch"
    hint = "restore the database, and look into the audit log"
    status = 409


class InputsUnfrozen(StellaError):
    """The inputs {digest} are not frozen.

    A run is about inputs that do not change under it, so that it can be repeated.
    """

    code = "POLICY-114"
    exit = Exit.USAGE
    reason = "policy_inputs_unfrozen"
    hint = "name a snapshot that `stella inventory load` has made, or freeze inputs: `stella policy freeze`"
    status = 409


class InputsStale(StellaError):
    """The inputs {digest} are of {age} hours ago or of later than now; the limit is {limit} hours.

    What was known a day ago says too little of today's findings.
    """

    code = "POLICY-115"
    exit = Exit.NEGATIVE
    reason = "inputs_stale"
    hint = "freeze newer ones: `stella policy freeze`"
    status = 409


class NoPrediction(StellaError):
    """Nothing is foretold for a canary of {version}: {problem}.

    A canary is compared with the transitions of a simulation, asset by asset. They are in the object that the evidence
    of the simulation names.
    """

    code = "POLICY-116"
    exit = Exit.NEGATIVE
    reason = "prediction_missing"
    hint = "simulate again, and promote then"
    status = 409


class Misplaced(StellaError):
    """{version} and {env}: {problem}.

    What decides in an environment is one version, and beside it a canary at most. A canary needs a version that decides
    for all other assets; a rollback goes back to one that decided there before.
    """

    code = "POLICY-117"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "see what decides where with `stella policy show`"
    status = 409


class NoSuchException(StellaError):
    """There is no exception {id}.

    Exceptions are those of the tenant of whoever asks.
    """

    code = "POLICY-118"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see `stella exception list`"


class ExceptionTaken(StellaError):
    """The id {id} is taken.

    An id belongs to one exception for ever.
    """

    code = "POLICY-119"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "take another id"
    status = 409


class NoExpiry(StellaError):
    """An exception ends at some time, but for a permanent one: {problem}.

    One that never ends is asked for with --permanent, and approved with --permanent: both say so in so many words.
    """

    code = "POLICY-120"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give --expires 2026-12-31T00:00:00Z, or --permanent, when it is made; --permanent for such a one alone"


class BadMatcher(StellaError):
    """The matcher is no condition: {problem}.

    It is what a rule would have behind `when`.
    """

    code = "POLICY-121"
    exit = Exit.USAGE
    reason = "usage"
    hint = "see docs/policy for what a condition may say"


class ExceptionMoved(StellaError):
    """The exception {id} is {state}, so it cannot become {wanted}.

    An exception is requested, then approved, and ends as revoked.
    """

    code = "POLICY-122"
    exit = Exit.USAGE
    reason = "illegal_transition"
    hint = "see `stella exception show {id}`"
    status = 409


class QueueFull(StellaError):
    """{waiting} of the tenant's runs wait already, as many as may.

    A tenant has a queue of its own, so that it cannot keep others from working.
    """

    code = "POLICY-123"
    exit = Exit.TRANSIENT
    reason = "queue_full"
    hint = "send the request again when some of them are done"
    status = 429


class BadEvidence(StellaError):
    """Evidence cannot be recorded: {problem}.

    A gate reads what was recorded, so nothing is taken that it could not.
    """

    code = "POLICY-124"
    exit = Exit.USAGE
    reason = "usage"
    hint = "record what the operation has found, by its digest"


class RunMissing(StellaError):
    """There is no run {id}.

    Runs are those of the tenant of whoever asks.
    """

    code = "POLICY-125"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "a run is named in the result of the operation that made it"


class OtherPolicy(StellaError):
    """What was checked is not {version}: its identity is {found}, not {expected}.

    What is found out about one policy says nothing of another. Layout and comments may differ; everything else is part
    of the identity.
    """

    code = "POLICY-126"
    exit = Exit.NEGATIVE
    reason = "policy_ir_hash_mismatch"
    hint = "check the text of that version, or make a new one with `stella policy bump`"
    status = 409


class OtherInputs(StellaError):
    """The snapshot {digest} is no part of the inputs {inputs}.

    Frozen inputs name all that is read. Something else says nothing about them.
    """

    code = "POLICY-127"
    exit = Exit.NEGATIVE
    reason = "inputs_hash_mismatch"
    hint = "freeze the inputs of that snapshot, or leave `--inputs` out"
    status = 409


class NotSignedAs(StellaError):
    """The signature is about {found}, not {version}.

    A signature names the policy and the version that it is about.
    """

    code = "POLICY-128"
    exit = Exit.NEGATIVE
    reason = "policy_attestation_differs"
    hint = "sign that version: `stella policy sign`"
