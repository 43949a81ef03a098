"""Operation to command, and a parsed command to a finished operation.

Rules:
- A command is made from its row in the table and from nothing else; there is no command with code of its own.
- A request is built and checked before anything is opened; the process is sealed before the operation runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from stella import bootstrap
from stella.cli import render
from stella.cli.commands import Leaf, Menu
from stella.cli.errors import MissingInput
from stella.cli.flags import Flags
from stella.cli.options import parameter, spelled, takes_several
from stella.kernel.errors import StellaError
from stella.operations import Context, Operation, fields_of
from stella.runtime.settings import Settings

CALLERS = frozenset({"login", "logout"})  # they speak to a service themselves


def command_of(noun: str) -> click.Command:
    """The command of a noun: a menu of verbs, or the operation itself when it has no verb."""
    found = {operation.verb: operation for operation in bootstrap.load(noun)}
    if "" in found:
        return leaf(found[""])
    lines = {verb: operation.summary.removesuffix(".") for verb, operation in found.items()}
    return Menu(noun, lines, lambda verb: leaf(found[verb]), summary=bootstrap.NOUNS[noun].help, word="VERB")


def leaf(operation: Operation[Any, Any]) -> Leaf:
    """The command of one operation."""
    fields = fields_of(operation.request)
    several = (takes_several(name, kind, about) for name, kind, about, _ in fields)
    return Leaf(
        operation.verb or operation.noun,
        [parameter(name, kind, about, default) for name, kind, about, default in fields],
        lambda **values: perform(operation, values, click.get_current_context().find_object(Flags) or Flags()),
        summary=operation.summary,
        description=operation.description,
        example=operation.example,
        several=filter(None, several),
    )


def perform(operation: Operation[Any, Any], values: Mapping[str, Any], flags: Flags) -> None:
    """Run an operation, in this process or at a service, and print what it gave.

    Raises click's Exit for a result that says no.
    """
    from stella.cli import progress

    loaded = bootstrap.configure(operation.name, os.environ, always=bool(flags.server))
    request = build(operation, values, loaded.settings)
    bootstrap.seal_if_told(loaded)
    with progress.shown() as shown:

        def ask(question: str) -> str:
            with shown.paused():
                return render.ask_hidden(question)

        may_ask = not flags.no_input and all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr))
        context = bootstrap.make_context(loaded, shown, os.environ, ask if may_ask else None)
        context = dataclasses.replace(context, say=render.note)
        if operation.name in CALLERS and flags.server:
            context = _with_server(context, flags.server)
            server: str | None = None
        elif flags.server is not None or operation.at_home:
            server = flags.server
        else:
            server = loaded.settings.client.server
        origin = "" if flags.server else loaded.origins.get("client.server", "")
        result = _at(server, origin, operation, request, context) if server else _here(operation, request, context)
    render.result(operation, result, as_json=flags.json)
    if code := operation.verdict(result):
        raise click.exceptions.Exit(code)


def _here(operation: Operation[Any, Any], request: msgspec.Struct, context: Context) -> msgspec.Struct:
    """The result of the operation, done by this process, and written to the audit log where there is a database."""
    if context.database is not None:
        context = dataclasses.replace(context, refused=lambda _, tried, key: _refused(context, tried, key))
    try:
        result: msgspec.Struct = operation.run(context, request)
    except Exception as problem:
        _tell(operation, request, context, problem)
        raise
    _tell(operation, request, context, None, result)
    return result


def _refused(context: Context, tried: str, key: str) -> None:
    from stella.audit import tell

    tell.object_denied(context, tried, key)


def _tell(
    operation: Operation[Any, Any],
    request: msgspec.Struct,
    context: Context,
    problem: Exception | None,
    result: msgspec.Struct | None = None,
) -> None:
    if context.database is not None and not operation.local:
        from stella.audit import tell

        try:
            tell.performed(context, operation, request, problem, result)
        except StellaError as error:  # what was done stays done
            render.note(f"not in the audit log: {error.message}")


def _at(
    server: str, origin: str, operation: Operation[Any, Any], request: msgspec.Struct, context: Context
) -> msgspec.Struct:
    """The result of the operation, done by a service; `origin` is what names it, empty for whoever typed it."""
    from stella.client.remote import Remote
    from stella.client.transport import Transport

    token = _token(server, origin, context)
    remote = Remote(Transport(server, token), context.entropy)
    done: msgspec.Struct = remote.call(operation, request, context.progress)
    return done


def _token(server: str, origin: str, context: Context) -> str:
    """The token for a service: the one of the settings, else one that `login` has kept.

    Raises NotLoggedIn, or ServerOfProject where only a login would do and there is none.
    """
    from stella.client.errors import NotLoggedIn, ServerOfProject
    from stella.client.kept import Tokens
    from stella.runtime.config import PROJECT_FILE
    from stella.runtime.errors import SecretMissing

    of_project = Path(origin).name == PROJECT_FILE
    if not of_project:
        with contextlib.suppress(SecretMissing):
            return context.secret(context.settings.client.token).decode().strip()
    kept = Tokens(os.environ).usable(server, context.clock.read().wall)
    if not kept:
        raise ServerOfProject(server=server, path=origin) if of_project else NotLoggedIn(server=server)
    return kept


def _with_server(context: Context, server: str) -> Context:
    """The same, where `--server` says which service is spoken to."""
    client = msgspec.structs.replace(context.settings.client, server=server)
    return dataclasses.replace(context, settings=msgspec.structs.replace(context.settings, client=client))


def build(operation: Operation[Any, Any], values: Mapping[str, Any], settings: Settings) -> msgspec.Struct:
    """The request from the flags that were given, and from the settings behind those that were not.

    Raises MissingInput or BadValue.
    """
    from stella.cli import refuse
    from stella.runtime import config

    given: dict[str, Any] = {}
    for name, _, about, default in fields_of(operation.request):
        value = values.get(name)
        if value in {None, ()} and about.setting:
            value = config.value_of(settings, about.setting) or None
            if value is None and default is msgspec.NODEFAULT:
                words = f"stella {operation.name.replace('.', ' ')}"
                raise MissingInput(command=words, what=f"`{spelled(name, about)}` or the setting {about.setting}")
        if value not in {None, ()}:
            given[name] = value
    try:
        request: msgspec.Struct = msgspec.convert(given, operation.request)
    except msgspec.ValidationError as error:
        raise refuse.from_request(error, operation) from None
    return request
