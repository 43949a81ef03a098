"""A slice of operations that exists only for tests of the command line."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from stella.formats.view import Cell, Facts, Table, Text, View
from stella.operations import Context, arg, operation
from stella.runtime.errors import ObjectMissing


class Make(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"receipt": "for"}):
    """Request of fake.make: one field of each kind."""

    dir: Annotated[str, arg("Folder.", "folder", metavar="M")]
    out: Annotated[str, arg("File to write.", "file_out", metavar="B")]
    label: Annotated[str | None, arg("Label.", positional=True, metavar="LABEL")] = None
    source: Annotated[tuple[str, ...], arg("Sources.", "source", metavar="[CATEGORY=]PATH...")] = ()
    report: Annotated[tuple[str, ...], arg("Report.", "report", metavar="FORMAT=FILE")] = ()
    receipt: Annotated[str | None, arg("Receipt.", "file_in", metavar="RECEIPT")] = None
    count: Annotated[int, arg("Count.", metavar="N")] = 1
    kind: Annotated[Literal["thin", "full"], arg("Kind.", metavar="KIND")] = "full"
    dry_run: Annotated[bool, arg("Change nothing.")] = False
    check: Annotated[bool, arg("Check it.")] = True
    valid_for: Annotated[str, arg("Validity.", setting="mirror.valid_for", metavar="TIME")] = "never"
    production: Annotated[bool, arg("Production only.", setting="mirror.require_prod_signing")] = False


class Made(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.fake.make@1"):
    """Result of fake.make: the request as it arrived."""

    zulu: str
    alpha: dict[str, object]


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request with one word."""

    word: Annotated[str, arg("A word.", positional=True, metavar="WORD")] = ""


class Need(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request whose one field has a setting behind it."""

    url: Annotated[str, arg("Address.", setting="mirror.tsa_url", metavar="URL")]
    limit: Annotated[int, msgspec.Meta(ge=1), arg("Limit.", metavar="N")] = 1


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.fake.say@1"):
    """Result that is words."""

    words: tuple[str, ...]


def _view(result: Made) -> View:
    return [Facts([("zulu", result.zulu), ("tone", Cell("good word", "good"))]), Text("done")]


def _words(result: Said) -> View:
    return [
        Table(("word", "length"), [(word, str(len(word))) for word in result.words], right=("length",), empty="none")
    ]


@operation(
    "fake.make",
    "POST /v1/fake/things",
    scope="fake:write",
    view=_view,
    example="stella fake make --dir M\nstella fake make -x",
)
def make(ctx: Context, want: Make) -> Made:
    """Make a thing.

    The first paragraph.

    The second paragraph.
    """
    del ctx
    return Made(zulu="last letter first", alpha=msgspec.to_builtins(want))


@operation("fake.say", "GET /v1/fake/words", scope="fake:read", view=_words, example="stella fake say WORD")
def say(ctx: Context, want: Ask) -> Said:
    """Say a word many times."""
    del ctx
    return Said(words=(want.word,) * 50_000 if want.word == "many" else (want.word,))


@operation("fake.need", "GET /v1/fake/needs", scope="fake:read", view=_words, example="stella fake need --url URL")
def need(ctx: Context, want: Need) -> Said:
    """Need an address."""
    del ctx
    return Said(words=(want.url, str(want.limit)))


@operation("fake.wait", "POST /v1/fake/waits", scope="fake:read", view=_words, example="stella fake wait FOLDER")
def wait(ctx: Context, want: Ask) -> Said:
    """Sleep, and leave a mark when the sleep is cut short."""
    ctx.progress.start("sleep", 100, "steps")
    try:
        Path(want.word, "started").touch()
        for _ in range(600):
            time.sleep(0.05)
            ctx.progress.advance(1)
            if Path(want.word, "enough").exists():
                break
    finally:
        Path(want.word, "unwound").touch()
    return Said(words=("slept",))


@operation("fake.fail", "GET /v1/fake/failures", scope="fake:read", view=_words, example="stella fake fail KIND")
def fail(ctx: Context, want: Ask) -> Said:
    """Fail in the way that the word says."""
    match want.word:
        case "known":
            raise ObjectMissing(path="bad\x1b[31m\nname")
        case "memory":
            raise MemoryError
        case "deep":
            return fail(ctx, want)
        case "surrogate":
            raise ObjectMissing(path="\udcff")
        case "net":
            socket.create_connection(("192.0.2.1", 9), timeout=1)
    raise KeyError("an\nunexpected   thing")


@operation("fake.secret", "GET /v1/fake/secrets", scope="fake:read", view=_words, example="stella fake secret")
def secret(ctx: Context, want: Ask) -> Said:
    """Say how long the passphrase is, and who asks."""
    del want
    return Said(words=(str(len(ctx.secret(ctx.settings.keys.passphrase))), ctx.actor, str(ctx.sealed)))
