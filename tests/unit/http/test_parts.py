"""The small parts of the service: places, tokens, problems, binding, ids, feeds."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.http.auth import ADMIN, Presented, Tokens, admin_token, allow, challenge
from stella.http.binding import Binder, convert, read_query
from stella.http.errors import (
    BadField,
    BodyNotJson,
    NotAuthenticated,
    ScopeMissing,
    TokenExposed,
    UnsafePlace,
)
from stella.http.feed import MAX_TASKS, Feed, Stop
from stella.http.model import Reached
from stella.http.places import Places, problem_of
from stella.http.problem import body_of, status_of
from stella.kernel.errors import Exit, StellaError
from stella.kernel.ids import uuid7
from stella.operations import EVERY_SCOPE, Context, Operation, Principal, arg
from stella.runtime.errors import ObjectMissing
from stella.runtime.settings import ServiceSettings, Settings
from stella.testing import counted_entropy


class Want(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"receipt": "for"}):
    """Request."""

    dir: Annotated[str, arg("Folder.", "folder")]
    number: Annotated[int, arg("Number.")] = 1
    source: Annotated[tuple[str, ...], arg("Sources.", "source")] = ()
    receipt: Annotated[str | None, arg("Receipt.", "file_in")] = None
    host: Annotated[str, arg("Host.", setting="service.host")] = "none"


class Got(msgspec.Struct, frozen=True, tag_field="schema", tag="probe@1"):
    """Result."""


def run(ctx: Context, want: Want) -> Got:
    del ctx, want
    return Got()


def row(method: str = "POST", path: str = "/v1/probe") -> Operation[Any, Any]:
    return Operation("probe", method, path, "probe:run", run, Want, Got, lambda _: [], "", "", "", False, False)


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request about what a machine has of its own."""

    dsn: Annotated[str | None, arg("Database.", "here")] = None
    key: Annotated[str | None, arg("Key.", "file")] = None


@pytest.mark.parametrize("body", [b'{"dsn": "host=10.0.0.1"}', b'{"dsn": null}', b'{"dsn": 1}'])
def test_what_a_service_has_of_its_own_is_in_no_request(body: bytes, tmp_path: Path) -> None:
    own = Binder(dataclasses.replace(row(), request=Own), Settings())
    with pytest.raises(BadField, match="dsn"):
        own.bind((), "", body, Places(tmp_path))
    assert own.bind((), "", b'{"key": "M/keys/a.pem"}', Places(tmp_path)) == Own(key="M/keys/a.pem")
    with pytest.raises(UnsafePlace):
        own.bind((), "", b'{"key": "/etc/passwd"}', Places(tmp_path))


def binder(method: str = "POST", path: str = "/v1/probe", host: str = "") -> Binder:
    return Binder(row(method, path), Settings(service=ServiceSettings(host=host)))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


# Binding.


def test_fields_of_a_query(places: Places) -> None:
    want = binder("GET").bind((), "dir=M&number=7&source=a&source=b%2Fc&for=r", b"", places)
    assert want == Want("M", 7, ("a", "b/c"), "r", "none")


def test_fields_of_a_body(places: Places) -> None:
    assert binder().bind((), "", b'{"dir":"M","for":"r","source":["a"]}', places) == Want("M", 1, ("a",), "r", "none")


def test_fields_of_a_path(places: Places) -> None:
    bound = binder("POST", "/v1/probe/{dir}")
    assert bound.path == "/v1/probe/{dir...}"
    assert bound.bind(("a/b",), "", b'{"number":2}', places) == Want("a/b", 2)
    assert binder("GET", "/v1/{dir}/probe").path == "/v1/{dir}/probe"
    with pytest.raises(ValueError, match="no required field"):
        binder("GET", "/v1/probe/{number}")
    with pytest.raises(ValueError, match="no required field"):
        binder("GET", "/v1/probe/{other}")


@pytest.mark.parametrize("value", [b"7", b"true", b"null", b"[]", b"{}"])
def test_a_body_that_gives_a_field_of_the_path_another_type(places: Places, value: bytes) -> None:
    with pytest.raises(BadField, match=r"`dir`.*another type"):
        binder("POST", "/v1/probe/{dir}").bind(("M",), "", b'{"dir":%s}' % value, places)


def test_a_body_that_gives_a_field_of_the_path_another_value(places: Places) -> None:
    assert binder("POST", "/v1/probe/{dir}").bind(("M",), "", b'{"dir":"M"}', places).dir == "M"
    with pytest.raises(BadField, match=r"`dir`.*path has another"):
        binder("POST", "/v1/probe/{dir}").bind(("M",), "", b'{"dir":"N"}', places)


def test_a_text_that_means_nothing_is_no_value() -> None:
    class Query(msgspec.Struct, frozen=True):
        name: str | None = None
        number: int | None = None

    assert convert({"name": "null", "number": "7"}, Query, strict=False) == Query("null", 7)
    for text in ("null", "Null", "NULL"):
        with pytest.raises(BadField, match=r"`number`.*found `null`"):
            convert({"number": text}, Query, strict=False)


def test_a_setting_stands_in_for_a_field(places: Places) -> None:
    assert binder(host="there").bind((), "", b'{"dir":"M"}', places).host == "there"
    assert binder(host="there").bind((), "", b'{"dir":"M","host":"here"}', places).host == "here"
    assert binder("GET", host="there").bind((), "dir=M", b"", places).host == "there"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("number=1", "missing required field `dir`"),
        ("dir=M&number=x", "`number`"),
        ("dir=M&number=1&number=2", "twice"),
        ("dir=M&other=1", "unknown field `other`"),
        ("dir=%ff", "UTF-8"),
    ],
)
def test_a_query_that_is_refused(places: Places, query: str, problem: str) -> None:
    with pytest.raises(BadField, match=problem):
        binder("GET").bind((), query, b"", places)


@pytest.mark.parametrize("field", ["dir", "for", "source"])
@pytest.mark.parametrize("text", ["../x", "/x", ""])
def test_every_place_is_checked(places: Places, field: str, text: str) -> None:
    body = {"dir": "M", field: [f"artifacts={text}"] if field == "source" else text}
    with pytest.raises(UnsafePlace):
        binder().bind((), "", msgspec.json.encode(body), places)


@given(st.binary(max_size=200))
def test_any_body_is_taken_or_refused(body: bytes) -> None:
    try:
        found = binder().bind((), "", body, Places(Path("/nonexistent")))
    except (BadField, BodyNotJson, UnsafePlace):
        return
    assert msgspec.json.decode(body)["dir"] == found.dir


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=80))
def test_any_query_is_read_or_refused(query: str) -> None:
    try:
        assert all(isinstance(name, str) for name in read_query(query))
    except BadField:
        return


# Places.


@given(st.text(max_size=60))
def test_what_is_let_through_stays_inside(text: str) -> None:
    if not problem_of(text):
        path = Path("/root/of/it") / text
        assert path.is_relative_to("/root/of/it")
        assert ".." not in path.parts
        assert path != Path("/root/of/it")


@pytest.mark.parametrize("text", ["a", "a/b", "a/", "a b", "ü", "..a", "a..", "x=y", "-a"])
def test_plain_names_are_let_through(places: Places, text: str) -> None:
    assert places.inside(text) == places.root / text


def test_links_lead_nowhere(places: Places) -> None:
    (places.root / "real").mkdir()
    (places.root / "link").symlink_to("real")
    (places.root / "real" / "loop").symlink_to("loop")
    (places.root / "file").write_text("")
    for text in ("link", "link/x", "real/loop", "real/loop/x", "file/x"):
        with pytest.raises(UnsafePlace):
            places.inside(text)
    assert places.inside("real/new/deeper")


def test_both_readings_of_a_pair_are_checked(places: Places) -> None:
    for text in ("html=../x", "html=", "../x", "/x=y", "html=/x"):
        with pytest.raises(UnsafePlace):
            places.check("report", "report", text)
    places.check("report", "report", "html=out/x.html")
    places.check("source", "source", "artifacts=src")
    places.check("source", "source", "src")


def test_a_bucket_only_below_its_prefix(tmp_path: Path) -> None:
    places = Places(tmp_path, "s3://stella/prod/")
    places.check("dir", "folder", "s3://stella/prod/M")
    for where, text in (
        ("folder", "s3://stella/prod"),
        ("folder", "s3://stella/production/M"),
        ("folder", "s3://stella/prod/../other"),
        ("folder", "s3://other/prod/M"),
        ("file_in", "s3://stella/prod/M"),
    ):
        with pytest.raises(UnsafePlace):
            places.check("dir", where, text)  # type: ignore[arg-type]  # one of the words


# Cursors.


# Tokens and scopes.

DEFAULT = ServiceSettings().token


def presented(authorization: bytes, *headers: tuple[bytes, bytes], **scope: Any) -> Presented:
    """What a request says of who sends it."""
    scope = {"method": "GET", "scheme": "https", "path": "/v1/x", "raw_path": b"/v1/x%20y"} | scope
    return Presented(authorization, scope | {"headers": [(b"host", b"stella.example:8400"), *headers]})


def test_the_token_and_nothing_else() -> None:
    tokens = Tokens(b"right")
    for header in (b"Bearer right", b"bearer right", b"BEARER  right "):
        assert tokens.principal(presented(header)) is ADMIN
    for header in (
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer righ",
        b"Bearer rightx",
        b"Basic right",
        b"right",
        b"Bearer\xff",
    ):
        with pytest.raises(NotAuthenticated) as refused:
            tokens.principal(presented(header))
        assert "right" not in str(refused.value)
        assert challenge(refused.value).startswith(b'Bearer realm="stella"')


def test_scopes() -> None:
    reader = Principal("kim", frozenset({"site:read"}))
    allow(reader, "site:read")
    allow(ADMIN, "site:import")
    assert ADMIN.scopes == {EVERY_SCOPE}
    with pytest.raises(ScopeMissing) as refused:
        allow(reader, "site:import")
    assert challenge(refused.value) == b'Bearer realm="stella", error="insufficient_scope", scope="site:import"'


def test_the_token_is_made_once_and_private(tmp_path: Path) -> None:
    token = admin_token(DEFAULT, tmp_path, counted_entropy("t"))
    path = tmp_path / "secrets" / "admin-token"
    assert len(token) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert admin_token(DEFAULT, tmp_path, counted_entropy("other")) == token
    path.chmod(0o640)
    with pytest.raises(TokenExposed, match="0640"):
        admin_token(DEFAULT, tmp_path, counted_entropy("t"))
    with pytest.raises(TokenExposed):
        admin_token(f"file:{path}", tmp_path, counted_entropy("t"))
    with pytest.raises(ObjectMissing):
        admin_token(f"file:{path}x", tmp_path, counted_entropy("t"))


# Problems.


class Odd(StellaError):
    """Odd {path}."""

    exit = Exit.NEGATIVE


Odd.__module__ = "tests.odd"  # no class of the product


def test_a_problem_is_that_of_the_command_line_with_a_status() -> None:
    error = ObjectMissing(path="x")
    document = msgspec.json.decode(body_of(error, "r-1"))
    assert document == error.problem() | {"status": 404, "instance": "urn:stella:request:r-1"}


@pytest.mark.parametrize(
    ("exit_class", "status"),
    [
        (Exit.USAGE, 400),
        (Exit.DENIED, 403),
        (Exit.NOT_FOUND, 404),
        (Exit.SEALED, 503),
        (Exit.NEGATIVE, 422),
        (Exit.TRANSIENT, 503),
        (Exit.INTERRUPTED, 503),
        (Exit.UNEXPECTED, 500),
    ],
)
def test_the_status_of_an_exit_class(exit_class: Exit, status: int) -> None:
    error = Odd(path="x")
    error.exit = exit_class  # type: ignore[misc]  # of this one alone
    assert status_of(error) == status


def test_a_name_that_is_not_utf_8_still_makes_a_problem() -> None:
    assert msgspec.json.decode(body_of(Odd(path="\udcff"), "r"))["detail"] == "Odd ?"


# Feeds.


def test_progress_is_coalesced_and_tasks_are_kept() -> None:
    kept: list[Reached] = []
    feed = Feed(kept.append)
    assert feed.reached() is None
    feed.start("hash", 10, "bytes")
    threads = [threading.Thread(target=lambda: [feed.advance(1) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert feed.reached() == Reached("hash", 2000, 10, "bytes")
    assert kept == [Reached("hash", 0, 10, "bytes")]
    for _ in range(2 * MAX_TASKS):
        feed.start("more", None, "files")
    assert len(kept) == MAX_TASKS


@pytest.mark.parametrize("cancel", [True, False])
def test_a_stop_reaches_the_next_report(cancel: bool) -> None:
    feed = Feed(lambda _: None)
    feed.start("hash", None, "bytes")
    feed.stop(cancel=cancel)
    with pytest.raises(Stop):
        feed.advance(1)
    with pytest.raises(Stop):
        feed.start("next", None, "bytes")
    feed.stop(cancel=False)
    assert feed.cancelled is cancel


# Ids.


def test_ids_are_of_version_7_and_sort_by_time() -> None:
    entropy = counted_entropy("ids")
    ids = [uuid7(1_800_000_000 + number, entropy(10)) for number in range(50)]
    assert ids == sorted(ids)
    assert {(text[14], text[19] in "89ab") for text in ids} == {("7", True)}
    assert uuid7(0, bytes(10)) == "00000000-0000-7000-8000-000000000000"
    assert uuid7(1, b"\xff" * 10) == "00000000-03e8-7fff-bfff-ffffffffffff"


def test_results_that_nobody_fetched_are_removed(tmp_path: Path) -> None:
    """Folders, and files that were written without one."""
    for name in ("old/a/b", "new/a", "old.stella", "new.stella"):
        path = tmp_path / "downloads" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    for name in ("old", "old.stella"):
        os.utime(tmp_path / "downloads" / name, (5, 5))
    Places(tmp_path).sweep(10)
    assert sorted(path.name for path in (tmp_path / "downloads").iterdir()) == ["new", "new.stella"]
