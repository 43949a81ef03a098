"""The service's own resources as a table, beside that of the operations: routes and document are made from it.

Rules:
- A row lists every answer that is no failure; what fails is one problem for all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from stella.http.model import (
    FolderShown,
    JobShown,
    JobsListed,
    ListFolder,
    ListJobs,
    NewUpload,
    UploadShown,
)

OCTETS = "application/octet-stream"
FORM = "application/x-www-form-urlencoded"
EVENTS = "text/event-stream"
READ_JOBS, WRITE_JOBS = "jobs:read", "jobs:write"
READ_FILES, WRITE_FILES = "files:read", "files:write"
READ_ABOUT = "about:read"
WATCH = "service:watch"  # for whoever runs the installation: figures of all tenants


class Health(msgspec.Struct, frozen=True):
    """It is well."""

    status: str


class Bytes:
    """Stands for a body of plain bytes."""


BYTES = Bytes
OpenApi = dict[str, Any]


class Reply(NamedTuple):
    """One answer: a JSON document of a kind, text of a media type, or nothing.

    A media type that is one of JSON is that of the document. A failure of neither is a problem like all others.
    """

    status: int
    words: str
    kind: Any = None
    media_type: str = ""
    location: bool = False


class Header(NamedTuple):
    """A header that a resource reads."""

    name: str
    words: str
    schema: dict[str, Any]
    required: bool = False


class Resource(NamedTuple):
    """One method of one resource. An empty scope means that no token is needed.

    With `own` the scope is for what belongs to others of the tenant; see `own`. The body of a `form` is one of HTML.
    """

    method: str
    path: str
    name: str
    scope: str
    summary: str
    replies: tuple[Reply, ...]
    query: type[msgspec.Struct] | None = None
    headers: tuple[Header, ...] = ()
    body: Any = None
    keyed: bool = False
    own: bool = False
    form: bool = False


_UNCHANGED = Reply(304, "It has not changed.")
_JOB = Reply(200, "The job.", JobShown)
_UPLOAD = Reply(200, "The upload.", UploadShown)
_OFFSET = {"type": "integer", "minimum": 0}

RESOURCES = (
    Resource("GET", "/healthz", "healthz", "", "Whether the process lives.", (Reply(200, "It does.", Health),)),
    Resource("GET", "/readyz", "readyz", "", "Whether it can work.", (Reply(200, "It can.", Health),)),
    Resource(
        "GET", "/metrics", "metrics", WATCH, "Metrics for Prometheus.", (Reply(200, "Text.", None, "text/plain"),)
    ),
    Resource("GET", "/openapi.json", "openapi", READ_ABOUT, "This document.", (Reply(200, "It.", OpenApi), _UNCHANGED)),
    Resource(
        "GET", "/v1/jobs", "jobs.list", READ_JOBS, "List jobs.", (Reply(200, "Jobs.", JobsListed),), query=ListJobs
    ),
    Resource("GET", "/v1/jobs/{id}", "jobs.show", READ_JOBS, "Show a job.", (_JOB, _UNCHANGED), own=True),
    Resource(
        "DELETE",
        "/v1/jobs/{id}",
        "jobs.cancel",
        WRITE_JOBS,
        "Cancel a job.",
        (Reply(202, "The job, which is to end.", JobShown),),
        own=True,
    ),
    Resource(
        "GET",
        "/v1/jobs/{id}/events",
        "jobs.events",
        READ_JOBS,
        "Follow a job.",
        (Reply(200, "Events until it has ended.", None, EVENTS),),
        headers=(Header("Last-Event-ID", "The last event that was seen.", {"type": "string"}),),
        own=True,
    ),
    Resource(
        "POST",
        "/v1/uploads",
        "uploads.create",
        WRITE_FILES,
        "Begin an upload.",
        (Reply(201, "The upload.", UploadShown, location=True),),
        body=NewUpload,
        keyed=True,
        own=True,
    ),
    Resource("GET", "/v1/uploads/{id}", "uploads.show", READ_FILES, "Show an upload.", (_UPLOAD,), own=True),
    Resource(
        "HEAD",
        "/v1/uploads/{id}",
        "uploads.offset",
        READ_FILES,
        "Say how far an upload is.",
        (Reply(200, "`Upload-Offset` says how far."),),
        own=True,
    ),
    Resource(
        "PATCH",
        "/v1/uploads/{id}",
        "uploads.append",
        WRITE_FILES,
        "Append to an upload.",
        (_UPLOAD,),
        headers=(Header("Upload-Offset", "Where these bytes belong.", _OFFSET, required=True),),
        body=BYTES,
        own=True,
    ),
    Resource(
        "DELETE",
        "/v1/uploads/{id}",
        "uploads.delete",
        WRITE_FILES,
        "Delete an upload and its files.",
        (Reply(204, "It is gone."),),
        own=True,
    ),
    Resource(
        "GET",
        "/v1/files/{path}",
        "files.read",
        READ_FILES,
        "Read a file, or list a folder.",
        (
            Reply(200, "The file, or the listing of the folder.", FolderShown, OCTETS),
            Reply(206, "The range of the file.", None, OCTETS),
            _UNCHANGED,
            Reply(416, ""),
        ),
        query=ListFolder,
        headers=(Header("Range", "One range of bytes.", {"type": "string"}),),
        own=True,
    ),
)
TRANSFERS = frozenset(found.name for found in RESOURCES if found.body is BYTES)
