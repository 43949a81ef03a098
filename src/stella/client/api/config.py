"""The operations of `config` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.about.model import ConfigShown, ShowConfig
from stella.client.remote import Caller


class ConfigCalls:
    """The operations of `config` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def show(self, *, origin: bool = False) -> ConfigShown:
        """Show every setting and its value."""
        return self._call("config.show", ShowConfig(origin=origin), ConfigShown)
