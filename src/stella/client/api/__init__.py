"""The client: everything that a service offers. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.about.model import AskVersion, Explain, Explained, VersionShown
from stella.client.api.config import Config
from stella.client.api.migrate import Migrate
from stella.client.api.mirror import Mirror
from stella.client.api.site import Site
from stella.client.session import Session
from stella.demo.model import DemoDone, RunDemo
from stella.stack.model import Examined, OfStack, StackDown, StackShown, StackUp, StartStack


class Client(Session):
    """A service, by its address and a token."""

    @property
    def config(self) -> Config:
        return Config(self.call)

    @property
    def migrate(self) -> Migrate:
        return Migrate(self.call)

    @property
    def mirror(self) -> Mirror:
        return Mirror(self.call)

    @property
    def site(self) -> Site:
        return Site(self.call)

    def up(
        self,
        *,
        data: str = ".stella",
        profile: Literal["core", "full"] = "core",
        postgres_dsn: str = "",
        nats_url: str = "",
        foreground: bool = False,
    ) -> StackUp:
        """Start the servers of a stack, or find them running."""
        return self.call(
            "up",
            StartStack(data=data, profile=profile, postgres_dsn=postgres_dsn, nats_url=nats_url, foreground=foreground),
            StackUp,
        )

    def down(self, *, data: str = ".stella") -> StackDown:
        """Stop the servers of a stack; its data stays."""
        return self.call("down", OfStack(data=data), StackDown)

    def status(self, *, data: str = ".stella") -> StackShown:
        """Show the servers of a stack: state, process, endpoint, memory, uptime."""
        return self.call("status", OfStack(data=data), StackShown)

    def doctor(self, *, data: str = ".stella") -> Examined:
        """Check a stack and its machine, and say what to do."""
        return self.call("doctor", OfStack(data=data), Examined)

    def demo(self, *, dir: str = "out/demo") -> DemoDone:
        """Run the main job from end to end on this machine."""
        return self.call("demo", RunDemo(dir=dir), DemoDone)

    def explain(self, *, code: str | None = None, all: bool = False) -> Explained:
        """Explain an error code."""
        return self.call("explain", Explain(code=code, all=all), Explained)

    def version(self) -> VersionShown:
        """Show the version of Stella and of what it runs on."""
        return self.call("version", AskVersion(), VersionShown)
