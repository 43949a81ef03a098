"""Why a policy cannot be evaluated."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class BackendsDisagree(StellaError):
    """Finding {finding} has the mask {found} from {backend}, and {wanted} from the interpreter.

    Some findings of every evaluation are asked again, one at a time, in the way that defines what a policy
    means.
    A mask is shown as the set of groups that are true, `/`, the set of those that are unknown, in hexadecimal: bit i is
    group i. A difference is a defect of Stella, so nothing of the run is used.
    """

    code = "ENGINE-001"
    exit = Exit.UNEXPECTED
    reason = "backends_disagree"
    hint = "report it with the policy and the finding; another backend may be right: `numpy` is the plainest"


class SumTooLarge(StellaError):
    """A sum over {dimensions} has parts beyond {limit} micros.

    Sums over several dimensions are made of 64-bit integers. Weights and scores are far below the limit; a factor that
    exceeds it was meant otherwise.
    """

    code = "ENGINE-002"
    exit = Exit.USAGE
    reason = "sum_too_large"
    hint = "use a smaller factor or weight in the profile or the score"


class BackendMissing(StellaError):
    """The backend `{backend}` needs {package}, which is not installed.

    Every backend gives the same answer; the others need nothing more than Stella itself.
    """

    code = "ENGINE-003"
    exit = Exit.USAGE
    reason = "backend_missing"
    hint = "use the backend `numpy`, or install {package}"
