"""One call of an operation at a service: files there, work, result or error, files back.

Rules:
- The result is the struct that the operation gives in process, the error the class that it raises in process.
- Long work is a job: its progress is followed as a stream of events that goes on where it stopped.
- Whoever stops waiting (Ctrl-C) cancels the job, and it is a Ctrl-C whatever comes of that.
- What was sent for the operation is deleted when it has ended.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from stella.client.errors import NotAService, OnlyHere, ServiceAway
from stella.client.exchange import Exchange
from stella.client.transport import Patience, Transport
from stella.kernel.errors import Exit, StellaError
from stella.operations import Operation
from stella.runtime.ports import Entropy, Progress

Result = TypeVar("Result", bound=msgspec.Struct)
ACCEPTED = 202
ENDED = frozenset({"done", "failed", "cancelled"})
PAUSE = 0.5  # seconds before a stream that ended is opened again
_PLACE = re.compile(r"{([a-z_]+)}")


class Job(msgspec.Struct, frozen=True):
    """What a service says of a job."""

    state: str
    result: Any = None
    problem: Any = None


class Caller(Protocol):
    """Calls an operation by its name with a request; gives its result, of the type that the table names."""

    def __call__(self, name: str, request: msgspec.Struct, result: type[Result]) -> Result: ...


class Remote:
    """Calls operations at a service."""

    def __init__(self, transport: Transport, entropy: Entropy) -> None:
        self._transport = transport
        self._entropy = entropy

    def call(self, operation: Operation[Any, Result], request: msgspec.Struct, progress: Progress) -> Result:
        """Do an operation there; raises what it raises here, and the errors of `client.errors`."""
        if operation.local:
            raise OnlyHere(command=f"stella {operation.name.replace('.', ' ')}")
        exchange = Exchange(self._transport, operation, self._entropy, progress)
        try:
            result = self._done(operation, exchange.send(request), progress)
            exchange.receive()
        except StellaError as error:
            if error.exit is not Exit.TRANSIENT:  # else it may still be working with them
                exchange.delete_sent()
            error.facts = exchange.told(error.facts)
            raise
        exchange.delete_sent()
        try:
            return msgspec.convert(exchange.told(result), operation.result)
        except msgspec.ValidationError as error:
            raise NotAService(url=self._transport.url, problem=f"its answer has another form: {error}") from None

    def _done(self, operation: Operation[Any, Any], values: dict[str, Any], progress: Progress) -> Any:  # noqa: ANN401  # JSON
        path = operation.path
        for name in _PLACE.findall(path):
            path = path.replace(f"{{{name}}}", quote(str(values.pop(name)), safe=""))
        headers = {"Idempotency-Key": self._entropy(16).hex()} if operation.method == "POST" else {}
        in_query = operation.method in {"GET", "DELETE"}
        if in_query:
            words = {name: _query(value) for name, value in values.items()}
            path = f"{path}?{urlencode(words, doseq=True)}" if words else path
        status, answer, data = self._transport.json(operation.method, path, None if in_query else values, headers)
        if status != ACCEPTED:
            return self._transport.decoded(data, object)
        return self._follow(urlsplit(answer.get("Location", "")).path, progress)

    def _follow(self, job: str, progress: Progress) -> Any:  # noqa: ANN401  # JSON
        task, done = "", 0
        try:
            for event in self._events(job):
                if event["task"] != task:
                    task, done = event["task"], 0
                    progress.start(task, event["total"], event["unit"])
                progress.advance(event["done"] - done)
                done = event["done"]
        except KeyboardInterrupt:
            with contextlib.suppress(StellaError):
                self._transport.json("DELETE", job)
            raise
        found = self._shown(job)
        if found.problem is not None:
            raise self._transport.problem(found.problem, "a job failed without a problem document")
        return found.result

    def _shown(self, job: str) -> Job:
        _, _, data = self._transport.json("GET", job, patience=Patience())
        return self._transport.decoded(data, Job)

    def _events(self, job: str) -> Iterator[dict[str, Any]]:
        """How far a job is, until it has ended, over as many connections as it takes."""
        last, patience = "", Patience()
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
            try:
                with self._transport.open("GET", f"{job}/events", None, headers) as answer:
                    for number, kind, data in parse_events(answer):
                        last = number or last
                        patience.renew()
                        if kind == "state" and data["state"] in ENDED:
                            return
                        if "task" in data:
                            yield data
            except (OSError, http.client.HTTPException) as error:
                patience.wait(ServiceAway(url=self._transport.url, problem=str(error) or type(error).__name__))
            except StellaError as error:
                patience.wait(error)
            except (KeyError, TypeError, ValueError):
                raise NotAService(url=self._transport.url, problem="its events have another form") from None
            if self._shown(job).state in ENDED:
                return
            time.sleep(PAUSE)


def parse_events(lines: Iterator[bytes]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Id, kind and JSON data of each event of a stream (HTML standard, section 9.2: server-sent events)."""
    number, kind, data = "", "message", ""
    for raw in lines:
        name, _, value = raw.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            number = value
        elif name == "event":
            kind = value
        elif name == "data":
            data += value
        elif not name and data:
            yield number, kind, json.loads(data)
            kind, data = "message", ""


def _query(value: Any) -> Any:  # noqa: ANN401  # a JSON value as words of a query
    return ("true" if value else "false") if isinstance(value, bool) else value
