"""The whole proof, once: against the release, carried over to a database that is used, signed, and verified."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from stella import bootstrap
from stella.attest import service as attesting
from stella.attest.errors import NotSigned, PredicateDiffers
from stella.attest.model import VerifyAttestation
from stella.database.apply import start
from stella.kernel.errors import BadSignature, Exit, KeyUnknown
from stella.operations import Context, find
from stella.proof import live, mutations, service
from stella.proof.errors import BypassingLogin, GateUnreadable, Unguarded
from stella.proof.model import QUERIES, PrintRoles, Prove, Proved, ReadGate
from stella.runtime import postgres_server, roles
from stella.runtime.children import bare_environment, start_child
from stella.runtime.errors import BadReport
from stella.runtime.postgres_server import SUPERUSER, Postgres
from stella.runtime.settings import DatabaseSettings, KeySettings, Settings
from stella.runtime.throwaway import Throwaway
from stella.runtime.transaction import Seal
from stella.signing.keys import PrivateKey
from stella.tenancy import gate
from stella.testing import ManualClock, SilentProgress, counted_entropy
from tests.database import PASSWORD, connected, running

pytestmark = [pytest.mark.network]
SEAL = Seal(b"of the database that is used; 32+")
KEY = PrivateKey.generate(counted_entropy("prover"))
PASSPHRASE = "correct horse"
bootstrap.load_all()


class Used(NamedTuple):
    """A database that somebody uses, migrated as a service does at its start."""

    server: Throwaway
    name: str

    def context(self, **settings: str) -> Context:
        login = self.server.login(self.name, roles.APP)
        plain = {"dsn": login.dsn, "password": PASSWORD, "owner_password": PASSWORD}
        plain["owner_dsn"] = self.server.login(self.name, roles.OWNER).dsn
        return context(**{**plain, **settings})

    def dsn(self, role: str) -> str:
        return self.server.login(self.name, role).dsn

    def done(self, text: str) -> None:
        with self.server.connect(self.name, SUPERUSER) as connection:
            connection.execute(text)  # type: ignore[call-overload]  # the text of a test


def context(**settings: str) -> Context:
    """A context in which a reference to a secret is the secret."""
    found = Settings(database=DatabaseSettings(**settings), keys=KeySettings(passphrase=PASSPHRASE))
    made = Context(ManualClock(), counted_entropy("p"), SilentProgress(), found, str.encode, "operator")
    return Context(**{**vars(made), "schemas": bootstrap.SCHEMAS})


@pytest.fixture(scope="module")
def laid(postgres: Postgres) -> Iterator[Used]:
    server = Throwaway(postgres, PASSWORD)
    server.create("used")
    start(server.login("used", roles.OWNER), bootstrap.SCHEMAS, "tests", ManualClock(), seal=SEAL)
    yield Used(server, "used")
    with connected(postgres) as connection:
        connection.execute("DROP DATABASE used WITH (FORCE)")


@pytest.fixture
def used(laid: Used) -> Iterator[Used]:
    """A copy of it, so that a test may change it."""
    laid.server.duplicate("used", "used_copy")
    yield laid._replace(name="used_copy")
    with laid.server.connect() as connection:
        connection.execute("DROP DATABASE used_copy WITH (FORCE)")


class Whole(NamedTuple):
    proved: Proved
    attestation: Path


def proved(laid: Used, folder: Path, queries: int) -> Whole:
    (folder / "key.pem").write_bytes(KEY.to_pem(PASSPHRASE.encode()))
    out = folder / "proof.json"
    want = Prove(queries=queries, key=str(folder / "key.pem"), out=str(out))
    return Whole(service.prove(laid.context(), want), out)


@pytest.fixture(scope="module")
def whole(laid: Used, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A proof with few queries and few mutations, of each kind one."""
    every, seen = mutations.all_of, set[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mutations,
            "all_of",
            lambda *given: [one for one in every(*given) if not (one.name in seen or seen.add(one.name))],
        )
        return proved(laid, tmp_path_factory.mktemp("proof"), 300)


def holds(whole: Whole, queries: int) -> None:
    """Nothing at all is wrong."""
    found = whole.proved
    assert (found.verdict, found.reasons) == ("passed", ())
    proof = found.proof
    assert proof.matrix.leaks == ()
    assert proof.matrix.probes >= 60 * proof.tables
    assert proof.interference.queries >= queries
    assert proof.interference.differences == proof.interference.unasked == ()
    assert proof.mutations.survivors == proof.mutations.barred == ()
    assert proof.mutations.by_gate == proof.mutations.made
    assert proof.live is not None
    assert (proof.live.login, proof.live.findings, proof.live.differences) == ("stella_app", (), ())
    assert find("tenancy.prove").verdict(found) is Exit.OK


def test_the_release_is_proved(whole: Whole) -> None:
    holds(whole, 300)
    assert whole.proved.proof.mutations.made > 60


@pytest.mark.nightly
def test_the_release_is_proved_with_every_query_and_mutation(laid: Used, tmp_path: Path) -> None:
    found = proved(laid, tmp_path, QUERIES)
    holds(found, QUERIES)
    assert found.proved.proof.mutations.made > 700


def verify(path: Path, *, key: PrivateKey = KEY, predicate: str | None = None) -> attesting.AttestationVerified:
    return attesting.verify(context(), VerifyAttestation(str(path), (key.public.to_base64(),), predicate=predicate))


def test_what_is_attested_is_verified_offline(whole: Whole) -> None:
    found = verify(whole.attestation, predicate="tenancy")
    assert (found.verdict, found.release) == ("passed", whole.proved.proof.release)
    assert [(one.name, one.sha256) for one in found.subjects] == [("schema", whole.proved.schema_digest)]
    assert found.keys == (KEY.public.to_base64(),) == (whole.proved.signed_by,)
    assert found.facts["policies"] == whole.proved.proof.policies
    assert find("attest.verify").verdict(found) is Exit.OK


def test_an_attestation_that_was_touched_is_refused(whole: Whole, tmp_path: Path) -> None:
    envelope = json.loads(whole.attestation.read_bytes())
    statement = base64.b64decode(envelope["payload"])
    changed = tmp_path / "changed.json"
    envelope["payload"] = base64.b64encode(statement.replace(b'"seed":1', b'"seed":2')).decode()
    changed.write_text(json.dumps(envelope))
    with pytest.raises(BadSignature):
        verify(changed)
    with pytest.raises(KeyUnknown):
        verify(whole.attestation, key=PrivateKey.generate(counted_entropy("somebody")))
    envelope["signatures"] = []
    changed.write_text(json.dumps(envelope))
    with pytest.raises(NotSigned):
        verify(changed)
    with pytest.raises(PredicateDiffers):
        verify(whole.attestation, predicate="provenance")


def test_what_is_wrong_in_use_fails_the_proof(whole: Whole, used: Used, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts were proved above; here the live database is another."""
    used.done("ALTER TABLE site.sites NO FORCE ROW LEVEL SECURITY; ALTER TABLE site.sites ADD COLUMN more text")
    parts = whole.proved.proof
    monkeypatch.setattr(service.matrix, "run", lambda *_, **__: service.matrix.Matrix(1, 1, 0, ()))
    monkeypatch.setattr(service.mutations, "run", lambda *_, **__: service.mutations.Mutated(1, 1, 1, (), (), ()))
    found = service.prove(used.context(), Prove(queries=100))
    assert found.verdict == "failed"
    assert found.proof.live is not None
    assert [one.kind for one in found.proof.live.findings] == ["not_forced"]
    assert [line for line in found.proof.live.differences if "column site.sites.more " in line]
    assert found.schema_digest == whole.proved.schema_digest != found.proof.live.schema
    assert parts.live is not None
    assert parts.live.identity != found.proof.live.identity
    assert find("tenancy.prove").verdict(found) is Exit.NEGATIVE


TELLING = (
    "CREATE FUNCTION site.tell() RETURNS trigger LANGUAGE plpgsql AS"
    " $x$BEGIN PERFORM pg_notify('stella', NEW.tenant_id); RETURN NEW; END$x$"
)
OTHERWISE = {  # the gate has nothing against these, and they were not proved
    "a trigger": f"{TELLING}; CREATE TRIGGER told AFTER INSERT ON site.sites FOR EACH ROW EXECUTE FUNCTION site.tell()",
    "a function": TELLING,
    "an index": "CREATE INDEX more ON site.sites (tenant_id)",
    "a check that is gone": "ALTER TABLE audit.chain DROP CONSTRAINT chain_tenant_id_event_id_fkey",
    "a right that is gone": "REVOKE DELETE ON site.sites FROM stella_app",
    "a schema": "CREATE SCHEMA more; CREATE TYPE more.mood AS ENUM ('calm')",
    "a policy of others": "ALTER POLICY tenant_isolation ON site.sites TO stella_app, stella_owner, stella_jobs",
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_what_was_not_proved_is_named(used: Used, laid: Used, what: str) -> None:
    before = live.examine(laid.context(), None)
    used.done(OTHERWISE[what])
    after = live.examine(used.context(), None)
    assert before is not None
    assert after is not None
    assert live.differences(before.snapshot, before.snapshot) == ()
    assert live.differences(before.snapshot, after.snapshot)


def test_no_proof_with_a_login_that_passes_policies(used: Used) -> None:
    for role, word in ((SUPERUSER, "superuser"), (roles.OWNER, "owns")):
        with pytest.raises(BypassingLogin, match=word):
            live.examine(used.context(), used.dsn(role))
    used.done("ALTER ROLE stella_app BYPASSRLS")
    try:
        with pytest.raises(BypassingLogin, match="BYPASSRLS"):
            service.prove(used.context(), Prove(dsn=used.dsn(roles.APP)))
    finally:
        used.done("ALTER ROLE stella_app NOBYPASSRLS")


@pytest.mark.parametrize(("role", "word"), [(SUPERUSER, "superuser"), ("proof_passes", "BYPASSRLS")])
def test_no_proof_with_a_login_that_may_become_one(used: Used, role: str, word: str) -> None:
    used.done(f"CREATE ROLE proof_passes BYPASSRLS; CREATE ROLE proof_login LOGIN PASSWORD '{PASSWORD}'")
    try:
        used.done(f"GRANT CONNECT ON DATABASE used_copy TO proof_login; GRANT {role} TO proof_login")
        with pytest.raises(BypassingLogin, match=word):
            live.examine(used.context(), used.dsn("proof_login"))
    finally:
        used.done("DROP OWNED BY proof_login; DROP ROLE proof_login, proof_passes")


def test_another_database_by_its_address(used: Used) -> None:
    found = live.examine(context(password=PASSWORD, owner_password=PASSWORD), used.dsn(roles.APP))
    assert found is not None
    assert (found.login, found.findings) == ("stella_app", ())
    assert live.examine(context(), None) is None


def test_the_gate_needs_its_owner(used: Used) -> None:
    with pytest.raises(GateUnreadable):
        service.gate(used.context(owner_dsn=""), ReadGate())


def test_a_database_without_the_guard(used: Used) -> None:
    used.done("DROP SCHEMA tenancy CASCADE")
    with pytest.raises(Unguarded):
        service.gate(used.context(), ReadGate())
    with pytest.raises(Unguarded):
        live.examine(used.context(), None)


def test_the_gate_as_an_operation(used: Used, tmp_path: Path) -> None:
    found = service.gate(used.context(), ReadGate())
    assert (found.verdict, found.findings) == ("passed", ())
    assert found.tables >= 13
    assert find("tenancy.gate").verdict(found) is Exit.OK
    used.done("DROP POLICY tenant_isolation ON site.sites; GRANT SELECT (ipad) ON tenancy.seal_key TO stella_app")
    found = service.gate(used.context(), ReadGate())
    assert {(one.kind, one.object) for one in found.findings} == {
        ("no_policy", "site.sites"),
        ("open_table", "tenancy.seal_key (ipad)"),
    }
    assert all(one.why and one.fix for one in found.findings)
    assert find("tenancy.gate").verdict(found) is Exit.NEGATIVE
    place = str(tmp_path / "new" / "gate.sarif")
    assert service.gate(used.context(), ReadGate(report=(f"sarif={place}",))).reports == (place,)
    run = json.loads(Path(place).read_text())["runs"][0]
    names = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert set(names) == gate.WHY.keys()
    told = [
        (one["ruleId"], one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) for one in run["results"]
    ]
    assert sorted(told) == [("no_policy", "site.sites"), ("open_table", "tenancy.seal_key%20%28ipad%29")]
    assert all(names[one["ruleIndex"]] == one["ruleId"] for one in run["results"])


@pytest.mark.parametrize("given", ["sarif", "sarif=", "html=x", "=x", ""])
def test_a_report_that_is_none_is_said_before_the_database_is_asked(given: str) -> None:
    with pytest.raises(BadReport):
        service.gate(context(), ReadGate(report=(given,)))


def test_the_roles_make_a_database_that_the_gate_is_quiet_on(tmp_path: Path) -> None:
    """On a server that knows nothing of Stella, as an administrator would: with psql, and nothing else."""
    with running(tmp_path) as server:
        lines = service.roles(context(), PrintRoles("of-another")).sql.splitlines()
        for number, line in enumerate(lines):
            if line.startswith("\\password "):  # it asks on a terminal
                lines[number] = f"ALTER ROLE {line.split()[1]} PASSWORD '{PASSWORD}';"
        script = tmp_path / "roles.sql"
        script.write_text("\n".join(lines) + "\n")
        words = [str(postgres_server.binaries() / "psql"), "-X", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        environment = {**bare_environment(), "PGPASSWORD": PASSWORD}
        psql = start_child([*words, server.dsn()], log=tmp_path / "psql.log", env=environment)
        assert psql.wait(60) == 0, (tmp_path / "psql.log").read_text()
        made = Throwaway(server, PASSWORD)
        start(made.login("of-another", roles.OWNER), bootstrap.SCHEMAS, "tests", ManualClock(), seal=SEAL)
        with made.connect("of-another", roles.OWNER) as connection:
            assert gate.findings(connection) == []
        found = live.examine(Used(made, "of-another").context(), None)
        assert found is not None
        assert found.login == "stella_app"


def test_the_script_says_all_that_a_stack_does() -> None:
    text = roles.script("x")
    for name in roles.HARDENING:
        assert roles._said(name, **roles._NAMES) in text
    for role in roles.LOGINS:
        assert f'CREATE ROLE "{role}" LOGIN NOSUPERUSER' in text
        assert f"\\password {role}\n" in text
        assert f'GRANT CONNECT ON DATABASE "x" TO "{role}"' in text
    assert "PASSWORD '" not in text


@pytest.mark.parametrize("queries", [0, 99, -1, 100_000_001])
def test_counts_that_are_refused(queries: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"queries": queries}, Prove)


def test_an_unsigned_attestation_says_so(whole: Whole, tmp_path: Path) -> None:
    service._write(str(tmp_path / "u.json"), whole.proved.schema_digest, whole.proved.proof, None)
    with pytest.raises(NotSigned):
        verify(tmp_path / "u.json")
    text = str(find("tenancy.prove").view(msgspec.structs.replace(whole.proved, signed_by=None)))
    assert "NOT SIGNED" in text
