"""A service as a client sees it: an address, a token, and calls of the operation table."""

from __future__ import annotations

import msgspec

from stella import bootstrap
from stella.client.remote import Remote, Result
from stella.client.transport import Transport
from stella.operations import find
from stella.runtime.entropy import system_entropy
from stella.runtime.ports import Entropy, Progress
from stella.runtime.silent import Silent


class Session:
    """Calls operations at the service `url`; `progress` hears how far long work is."""

    def __init__(
        self, url: str, token: str, progress: Progress | None = None, entropy: Entropy = system_entropy
    ) -> None:
        self._progress = progress or Silent()
        self._remote = Remote(Transport(url, token), entropy)

    def call(self, name: str, request: msgspec.Struct, result: type[Result]) -> Result:
        """Call an operation by its name; raises what it raises in process, and the errors of `client.errors`."""
        bootstrap.load(name.partition(".")[0])
        found = self._remote.call(find(name), request, self._progress)
        return msgspec.convert(found, result)
