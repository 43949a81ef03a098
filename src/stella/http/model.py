"""What the service takes, keeps and gives besides the operations themselves.

Rules:
- A job moves as `JOB` says. A restart puts a running job back into the queue; one that ended never moves again.
- Times are RFC 3339 in what is answered, and seconds since 1970 in what is asked of the store.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from stella.kernel.machine import Machine
from stella.operations import arg


class Serve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of serve."""

    data: Annotated[str, arg("Folder of the service.", "folder", metavar="DIR", setting="stack.data")] = ".stella"
    host: Annotated[str, arg("Address to listen on.", metavar="HOST", setting="service.host")] = "127.0.0.1"
    port: Annotated[
        int,
        msgspec.Meta(ge=0, le=65535),
        arg("Port to listen on; 0 means any free one.", metavar="PORT", setting="service.port"),
    ] = 0


class Served(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.serve@1"):
    """Result of serve, when it has stopped."""

    address: str
    requests: int
    handed_over: int


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobEvent(StrEnum):
    """What moves a job."""

    START = "start"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"
    WITHDRAW = "withdraw"
    RETURN = "return"


JOB = Machine(
    "job",
    JobState.QUEUED,
    {
        (JobState.QUEUED, JobEvent.START): JobState.RUNNING,
        (JobState.QUEUED, JobEvent.WITHDRAW): JobState.CANCELLED,
        (JobState.RUNNING, JobEvent.FINISH): JobState.DONE,
        (JobState.RUNNING, JobEvent.FAIL): JobState.FAILED,
        (JobState.RUNNING, JobEvent.CANCEL): JobState.CANCELLED,
        (JobState.RUNNING, JobEvent.RETURN): JobState.QUEUED,
    },
)
ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


def sources(event: JobEvent) -> list[str]:
    """The states that an event may find a job in."""
    return [state.value for state, known in JOB.moves if known is event]


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be queued. No two jobs of a tenant work in the same `folder` at once; empty means that there is none.

    Ids of later jobs of a tenant sort after those of earlier ones.
    """

    tenant: str
    id: str
    operation: str
    request: bytes
    folder: str
    principal: str
    trace: str
    created: int
    key: str | None = None
    digest: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it is stored; `outcome` is the result or the problem as JSON."""

    tenant: str
    id: str
    operation: str
    request: bytes
    folder: str
    principal: str
    trace: str
    key: str | None
    digest: str
    state: JobState
    attempt: int
    cancelling: bool
    created: int
    started: int | None
    finished: int | None
    status: int | None
    outcome: bytes | None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a job that is kept, numbered from 1; `data` is JSON."""

    number: int
    at: int
    kind: str
    data: bytes


class Reached(msgspec.Struct, frozen=True):
    """How far the present task of a running job is; `total` is null when unknown."""

    task: str
    done: int
    total: int | None
    unit: str


class JobShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.job@1"):
    """A job. `result` is what the operation gave, `problem` why it failed, `status` the HTTP status of either."""

    id: str
    operation: str
    state: JobState
    principal: str
    attempt: int
    cancelling: bool
    created: str
    started: str | None
    finished: str | None
    progress: Reached | None
    status: int | None
    result: msgspec.Raw | None
    problem: msgspec.Raw | None
    events: str


class JobsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.jobs@1"):
    """Jobs, newest first, without results; `next` is the cursor of the following page."""

    jobs: tuple[JobShown, ...]
    next: str | None


class ListJobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of the list of jobs."""

    state: JobState | None = None
    operation: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9._-]{1,100}$")] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class NewUpload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file, or with `unpack` a folder as ustar, that will be sent in pieces."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[^/\x00]{1,200}$")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$", max_length=64)]  # `$` would let a line feed pass
    unpack: bool = False


class UploadState(StrEnum):
    """Where an upload is."""

    OPEN = "open"
    COMPLETE = "complete"
    REFUSED = "refused"


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload as it is stored. `offset` bytes are durable; `changed` is when that was last so."""

    tenant: str
    id: str
    name: str
    size: int
    sha256: str
    unpack: bool
    state: UploadState
    offset: int
    principal: str
    changed: int


class UploadShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.upload@1"):
    """An upload; `path` is what a request names it by once it is complete."""

    id: str
    state: UploadState
    name: str
    size: int
    offset: int
    sha256: str
    unpack: bool
    path: str


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a request with an Idempotency-Key; `status` is None until it was answered."""

    digest: str
    state: Literal["running", "interrupted", "answered"]
    status: int | None = None
    location: str = ""
    body: bytes = b""


class FolderEntry(msgspec.Struct, frozen=True):
    """A name in a folder of the service; `size` in bytes, None for a folder."""

    name: str
    kind: Literal["file", "folder"]
    size: int | None


class FolderShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.folder@1"):
    """A folder of the service; `next` is the cursor of the following page."""

    path: str
    entries: tuple[FolderEntry, ...]
    next: str | None


class ListFolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of a folder."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000
    cursor: str | None = None
