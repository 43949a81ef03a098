"""Requests to the objects below one prefix of an S3 bucket, and how the store's errors become ours.

Rules:
- One request is one atomic step: an object is replaced whole or not at all, and is durable once that is answered.
- Every request passes `step()` before it is sent and again when its answer is there, so that a test can stop the
  process, or lose the answer, at each of them.
- What the environment says of AWS, of proxies and of credentials is not used beside the settings: a variable of another
  tool must not send a channel elsewhere.
- A process that is sealed, and a connection without TLS, reach a loopback address alone, and never through a proxy.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from stella.runtime.errors import (
    BadLocation,
    BadSetting,
    BucketMissing,
    EgressBlocked,
    ObjectMissing,
    StoreDenied,
    StoreUnreachable,
    TooLarge,
)
from stella.runtime.files import step
from stella.runtime.settings import StoreSettings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Credential

SCHEME = "s3://"
MIB = 1024 * 1024
WINDOW = 8 * MIB  # bytes of one ranged read; a larger object is read in so many requests
PART = 8 * MIB  # least bytes of a part of a large upload
MAX_PARTS = 9_000  # S3 takes 10,000
PARALLEL_PARTS = 2  # parts in flight; bounds memory at two of them
PAGE = 1_000  # keys of one listing; the most that S3 gives
RETRIES: RetryConfig = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}
CONNECT, ANSWER = "5s", "60s"  # patience with one attempt
NOWHERE = "http://127.0.0.1:1"  # a proxy that is never asked, since all loopback addresses are exempt from it
LOOPBACK = "127.0.0.0/8,::1,localhost"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_PART = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]+\Z")
_CODE = re.compile(r"<Code>(\w+)</Code>|\(code: (\w+)\)")  # of an answer; of a row in the answer to a bulk removal
_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"})
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName"})


class Outdated(Exception):  # the caller knows what it means, so it is no error of ours
    """The condition of a write did not hold."""


class Stored(NamedTuple):
    """What a request found: bytes (the first window of a large object), size of the object, and its version (ETag)."""

    data: bytes
    size: int
    tag: str


class Location(NamedTuple):
    """`s3://BUCKET/PREFIX`, taken apart."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, location: str) -> Location:
        """Raises BadLocation."""
        bucket, _, prefix = location.removeprefix(SCHEME).rstrip("/").partition("/")
        if not _BUCKET.match(bucket) or ".." in bucket:
            raise BadLocation(location=location, problem=f"`{bucket}` is no name of a bucket")
        wrong = next((part for part in prefix.split("/") if prefix and not _PART.match(part)), None)
        if wrong is not None:
            raise BadLocation(location=location, problem=f"`{wrong}` cannot be a part of it")
        return cls(bucket, prefix)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name, without asking: `localhost` (RFC 6761) or a loopback address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint_of(want: StoreSettings, *, sealed: bool) -> tuple[str, bool]:
    """Address of the store and whether it is on this machine; raises BadSetting, or EgressBlocked when sealed.

    The store's sockets are not Python's, so the guard of a sealed process does not see them: this is the rule for them.
    """
    address = want.endpoint or f"https://s3.{want.region}.amazonaws.com"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port  # reading the port checks it
    except ValueError:
        parts, host = urlsplit(""), ""
    local = is_loopback(host)
    more = parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/")
    if not host or more or parts.scheme not in ({"https", "http"} if local else {"https"}):
        raise BadSetting(
            key="store.endpoint",
            origin="the settings",
            value=repr(want.endpoint),
            expected="https://HOST[:PORT], or http:// with a loopback address",
        )
    if sealed and not local:
        raise EgressBlocked(target=address)
    return address, local


def connect(location: str, want: StoreSettings, secret: Callable[[str], bytes], *, sealed: bool) -> Objects:
    """The objects of `s3://BUCKET/PREFIX`; sends nothing yet.

    Raises BadLocation, BadSetting, EgressBlocked or what `secret` raises.
    """
    place = Location.parse(location)
    endpoint, local = endpoint_of(want, sealed=sealed)
    credential: S3Credential = {
        "access_key_id": secret(want.access_key).decode("utf-8", "surrogateescape"),
        "secret_access_key": secret(want.secret_key).decode("utf-8", "surrogateescape"),
        "expires_at": None,
    }
    client: ClientConfig = {"allow_http": local, "connect_timeout": CONNECT, "timeout": ANSWER}
    if local:
        client["proxy_url"], client["proxy_excludes"] = NOWHERE, LOOPBACK
    store = S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config={
            "endpoint": endpoint,
            "aws_endpoint_url_s3": endpoint,
            "region": want.region,
            "conditional_put": "etag",
            "skip_signature": False,
            "unsigned_payload": False,
            "virtual_hosted_style_request": False,
        },
        client_options=client,
        retry_config=RETRIES,
        credential_provider=lambda: credential,
    )
    return Objects(store, location.rstrip("/"), endpoint)


class Objects:
    """Requests to the objects below one prefix. `shown` is how people name the prefix."""

    def __init__(self, store: ObjectStore, shown: str, endpoint: str) -> None:
        self._store = store
        self.shown = shown
        self.endpoint = endpoint
        self._bucket_seen = False

    def path(self, key: str) -> str:
        """How people name an object."""
        return f"{self.shown}/{key}"

    @contextlib.contextmanager
    def _asking(self, kind: str, key: str, *, conditional: bool = False) -> Iterator[None]:
        path = self.path(key)
        try:
            step(kind, path)
            yield
            step(f"{kind} answer", path)
        except (AlreadyExistsError, PreconditionError) as error:  # also 409, which needs no condition
            raise (Outdated(key) if conditional else self._named(error, path)) from None
        except (PermissionDeniedError, UnauthenticatedError):
            raise StoreDenied(endpoint=self.endpoint, path=path) from None
        except (BaseError, OSError) as error:
            raise self._named(error, path) from None

    def _named(self, error: Exception, path: str) -> Exception:
        text = str(error)
        found = _CODE.search(text)
        code = found[1] or found[2] if found else ""
        if code in _NO_BUCKET:
            return self._no_bucket()
        if isinstance(error, FileNotFoundError):
            return ObjectMissing(path=path)
        if code in _DENIED:
            return StoreDenied(endpoint=self.endpoint, path=path)
        problem = code or text.partition("\n")[0].rpartition(" - ")[2].strip() or type(error).__name__
        return StoreUnreachable(endpoint=self.endpoint, path=path, problem=problem)

    def _no_bucket(self) -> BucketMissing:
        return BucketMissing(bucket=Location.parse(self.shown).bucket, endpoint=self.endpoint)

    def _look_for_bucket(self) -> None:
        """An answer without a body cannot say that the bucket itself is missing: ask once. Raises BucketMissing."""
        if not self._bucket_seen:
            self._bucket_seen = True
            with self._asking("list", ""):
                obstore.list(self._store, "none", chunk_size=1).collect()

    def get(self, key: str, limit: int | None = None) -> Stored:
        """An object, or the first window of one that is larger.

        Raises ObjectMissing, or TooLarge above `limit` bytes before any of them is read.
        """
        with self._asking("get", key):
            found = obstore.get(self._store, key)
            size, tag = found.meta["size"], found.meta["e_tag"] or ""
            if limit is not None and size > limit:
                raise TooLarge(path=self.path(key), size=size, limit=limit)
            if limit is not None or size <= WINDOW:
                return Stored(bytes(found.bytes()), size, tag)
            return Stored(bytes(next(found.stream(min_chunk_size=WINDOW)))[:WINDOW], size, tag)

    def get_range(self, key: str, start: int, end: int, tag: str) -> bytes:
        """Bytes of the version `tag`; raises ObjectMissing, or Outdated when there is another version."""
        with self._asking("get", key, conditional=True):
            return bytes(obstore.get(self._store, key, options={"range": (start, end), "if_match": tag}).bytes())

    def head(self, key: str) -> Stored | None:
        """Size and version of an object, without its bytes; None when it is missing."""
        try:
            with self._asking("head", key):
                found = obstore.head(self._store, key)
        except ObjectMissing:
            self._look_for_bucket()
            return None
        return Stored(b"", found["size"], found["e_tag"] or "")

    def put(self, key: str, data: bytes, *, kind: str = "put") -> str:
        """Write or replace; the new version."""
        with self._asking(kind, key):
            return obstore.put(self._store, key, data, use_multipart=False)["e_tag"] or ""

    def put_if(self, key: str, data: bytes, tag: str | None, *, kind: str = "put") -> str:
        """Replace the version `tag`, or write where nothing is (None); the new version.

        Raises Outdated when there is something else: that may be these very bytes, if an attempt had lost its answer.
        """
        with self._asking(kind, key, conditional=True):
            return obstore.put(self._store, key, data, mode="create" if tag is None else {"e_tag": tag})["e_tag"] or ""

    def put_file(self, key: str, file: BinaryIO, size: int) -> None:
        """Write or replace from a file, in parts; nothing is visible before the last one is there."""
        with self._asking("put", key):
            part = max(PART, -(-size // MAX_PARTS))
            obstore.put(self._store, key, file, chunk_size=part, max_concurrency=PARALLEL_PARTS, use_multipart=True)

    def delete(self, key: str) -> None:
        """Remove an object; no error when it is already gone."""
        with contextlib.suppress(ObjectMissing), self._asking("delete", key):
            obstore.delete(self._store, key)

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove objects, a page of them with one request; no error for those that are already gone."""
        left = iter(keys)
        while page := list(itertools.islice(left, PAGE)):
            with contextlib.suppress(ObjectMissing), self._asking("delete", page[0]):
                obstore.delete(self._store, page)

    def listing(self, prefix: str) -> list[tuple[str, int]]:
        """Every key that starts with `prefix`, and its size, in the order of keys."""
        with self._asking("list", prefix):
            top = prefix.rpartition("/")[0] or None
            pages = obstore.list(self._store, top, chunk_size=PAGE)
            found = [(str(row["path"]), row["size"]) for page in pages for row in page]
        return sorted(row for row in found if row[0].startswith(prefix))

    def page(self, folder: str, after: str, limit: int) -> list[tuple[str, int]]:
        """The first keys below a folder that come behind the key `after`, and their sizes, in the order of keys."""
        found: list[tuple[str, int]] = []
        with self._asking("list", folder):
            for rows in obstore.list(self._store, folder, offset=after or None, chunk_size=limit):
                found += [(str(row["path"]), row["size"]) for row in rows]
                if len(found) >= limit:
                    break
        return found[:limit]

    def folders(self) -> list[str]:
        """Names of what is directly below the prefix and has keys below it."""
        with self._asking("list", ""):
            found = obstore.list_with_delimiter(self._store)
        return [str(path).rstrip("/").rpartition("/")[2] for path in found["common_prefixes"]]
