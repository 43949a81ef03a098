"""The client: everything that a service offers. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.about.model import AskVersion, Explain, Explained, VersionShown
from stella.client.api.attest import AttestCalls
from stella.client.api.audit import AuditCalls
from stella.client.api.client import ClientCalls
from stella.client.api.config import ConfigCalls
from stella.client.api.drill import DrillCalls
from stella.client.api.exception import ExceptionCalls
from stella.client.api.inventory import InventoryCalls
from stella.client.api.issuer import IssuerCalls
from stella.client.api.key import KeyCalls
from stella.client.api.lint import LintCalls
from stella.client.api.migrate import MigrateCalls
from stella.client.api.mirror import MirrorCalls
from stella.client.api.object import ObjectCalls
from stella.client.api.policy import PolicyCalls
from stella.client.api.principal import PrincipalCalls
from stella.client.api.site import SiteCalls
from stella.client.api.tenancy import TenancyCalls
from stella.client.api.tenant import TenantCalls
from stella.client.session import Session
from stella.stack.model import Examined, OfStack, StackShown


class Client(Session):
    """A service, by its address and a token."""

    @property
    def attest(self) -> AttestCalls:
        return AttestCalls(self.call)

    @property
    def audit(self) -> AuditCalls:
        return AuditCalls(self.call)

    @property
    def client(self) -> ClientCalls:
        return ClientCalls(self.call)

    @property
    def config(self) -> ConfigCalls:
        return ConfigCalls(self.call)

    @property
    def drill(self) -> DrillCalls:
        return DrillCalls(self.call)

    @property
    def exception(self) -> ExceptionCalls:
        return ExceptionCalls(self.call)

    @property
    def inventory(self) -> InventoryCalls:
        return InventoryCalls(self.call)

    @property
    def issuer(self) -> IssuerCalls:
        return IssuerCalls(self.call)

    @property
    def key(self) -> KeyCalls:
        return KeyCalls(self.call)

    @property
    def lint(self) -> LintCalls:
        return LintCalls(self.call)

    @property
    def migrate(self) -> MigrateCalls:
        return MigrateCalls(self.call)

    @property
    def mirror(self) -> MirrorCalls:
        return MirrorCalls(self.call)

    @property
    def object(self) -> ObjectCalls:
        return ObjectCalls(self.call)

    @property
    def policy(self) -> PolicyCalls:
        return PolicyCalls(self.call)

    @property
    def principal(self) -> PrincipalCalls:
        return PrincipalCalls(self.call)

    @property
    def site(self) -> SiteCalls:
        return SiteCalls(self.call)

    @property
    def tenancy(self) -> TenancyCalls:
        return TenancyCalls(self.call)

    @property
    def tenant(self) -> TenantCalls:
        return TenantCalls(self.call)

    def status(self) -> StackShown:
        """Show the servers of a stack: state, process, endpoint, memory, uptime."""
        return self.call("status", OfStack(), StackShown)

    def doctor(self) -> Examined:
        """Check a stack and its machine, and say what to do."""
        return self.call("doctor", OfStack(), Examined)

    def explain(self, *, code: str | None = None, all: bool = False) -> Explained:
        """Explain a code of an error, or of a diagnostic of a policy."""
        return self.call("explain", Explain(code=code, all=all), Explained)

    def version(self) -> VersionShown:
        """Show the version of Stella and of what it runs on."""
        return self.call("version", AskVersion(), VersionShown)
