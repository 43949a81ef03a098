"""The client: everything that a service offers. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.about.model import AskVersion, Explain, Explained, VersionShown
from stella.client.api.attest import Attest
from stella.client.api.audit import Audit
from stella.client.api.client import OAuthClient
from stella.client.api.config import Config
from stella.client.api.issuer import Issuer
from stella.client.api.lint import Lint
from stella.client.api.migrate import Migrate
from stella.client.api.mirror import Mirror
from stella.client.api.principal import Principal
from stella.client.api.site import Site
from stella.client.api.tenancy import Tenancy
from stella.client.api.tenant import Tenant
from stella.client.session import Session
from stella.stack.model import Examined, OfStack, StackShown


class Client(Session):
    """A service, by its address and a token."""

    @property
    def attest(self) -> Attest:
        return Attest(self.call)

    @property
    def audit(self) -> Audit:
        return Audit(self.call)

    @property
    def client(self) -> OAuthClient:
        return OAuthClient(self.call)

    @property
    def config(self) -> Config:
        return Config(self.call)

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.call)

    @property
    def lint(self) -> Lint:
        return Lint(self.call)

    @property
    def migrate(self) -> Migrate:
        return Migrate(self.call)

    @property
    def mirror(self) -> Mirror:
        return Mirror(self.call)

    @property
    def principal(self) -> Principal:
        return Principal(self.call)

    @property
    def site(self) -> Site:
        return Site(self.call)

    @property
    def tenancy(self) -> Tenancy:
        return Tenancy(self.call)

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.call)

    def status(self) -> StackShown:
        """Show the servers of a stack: state, process, endpoint, memory, uptime."""
        return self.call("status", OfStack(), StackShown)

    def doctor(self) -> Examined:
        """Check a stack and its machine, and say what to do."""
        return self.call("doctor", OfStack(), Examined)

    def explain(self, *, code: str | None = None, all: bool = False) -> Explained:
        """Explain an error code."""
        return self.call("explain", Explain(code=code, all=all), Explained)

    def version(self) -> VersionShown:
        """Show the version of Stella and of what it runs on."""
        return self.call("version", AskVersion(), VersionShown)
