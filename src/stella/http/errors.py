"""What can go wrong between a client and an operation behind HTTP.

Rules:
- `status` is the HTTP status of the answer; a class without one gets that of its exit class.
"""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NotAuthenticated(StellaError):
    """Not authenticated: {problem}.

    Every resource but /healthz, /readyz and the endpoints of the issuer asks for one bearer token (RFC 6750). That of
    the administrator is in `secrets/admin-token` of the data folder; others come from the issuer: `stella login`.
    """

    code = "HTTP-001"
    exit = Exit.DENIED
    reason = "unauthenticated"
    hint = "send `Authorization: Bearer TOKEN`"
    status = 401


class ScopeMissing(StellaError):
    """{principal} lacks the scope {scope}.

    Each operation has one scope; the reference of operations lists them.
    """

    code = "HTTP-002"
    exit = Exit.DENIED
    reason = "scope"
    hint = "ask for a token with the scope {scope}"


class NoResource(StellaError):
    """There is no resource {path}.

    The path is not in the OpenAPI document of this service.
    """

    code = "HTTP-003"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see /openapi.json"


class MethodRefused(StellaError):
    """{path} does not take {method}.

    The resource exists, the method does not.
    """

    code = "HTTP-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "use one of {allowed}"
    status = 405


class BodyTooLarge(StellaError):
    """The body has more than {limit} bytes.

    Bodies are bounded, so that no client can claim the memory or the disk of the service. Files go through uploads.
    """

    code = "HTTP-005"
    exit = Exit.USAGE
    reason = "limit"
    hint = "send files with `POST /v1/uploads`, or raise the setting {setting}"
    status = 413


class TooSlow(StellaError):
    """The request was not sent within {limit} seconds.

    A client that sends slowly holds a connection; the limit is the setting service.send_timeout. What an upload has
    received stays.
    """

    code = "HTTP-006"
    exit = Exit.USAGE
    reason = "limit"
    hint = "send it again; an upload goes on at its offset"
    status = 408


class HeadersTooLarge(StellaError):
    """The request line and headers exceed {limit} bytes or {count} fields.

    Headers are bounded before anything is read of them.
    """

    code = "HTTP-007"
    exit = Exit.USAGE
    reason = "limit"
    hint = "send fewer or shorter headers"
    status = 431


class WrongMediaType(StellaError):
    """The body is `{found}`, expected `{expected}`.

    The service reads one form of a body and guesses none.
    """

    code = "HTTP-008"
    exit = Exit.USAGE
    reason = "usage"
    hint = "send `Content-Type: {expected}`"
    status = 415


class BodyNotJson(StellaError):
    """The body is not JSON: {problem}.

    Nothing of it was used.
    """

    code = "HTTP-009"
    exit = Exit.USAGE
    reason = "usage"
    hint = "send one JSON object in UTF-8"


class BadField(StellaError):
    """Bad value for {what}: {problem}.

    The request does not have the form that the operation takes. Nothing was done.
    """

    code = "HTTP-010"
    exit = Exit.USAGE
    reason = "usage"
    hint = "see /openapi.json"
    status = 422


class UnsafePlace(StellaError):
    """`{field}` cannot be `{text}`: {problem}.

    Over HTTP a path is relative to the service's own folder, and leads nowhere else: not by `..`, not from the root,
    not through a link.
    """

    code = "HTTP-011"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name a path such as uploads/ID/NAME or stable"
    status = 422


class KeyReused(StellaError):
    """Idempotency-Key `{key}` was used for another body: then sha256:{earlier}, now sha256:{found}.

    A key stands for one request. The earlier answer is replayed for the same body alone.
    """

    code = "HTTP-012"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "use a new key for a new request"
    status = 409


class KeyInUse(StellaError):
    """The request with Idempotency-Key `{key}` is still being worked on.

    Its answer can be had in a moment.
    """

    code = "HTTP-013"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "send the same request again in a few seconds"
    status = 409


class KeyInterrupted(StellaError):
    """The request with Idempotency-Key `{key}` was interrupted by a stop of the service; it may have taken effect.

    The operation is not one that may simply run twice, so it was not started again.
    """

    code = "HTTP-014"
    exit = Exit.USAGE
    reason = "interrupted"
    hint = "look at what is there, then send the request with a new key if it is still wanted"
    status = 409


class TooManyJobs(StellaError):
    """Too many jobs are waiting, a tenant may have {limit}.

    More would wait for too long. All tenants together have a limit as well.
    """

    code = "HTTP-016"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "send the request again later"


class JobMissing(StellaError):
    """There is no job {id}.

    Jobs that have ended are kept for the time of the setting service.keep_jobs.
    """

    code = "HTTP-017"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "list them: GET /v1/jobs"


class JobGivenUp(StellaError):
    """The job ended the service {attempts} times and was given up.

    A job that is interrupted by a crash of the service runs again at the next start. This one was running each
    time.
    """

    code = "HTTP-018"
    exit = Exit.UNEXPECTED
    reason = "defect"
    hint = "look for the reason in the log of the service, then ask for the job again"


class JobCancelled(StellaError):
    """The job was cancelled.

    Somebody asked for it to end. Nothing half written is left behind.
    """

    code = "HTTP-019"
    exit = Exit.INTERRUPTED
    reason = "interrupted"
    hint = "send the request again to do the rest"
    status = 409


class UploadMissing(StellaError):
    """There is no upload {id}.

    It was deleted, or was left unfinished for too long.
    """

    code = "HTTP-020"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "start again: POST /v1/uploads"


class WrongOffset(StellaError):
    """Upload-Offset is {found}, the upload is at {offset}.

    Pieces are appended in order; what was acknowledged is kept, the rest is sent again.
    """

    code = "HTTP-021"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "ask for the offset with HEAD, then go on from there"
    status = 409


class UploadDiffers(StellaError):
    """What was sent has sha256 {found}, expected {expected}.

    The bytes were altered on their way, or the file changed while it was sent. Nothing of them was kept.
    """

    code = "HTTP-022"
    exit = Exit.NEGATIVE
    reason = "digest"
    hint = "start again: POST /v1/uploads"


class UploadNotUstar(StellaError):
    """The archive cannot be unpacked at byte {offset}: {problem}.

    A folder is sent as plain ustar: regular files and folders with relative names, each name once. Nothing of it was
    kept.
    """

    code = "HTTP-023"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "make it with `tar --format=ustar`, without links or devices"


class Failed(StellaError):
    """The service failed unexpectedly: {problem}.

    This is a defect of Stella, not of the request. The log of the service has the details under the request id.
    """

    code = "HTTP-024"
    exit = Exit.UNEXPECTED
    reason = "defect"
    hint = "report it with the log line of request {request}"


class DatabaseAway(StellaError):
    """The database does not answer: {problem}.

    Jobs, uploads and idempotency records live in PostgreSQL. What was acknowledged is there.
    """

    code = "HTTP-025"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "send the request again later; `stella status` says how the database is"


class NotMigrated(StellaError):
    """The database has no tables of the service: {problem}.

    The schema `service` has not been migrated to what this version needs.
    """

    code = "HTTP-027"
    exit = Exit.USAGE
    reason = "usage"
    hint = "run `stella migrate run`"


class TokenExposed(StellaError):
    """{path} can be read by others: its mode is {mode}, expected 0600.

    Whoever reads the token is the administrator of the service.
    """

    code = "HTTP-028"
    exit = Exit.USAGE
    reason = "usage"
    hint = "make a new token, with mode 0600"


class CannotListen(StellaError):
    """Cannot listen on {address}: {problem}.

    Another program has the port, or the address is not one of this machine.
    """

    code = "HTTP-029"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "choose another port, or 0 for any free one"


class ServiceRuns(StellaError):
    """Another service uses this data folder or database.

    Two services would run the same jobs twice.
    """

    code = "HTTP-030"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "stop the other one first; `service.json` in the data folder names its process"


class Draining(StellaError):
    """The service is stopping.

    It finishes what it has begun and takes nothing new. Jobs that it has accepted run after its next start.
    """

    code = "HTTP-031"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "send the request again after the restart"


class BadHttp(StellaError):
    """This is not HTTP/1.1: {problem}.

    The request line or a header is malformed.
    """

    code = "HTTP-032"
    exit = Exit.USAGE
    reason = "usage"
    hint = "send a well-formed request"


class PrivateFile(StellaError):
    """{path} is private.

    Files that only their owner may read, such as keys, are never sent.
    """

    code = "HTTP-033"
    exit = Exit.DENIED
    reason = "scope"
    hint = "use the file where it is"


class Overloaded(StellaError):
    """{running} requests are being worked on, the limit is {limit}.

    More would only wait.
    """

    code = "HTTP-034"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "send the request again in a moment"


class RangeRefused(StellaError):
    """The range `{range}` is not within {size} bytes.

    The file is shorter, or the header is malformed.
    """

    code = "HTTP-035"
    exit = Exit.USAGE
    reason = "usage"
    hint = "ask for the size with HEAD"
    status = 416


class JobEnded(StellaError):
    """The job is {state} already.

    A job that has ended cannot be cancelled.
    """

    code = "HTTP-036"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "see its result: GET /v1/jobs/{id}"
    status = 409


class UploadEnded(StellaError):
    """The upload is {state} already.

    Nothing can be appended to it.
    """

    code = "HTTP-037"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "start again: POST /v1/uploads"
    status = 409


class TooManyUploads(StellaError):
    """Too many uploads are open, a tenant may have {limit}.

    Each may claim disk. Unfinished ones are removed after a day. All tenants together have a limit as well.
    """

    code = "HTTP-038"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "finish or delete one first"


class TooManyConnections(StellaError):
    """{limit} connections are open, and no more are taken.

    Each costs memory and a descriptor. Those that say nothing are closed within seconds.
    """

    code = "HTTP-039"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "use a connection for several requests, or connect again in a moment"


class NoStanding(StellaError):
    """A thread cannot have a working directory of its own: {problem}.

    Each operation works in the folder of its tenant. That takes unshare(CLONE_FS) of Linux, which needs no privilege.
    """

    code = "HTTP-040"
    exit = Exit.USAGE
    reason = "usage"
    hint = "allow unshare(2) in the seccomp profile of the container"
