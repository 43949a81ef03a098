"""One server for the bench, started as a process: `servers.py KIND`; prints its port, serves until it is killed.

Rules:
- Every kind answers the same: GET /v1/items gives ten items (some 1.4 kB), POST /v1/echo checks and returns a struct.
- Every kind checks the same bearer token, and runs on uvicorn with uvloop and httptools, one process, no access log.
- Stella's own has besides what the others lack here: request ids, metrics, one log line a request, scopes.
- A peer is imported only for its own kind, so that each runs in whatever environment has it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

TOKEN = "bench-token"  # noqa: S105  # of nothing
ITEMS = [
    {
        "id": number,
        "name": f"item-{number}",
        "root": f"{number:064x}",
        "created": "2026-01-31T12:00:00Z",
        "files": 7 * number,
    }
    for number in range(10)
]


def raw() -> Any:
    """Raw ASGI and msgspec, and nothing else: the floor."""
    import msgspec

    decoder, encode = msgspec.json.Decoder(_want()), msgspec.json.encode
    token = f"Bearer {TOKEN}".encode()
    kind = (b"content-type", b"application/json")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"]).get(b"authorization") != token:
            status, body = 401, b"{}"
        elif scope["path"] == "/v1/items" and scope["method"] == "GET":
            status, body = 200, encode({"items": ITEMS})
        else:
            message = await receive()
            status, body = 200, encode(decoder.decode(message["body"]))
        head = [kind, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    return app


def _want() -> Any:
    import msgspec

    return msgspec.defstruct("Want", [("name", str), ("count", int), ("tags", list[str])], forbid_unknown_fields=True)


def litestar() -> Any:
    """Litestar with msgspec structs, as its own documentation has it."""
    import msgspec
    from litestar import Litestar, get, post
    from litestar.exceptions import NotAuthorizedException

    item = msgspec.defstruct("Item", [("id", int), ("name", str), ("root", str), ("created", str), ("files", int)])
    items = [item(**found) for found in ITEMS]
    page = msgspec.defstruct("Page", [("items", list[item])])  # type: ignore[valid-type]  # made above
    want = _want()

    def guard(connection: Any, _: Any) -> None:
        if connection.headers.get("authorization") != f"Bearer {TOKEN}":
            raise NotAuthorizedException

    async def show() -> Any:
        return page(items)

    async def echo(data: Any) -> Any:
        return data

    show.__annotations__ = {"return": page}
    echo.__annotations__ = {"data": want, "return": want}
    return Litestar([get("/v1/items")(show), post("/v1/echo", status_code=200)(echo)], guards=[guard])


def fastapi() -> Any:
    """FastAPI with pydantic models, as its own documentation has it."""
    from fastapi import Depends, FastAPI, HTTPException, Request
    from pydantic import create_model

    item = create_model("Item", id=(int, ...), name=(str, ...), root=(str, ...), created=(str, ...), files=(int, ...))
    page = create_model("Page", items=(list[item], ...))  # type: ignore[valid-type]  # made above
    want = create_model("Want", name=(str, ...), count=(int, ...), tags=(list[str], ...))
    items = [item(**found) for found in ITEMS]

    async def guard(request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise HTTPException(401)

    guard.__annotations__ = {"request": Request}
    app = FastAPI(dependencies=[Depends(guard)])

    async def show() -> Any:
        return page(items=items)

    async def echo(data: Any) -> Any:
        return data

    echo.__annotations__ = {"data": want}
    app.get("/v1/items", response_model=page)(show)
    app.post("/v1/echo", response_model=want)(echo)
    return app


def stella(*, quick: bool) -> Any:
    """The service's own application over two operations; `quick` as those of `version`, else each in a thread."""
    from pathlib import Path
    from typing import Annotated

    import msgspec

    from stella import bootstrap
    from stella.http.assemble import assemble
    from stella.http.auth import Tokens
    from stella.http.logs import Log
    from stella.operations import Context, Operation, arg
    from stella.runtime.config import Loaded
    from stella.runtime.settings import Settings
    from stella.testing import SilentProgress

    class Item(msgspec.Struct, frozen=True):
        id: int
        name: str
        root: str
        created: str
        files: int

    class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        pass

    class Page(msgspec.Struct, frozen=True, tag_field="schema", tag="bench.items@1"):
        items: list[Item]

    class Want(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        name: Annotated[str, arg("Name.")]
        count: Annotated[int, arg("Count.")]
        tags: Annotated[list[str], arg("Tags.")]

    items = [Item(**found) for found in ITEMS]

    def show(ctx: Context, want: Nothing) -> Page:
        del ctx, want
        return Page(items)

    def echo(ctx: Context, want: Want) -> Want:
        del ctx
        return want

    sys.modules["__main__"].__dict__.update(Item=Item, Annotated=Annotated, arg=arg)  # where type hints are looked up
    context = bootstrap.make_context(Loaded(Settings(), {}), SilentProgress(), {})
    rows: list[Operation[Any, Any]] = [
        Operation(
            name,
            method,
            path,
            "bench:run",
            run,
            kind,
            result,
            lambda _: [],
            "Bench.",
            "",
            "",
            False,
            False,
            quick=quick,
        )
        for name, method, path, run, kind, result in (
            ("bench.items", "GET", "/v1/items", show, Nothing, Page),
            ("bench.echo", "POST", "/v1/echo", echo, Want, Want),
        )
    ]
    log = Log(context.clock, os.open(os.environ["BENCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), json=True)
    store: Any = None  # neither operation keeps anything
    top = Path(os.environ["BENCH_LOG"]).parent
    return assemble(context, rows, store, Tokens(TOKEN.encode()), top, top / "parts", log).app


KINDS: dict[str, Any] = {
    "raw": raw,
    "litestar": litestar,
    "fastapi": fastapi,
    "stella": lambda: stella(quick=True),
    "stella in threads": lambda: stella(quick=False),
}


def main() -> None:
    """Serve."""
    import uvicorn

    kind = sys.argv[1]
    protocol: Any = "httptools"
    if kind.startswith("stella"):
        from stella.http.protocol import Protocol

        protocol = Protocol
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps(listener.getsockname()[1]), flush=True)
    config = uvicorn.Config(
        KINDS[kind](), http=protocol, loop="uvloop", ws="none", lifespan="off", log_config=None, access_log=False
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
