"""What each command is called with when it goes well, and when it does not: a row for every operation."""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e.material import KEPT


@dataclass(frozen=True)
class Row:
    """Words after the name of an operation for each thing that can happen; a cell that begins with `-:` says why not.

    `writes` is whether it changes a disk; `new` are the files and folders that only a finished run leaves; `begins` are
    words that let it begin where `ok` says why not.
    """

    ok: str
    missing: str
    unreadable: str
    writes: bool = False
    new: tuple[str, ...] = ()
    begins: str = ""


NO_FILE = "-: it reads no file that a person names"
NO_DATABASE = "-: it needs a database; tests/contract runs it on one"
NONE = "0" * 64
KEY = "bdFRS2wd2juHFTOjYTkaovmPJ5KfxEb5gWkDv4Y0ZnY="
UP_RUNS = "-: tests/e2e/test_stack.py runs it"
WHY = "--reason r --ticket T-1"
FLEET = "--sbom fleet/sboms --advisories fleet/osv --assets fleet/assets.toml --as-of 2026-01-31T12:00:00Z"
HAS_KEYS = "-: tests/unit/key has keys whose ids it knows"
NEW = "--dir Y --out new.sigstore"
SIGNED = f"--policy-id P-7 --version 3 {WHY} {NEW}"
STATED = f"--predicate-type https://example.com/scan/v1 {NEW}"
ARTIFACT = f"--artifactDigest {NONE} --evidenceRef {NONE} --policyBundleDigest {NONE}"
ROWS: dict[str, Row] = {
    "mirror.init": Row("--dir N", NO_FILE, "--dir loop/N", writes=True, new=("N/channel.json",)),
    "mirror.create": Row(
        "--dir M --source src2 --renew --for receipt.json --out new.stella",
        "--dir M --source none --out new.stella",
        "--dir M --for loop --out new.stella",
        writes=True,
        new=("new.stella",),
    ),
    "mirror.verify": Row("1.stella --trust M/trust", "none.stella --trust M/trust", "loop --trust M/trust"),
    "mirror.show": Row(
        "1.stella --files --report html=new.html", "none.stella", "loop", writes=True, new=("new.html",)
    ),
    "mirror.diff": Row("1.stella 2-full.stella", "1.stella none.stella", "1.stella loop"),
    "mirror.status": Row("--dir M", "--dir none", "--dir broken"),
    "mirror.rotate": Row(
        "--dir M --role release", "--dir none --role release", "--dir broken --role release", writes=True
    ),
    "mirror.export": Row(
        "--dir M --out V", "--dir none --out V", "--dir broken --out V", writes=True, new=("V/mirror-thin-v1.tar.gz",)
    ),
    "mirror.index": Row(NO_DATABASE, "none", "broken", begins="M"),
    "mirror.list": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "mirror.search": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="x"),
    "site.init": Row(
        "--dir E --trust M/trust", "--dir E --trust none", "--dir E --trust broken", writes=True, new=("E/state.json",)
    ),
    "site.import": Row("2.stella --dir D", "none.stella --dir D", "loop --dir D", writes=True),
    "site.status": Row("--dir D", "--dir none", "--dir broken"),
    "site.list": Row("--dir D", "--dir none", "--dir broken"),
    "site.show": Row(
        "--dir D --files --out F", "--dir D --path none", "--dir broken", writes=True, new=("F/artifacts/bin",)
    ),
    "site.rollback": Row("--dir D2", "--dir D2 --to 9", "--dir broken", writes=True),
    "site.quarantine": Row("--dir D", "--dir D feed", "--dir broken"),
    "site.release": Row(
        "-: tests/unit/site/test_upkeep.py does it",
        "feed --dir D --reason none --ticket T",
        "feed --dir broken --reason none --ticket T",
        begins="feed --dir D --reason none --ticket T",
    ),
    "site.receipt": Row(
        "--dir D --out new.json",
        "--dir none --out new.json",
        "--dir broken --out new.json",
        writes=True,
        new=("new.json",),
    ),
    "site.index": Row(NO_DATABASE, "--dir none", "--dir broken", begins="--dir D"),
    "site.events": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "up": Row(UP_RUNS, NO_FILE, "--data loop/N", writes=True, new=(".stella/run.json",)),
    "down": Row("--data S", "--data none", "--data loop"),
    "status": Row(UP_RUNS, "--data none", "--data loop"),
    "doctor": Row("--data S", "-: it says of an absent folder what a start there would find", "--data loop"),
    "serve": Row("-: tests/e2e/test_service.py runs it", NO_FILE, "-: its folder is made before anything is read"),
    "demo": Row(
        "-: tests/e2e/test_demo.py runs it", NO_FILE, "--dir loop/N", writes=True, new=("out/demo/summary.json",)
    ),
    "migrate.status": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "migrate.plan": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "migrate.run": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "migrate.verify": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "migrate.pause": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "migrate.bundle": Row(
        "-: tests/contract/test_bundled_migrations.py runs it",
        "--dir none --out new.stella",
        "--dir broken --out new.stella",
        begins="--dir M --out new.stella",
    ),
    "migrate.import": Row(
        NO_DATABASE, "none.stella --trust M/trust", "loop --trust M/trust", begins="1.stella --trust M/trust"
    ),
    **{
        f"drill.{name}": Row("-: tests/contract/drill runs it", NO_FILE, NO_FILE)
        for name in ("jwks-outage", "token-expiry", "clock-skew", "kid-flood", "key-rotation", "pool-leak")
    },
    "tenant.create": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="acme"),
    "tenant.list": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "tenant.show": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="acme"),
    "tenant.suspend": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"acme {WHY}"),
    "tenant.resume": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="acme"),
    "tenant.export": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"acme --out new.tar {WHY}"),
    "tenant.delete": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"acme {WHY}"),
    "principal.create": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="ada --scope mirror:read"),
    "principal.list": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "principal.show": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="ada"),
    "principal.disable": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="ada"),
    "principal.delete": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"ada {WHY}"),
    "client.create": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="ci --scope mirror:read"),
    "client.list": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "client.show": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="ci"),
    "client.rotate": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"ci {WHY}"),
    "client.delete": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"ci {WHY}"),
    "issuer.keys": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "issuer.rotate-key": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=WHY),
    "login": Row("-: it needs a service; tests/e2e has one", NO_FILE, NO_FILE),
    "logout": Row("-: it needs a service; tests/e2e has one", NO_FILE, NO_FILE),
    "tenancy.gate": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "tenancy.roles": Row("", NO_FILE, NO_FILE),
    "tenancy.prove": Row("-: it starts a server; test_service_proof does", NO_FILE, NO_FILE),
    "attest.verify": Row(
        "-: tests/contract/proof makes one", f"none --key {KEY}", f"loop --key {KEY}", begins=f"none --key {KEY}"
    ),
    "policy.sign": Row(f"p.stella {SIGNED}", f"none {SIGNED}", f"loop {SIGNED}", writes=True, new=("new.sigstore",)),
    "policy.verify": Row(
        "p.stella --attestation p.sigstore --trust Y/trust",
        "p.stella --attestation none --trust Y/trust",
        "p.stella --attestation loop --trust Y/trust",
    ),
    "key.create": Row("--dir Z", "--dir Z --private none", "--dir loop/Z", writes=True, new=("Z/store.json",)),
    "key.list": Row("--dir Y", "--dir none", "--dir broken"),
    "key.show": Row(HAS_KEYS, "ffffffff --dir Y", "ffffffff --dir broken", begins="ffffffff --dir Y"),
    "key.rotate": Row(f"--dir Y {WHY}", f"--dir none {WHY}", f"--dir broken {WHY}", writes=True),
    "key.revoke": Row(
        HAS_KEYS, f"ffffffff --dir Y {WHY}", f"ffffffff --dir broken {WHY}", begins=f"ffffffff --dir Y {WHY}"
    ),
    "key.attest": Row(f"p.stella {STATED}", f"none {STATED}", f"loop {STATED}", writes=True, new=("new.sigstore",)),
    "key.renew": Row(f"p.sigstore {NEW}", f"none {NEW}", f"loop {NEW}", writes=True, new=("new.sigstore",)),
    "lint.tenancy": Row("sources --report sarif=new.sarif", "none", "loop", writes=True, new=("new.sarif",)),
    "policy.test": Row("policies --report junit=new.xml", "none", "loop", writes=True, new=("new.xml",)),
    "policy.eval": Row(
        "policies/a.stella --finding finding.json",
        "policies/a.stella --finding none",
        "policies/a.stella --finding loop",
    ),
    "policy.explain": Row(
        "0 --policy policies/a.stella --inventory I",
        "0 --policy policies/a.stella --inventory none",
        "0 --policy loop --inventory I",
    ),
    "policy.simulate": Row(
        "--to policies/a.stella --inventory I --max-age any --report sarif=new.sarif",
        "--to policies/a.stella --inventory none",
        "--to loop --inventory I",
        writes=True,
        new=("new.sarif",),
    ),
    "policy.ci": Row(
        "policies --inventory I --max-age any --report json=new.json",
        "none",
        "loop",
        writes=True,
        new=("new.json",),
    ),
    "policy.create": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 --template baseline"),
    "policy.list": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "policy.show": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 --version 3"),
    "policy.diff": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 --old 2 --new 3"),
    "policy.bump": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 policies/a.stella --level minor"),
    "policy.submit": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 --version 3"),
    "policy.review": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 --version 3 --reason r"),
    "policy.approve": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"P-7 --version 3 {WHY}"),
    "policy.publish": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"P-7 --version 3 {WHY}"),
    "policy.archive": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"P-7 --version 2 {WHY}"),
    "policy.history": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7"),
    "policy.examine": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 --version 3 --fixtures policies/a.fixtures.toml"),
    "policy.freeze": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"--inventory {NONE}"),
    "policy.run": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"P-7 --version 3 --inputs {NONE} --snapshot {NONE}"),
    "policy.run-status": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="RUN"),
    "policy.gate": Row(
        NO_DATABASE,
        NO_FILE,
        NO_FILE,
        begins=f"--tenantId acme --promotionId R-1 --targetEnvironment prod {ARTIFACT}",
    ),
    "policy.promote": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"P-7 --version 3 --env prod --canary 5 {WHY}"),
    "policy.activate": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"P-7 --version 3 --env prod {WHY}"),
    "policy.observe": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="P-7 --env prod --transition default>kev=12"),
    "policy.rollback": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"P-7 --to 2 --env prod {WHY}"),
    "exception.create": Row(
        NO_DATABASE,
        NO_FILE,
        NO_FILE,
        begins="EX-1 --policy P-7 --when kev --status deferred --justification j --expires 2026-06-01T00:00:00Z",
    ),
    "exception.list": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="--policy P-7"),
    "exception.show": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="EX-1"),
    "exception.approve": Row(NO_DATABASE, NO_FILE, NO_FILE, begins=f"EX-1 {WHY}"),
    "exception.revoke": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="EX-1 --reason r"),
    "policy.fmt": Row("policies", "none", "loop", writes=True),
    "policy.lint": Row("policies --report sarif=new.sarif", "none", "loop", writes=True, new=("new.sarif",)),
    "policy.compile": Row("policies/a.stella --out new.json", "none.stella", "loop", writes=True, new=("new.json",)),
    "policy.prove": Row("policies/a.stella", "none.stella", "loop"),
    "policy.lsp": Row("-: tests/unit/policy/test_language_server.py is its editor", NO_FILE, NO_FILE),
    "object.put": Row("note 1.stella", "note none", "note loop", writes=True),
    "object.get": Row(
        f"note {KEPT} --out new.py",
        f"note {NONE} --out new.py",
        f"note {KEPT} --out loop/new.py",
        writes=True,
        new=("new.py",),
    ),
    "object.list": Row("--kind note", NO_FILE, NO_FILE),
    "object.show": Row(f"note {KEPT}", f"note {NONE}", NO_FILE),
    "object.delete": Row(f"note {KEPT}", "-: what is not there is as good as deleted", NO_FILE, writes=True),
    "audit.list": Row(NO_DATABASE, NO_FILE, NO_FILE),
    "audit.export": Row(NO_DATABASE, NO_FILE, NO_FILE, begins="--out new.jsonl"),
    "audit.verify": Row(
        "-: tests/contract/test_audit_service.py has logs",
        f"none --key {KEY}",
        f"loop --key {KEY}",
        begins=f"none --key {KEY}",
    ),
    "inventory.load": Row(
        f"{FLEET} --dir I2",
        "--sbom none --advisories fleet/osv --dir I2",
        "--sbom fleet/sboms --advisories loop --dir I2",
        writes=True,
    ),
    "inventory.list": Row("--dir I", "--dir none", "--dir loop"),
    "inventory.show": Row("--dir I", "abc --dir I", "--dir broken"),
    "inventory.verify": Row("--dir I", "--dir none", "--dir broken"),
    "config.show": Row("--origin", NO_FILE, "-: tests/unit/runtime has settings files of every kind"),
    "explain": Row("IO-001", "NONE-999", NO_FILE),
    "version": Row("", NO_FILE, NO_FILE),
}
