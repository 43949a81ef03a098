"""What a tenant's keys open in the real store, asked past our own code: its own prefix, and nothing else.

Rules:
- Every probe is sent as it is, signed with the keys of tenant `a`; the prey belongs to `b` and to `aa`.
- A probe is refused when the store says so or does what it was asked within `a` alone. Afterwards the prey must be
  there, unchanged, and no answer may hold a byte or a name of it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import json
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from stella.kernel.digest import sha256
from stella.kernel.errors import BadTenant
from stella.runtime import seaweed_accounts
from stella.runtime.errors import SharedKeys, StoreDenied
from stella.runtime.places import open_blobs
from stella.runtime.s3 import connect
from stella.runtime.s3_blobs import S3Blobs, keys_of
from stella.runtime.settings import StoreSettings
from tests import tenant_server as requests
from tests.tenant_server import NOBODY, Answer, Keys, Query, TenantServer

pytestmark = pytest.mark.network
BUCKET = f"/{seaweed_accounts.BUCKET}"
PREY = "prey"
REFUSED = range(400, 500)


class Probe:
    """The store, the keys of tenant `a`, and the prey."""

    def __init__(self, server: TenantServer) -> None:
        self.server = server
        self.keys = server.keys("a")
        self.prey: dict[str, tuple[str, bytes]] = {}
        for tenant in ("b", "aa"):
            data = f"this is of {tenant} alone".encode()
            digest = sha256(data)
            self.prey[tenant] = (f"tenants/{tenant}/{PREY}/sha256/{digest[:2]}/{digest}", data)
            assert self.by(tenant, "PUT", self.path(tenant), body=data).status == 200

    def path(self, tenant: str) -> str:
        return f"{BUCKET}/{self.prey[tenant][0]}"

    def by(self, tenant: str, method: str, path: str, query: Query = (), body: bytes = b"") -> Answer:
        return self.server.ask(self.server.keys(tenant), method, path, query, body)

    def ask(
        self, method: str, path: str, query: Query = (), body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        return self.server.ask(self.keys, method, path, query, body, headers)

    def copy(self, source: str, query: Query = ()) -> Answer:
        return self.ask("PUT", f"{BUCKET}/tenants/a/{PREY}/copy", query, headers={"x-amz-copy-source": source})

    def listing(self, *query: tuple[str, str]) -> list[Answer]:
        ways: list[Query] = [[("list-type", "2")], [], [("versions", "")], [("uploads", "")]]
        return [self.ask("GET", BUCKET, [*query, *way]) for way in ways]

    def upload(self, tenant: str, key: str) -> str:
        """A multipart upload that the tenant has begun; its id."""
        body = self.by(tenant, "POST", f"{BUCKET}/{key}", [("uploads", "")]).body
        return body.split(b"<UploadId>")[1].split(b"<")[0].decode()

    def intact(self) -> None:
        for tenant, (_, data) in self.prey.items():
            assert self.by(tenant, "GET", self.path(tenant)).body == data


@pytest.fixture
def probe(tenant_server: TenantServer) -> Probe:
    return Probe(tenant_server)


def path_probe(
    method: str, query: Query = (), headers: dict[str, str] | None = None
) -> Callable[[Probe], list[Answer]]:
    """A request for what is another tenant's, by its very key."""
    body = b"<x/>" if method in {"PUT", "POST"} else b""
    return lambda probe: [probe.ask(method, probe.path(tenant), query, body, headers) for tenant in probe.prey]


def key_probe(form: str) -> Callable[[Probe], list[Answer]]:
    """Reading, writing and removing by a key that is written in another way."""
    return lambda probe: [
        probe.ask(method, BUCKET + form.format(probe.prey["b"][0].partition("/b/")[2]), body=body)
        for method, body in (("GET", b""), ("HEAD", b""), ("PUT", b"evil"), ("DELETE", b""))
    ]


def list_probe(*query: tuple[str, str]) -> Callable[[Probe], list[Answer]]:
    return lambda probe: probe.listing(*query)


def copy_probe(form: str, query: Query = ()) -> Callable[[Probe], list[Answer]]:
    return lambda probe: [probe.copy(form.format(probe.prey["b"][0]), query)]


def multipart_of_another(probe: Probe) -> list[Answer]:
    """Each step of an upload that `b` has begun, by its own key and by one of `a`."""
    theirs, mine = f"tenants/b/{PREY}/upload", f"tenants/a/{PREY}/upload"
    upload = probe.upload("b", theirs)
    steps: list[tuple[str, Query, bytes]] = [
        ("PUT", [("partNumber", "1"), ("uploadId", upload)], b"evil"),
        ("GET", [("uploadId", upload)], b""),
        ("POST", [("uploadId", upload)], b"<CompleteMultipartUpload></CompleteMultipartUpload>"),
        ("DELETE", [("uploadId", upload)], b""),
    ]
    found = [
        probe.ask(method, f"{BUCKET}/{key}", query, body) for key in (theirs, mine) for method, query, body in steps
    ]
    still = probe.by("b", "GET", f"{BUCKET}/{theirs}", [("uploadId", upload)])
    assert (still.status, b"<Part>" in still.body) == (200, False)
    return found


def copy_into_a_part(probe: Probe) -> list[Answer]:
    upload = probe.upload("a", f"tenants/a/{PREY}/part")
    query = [("partNumber", "1"), ("uploadId", upload)]
    headers = {"x-amz-copy-source": probe.path("b")}
    return [probe.ask("PUT", f"{BUCKET}/tenants/a/{PREY}/part", query, headers=headers)]


def form_upload(probe: Probe) -> list[Answer]:
    """A browser's upload: the key is in a form, and the signature covers a policy alone."""
    stamp, key = requests.now(), probe.prey["b"][0]
    credential = f"{probe.keys.access}/{requests.scope_of(stamp)}"
    given = {"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": credential, "x-amz-date": stamp}
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    bucket: list[object] = [{"bucket": seaweed_accounts.BUCKET}, ["starts-with", "$key", ""]]
    rules = [*bucket, *({name: value} for name, value in given.items())]
    policy = base64.b64encode(json.dumps({"expiration": until, "conditions": rules}).encode()).decode()
    proof = requests.signature(probe.keys, stamp, policy)
    fields = {"key": key, **given, "policy": policy, "x-amz-signature": proof, "file": "evil"}
    parts = (
        f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    body = "".join([*parts, "--X--\r\n"]).encode()
    headers = {"content-type": "multipart/form-data; boundary=X"}
    return [probe.server.ask(NOBODY, "POST", BUCKET, body=body, headers=headers)]


def presigned_url(probe: Probe) -> list[Answer]:
    host = f"127.0.0.1:{probe.server.ports['s3.port']}"
    return [
        probe.server.ask(NOBODY, method, probe.path("b"), requests.presigned(probe.keys, method, host, probe.path("b")))
        for method in ("GET", "HEAD", "PUT", "DELETE")
    ]


def presigned_url_for_another_key(probe: Probe) -> list[Answer]:
    """A good URL of tenant b, its path changed; and one of a, used for b."""
    host = f"127.0.0.1:{probe.server.ports['s3.port']}"
    mine = requests.presigned(probe.keys, "GET", host, f"{BUCKET}/tenants/a/{PREY}/x")
    theirs = requests.presigned(probe.server.keys("b"), "GET", host, f"{BUCKET}/tenants/b/{PREY}/x")
    return [probe.server.ask(NOBODY, "GET", probe.path("b"), query) for query in (mine, theirs)]


def unsigned(probe: Probe) -> list[Answer]:
    methods = ("GET", "HEAD", "PUT", "DELETE")
    found = [probe.server.ask(NOBODY, method, probe.path("b")) for method in methods]
    return [*found, probe.server.ask(NOBODY, "GET", BUCKET), probe.server.ask(NOBODY, "GET", "/")]


def wrong_secret(probe: Probe) -> list[Answer]:
    keys = (Keys(probe.server.keys("b").access, probe.keys.secret), Keys("nobody", "x"))
    return [probe.server.ask(one, "GET", probe.path("b")) for one in keys]


def identity_headers(probe: Probe) -> list[Answer]:
    names = ("x-amz-identity-id", "s3-identity-id", "x-seaweedfs-identity", "x-seaweedfs-principal", "x-forwarded-user")
    return [probe.ask("GET", probe.path("b"), headers={name: "stella"}) for name in names]


def account_service(probe: Probe) -> list[Answer]:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    forms = (b"Action=ListUsers&Version=2010-05-08", b"Action=CreateAccessKey&UserName=stella&Version=2010-05-08")
    return [probe.ask("POST", "/", body=form, headers=headers) for form in forms]


def bucket_settings(probe: Probe) -> list[Answer]:
    names = ("acl", "policy", "versioning", "lifecycle", "cors", "tagging", "object-lock", "location", "encryption")
    asked = [(name, method) for name in names for method in ("GET", "PUT")]
    found = [probe.ask(method, BUCKET, [(name, "")], b"<x/>" if method == "PUT" else b"") for name, method in asked]
    return [*found, probe.ask("PUT", "/another-bucket"), probe.ask("DELETE", BUCKET), probe.ask("HEAD", BUCKET)]


PROBES: dict[str, Callable[[Probe], list[Answer]]] = {
    "get": path_probe("GET"),
    "head": path_probe("HEAD"),
    "range": path_probe("GET", headers={"range": "bytes=0-3"}),
    "conditional get": path_probe("GET", headers={"if-none-match": '"x"'}),
    "put": path_probe("PUT"),
    "put if absent": path_probe("PUT", headers={"if-none-match": "*"}),
    "delete": path_probe("DELETE"),
    "attributes": path_probe("GET", [("attributes", "")], {"x-amz-object-attributes": "ETag"}),
    "version": path_probe("GET", [("versionId", "null")]),
    "delete version": path_probe("DELETE", [("versionId", "null")]),
    "tags": path_probe("GET", [("tagging", "")]),
    "put tags": path_probe("PUT", [("tagging", "")]),
    "delete tags": path_probe("DELETE", [("tagging", "")]),
    "acl": path_probe("GET", [("acl", "")]),
    "put acl": path_probe("PUT", [("acl", "")], {"x-amz-acl": "public-read"}),
    "retention": path_probe("GET", [("retention", "")]),
    "legal hold": path_probe("PUT", [("legal-hold", "")]),
    "select": path_probe("POST", [("select", ""), ("select-type", "2")]),
    "begin upload": path_probe("POST", [("uploads", "")]),
    "list all": list_probe(),
    "list prefix empty": list_probe(("prefix", "")),
    "list tenants": list_probe(("prefix", "tenants/")),
    "list by first letter": list_probe(("prefix", "tenants/a")),
    "list other": list_probe(("prefix", "tenants/b/")),
    "list sibling": list_probe(("prefix", "tenants/aa/")),
    "list away": list_probe(("prefix", "tenants/a/../b/")),
    "list away encoded": list_probe(("prefix", "tenants/a/%2e%2e/b/")),
    "list star": list_probe(("prefix", "tenants/*")),
    "list two prefixes": list_probe(("prefix", "tenants/a/"), ("prefix", "tenants/b/")),
    "list folders": list_probe(("prefix", "tenants/"), ("delimiter", "/")),
    "list behind": list_probe(("prefix", "tenants/a/none/"), ("start-after", "tenants/a/~"), ("marker", "tenants/a/~")),
    "copy": copy_probe("/stella/{}"),
    "copy without slash": copy_probe("stella/{}"),
    "copy encoded": copy_probe("stella%2F{}"),
    "copy away": copy_probe("/stella/tenants/a/../../{}"),
    "copy away encoded": copy_probe("/stella/tenants/a/%2e%2e/%2e%2e/{}"),
    "copy part": copy_into_a_part,
    "upload of another": multipart_of_another,
    "dots": key_probe("/tenants/a/../b/{}"),
    "dots encoded": key_probe("/tenants/a/%2e%2e/b/{}"),
    "dots and slash encoded": key_probe("/tenants/a%2f..%2fb%2f{}"),
    "dots deep": key_probe("/tenants/a/x/y/../../../b/{}"),
    "dots behind a dot": key_probe("/tenants/a/./../b/{}"),
    "backslash": key_probe("/tenants/a/..\\b/{}"),
    "empty part": key_probe("//tenants/b/{}"),
    "empty part inside": key_probe("/tenants//b/{}"),
    "nul": key_probe("/tenants/b/{}%00"),
    "nul inside": key_probe("/tenants/a/%00/../../b/{}"),
    "newline": key_probe("/tenants/b/{}%0a"),
    "upper case": key_probe("/Tenants/b/{}"),
    "tenant in upper case": key_probe("/tenants/A/{}"),
    "presigned": presigned_url,
    "presigned for another key": presigned_url_for_another_key,
    "form": form_upload,
    "unsigned": unsigned,
    "wrong secret": wrong_secret,
    "identity headers": identity_headers,
    "accounts": account_service,
    "bucket settings": bucket_settings,
}
IN_VAIN = {"list away", "list away encoded", "list two prefixes", "list behind"}  # answered, from `a` alone


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_is_refused(name: str, probe: Probe) -> None:
    answers = PROBES[name](probe)
    assert answers
    for answer in answers:
        assert answer.status in REFUSED or (name in IN_VAIN and answer.status == 200), answer
        for key, data in probe.prey.values():
            assert data not in answer.body
            assert data.decode() not in str(answer.headers)
            if answer.status == 200:
                assert key.encode() not in answer.body
                assert key.partition("/")[2].encode() not in answer.body
    probe.intact()


def test_the_same_requests_open_what_is_its_own(probe: Probe) -> None:
    """The probes fail for the right reason: with the keys of the owner they pass."""
    owner = Probe(probe.server)
    owner.keys = probe.server.keys("b")
    for name in ("get", "head", "range", "put", "begin upload"):
        assert PROBES[name](owner)[0].status in {200, 206}, name
    assert owner.copy(owner.path("b")).status in REFUSED, "not into another tenant"
    host = f"127.0.0.1:{probe.server.ports['s3.port']}"
    query = requests.presigned(owner.keys, "GET", host, owner.path("b"))
    assert probe.server.ask(NOBODY, "GET", owner.path("b"), query).status == 200
    assert b"<Key>tenants/b/" in owner.ask("GET", BUCKET, [("prefix", "tenants/b/"), ("list-type", "2")]).body


def test_a_refusal_says_nothing_of_what_is_there(probe: Probe) -> None:
    """Present and missing objects of another tenant are refused alike."""
    for method in ("GET", "HEAD", "DELETE"):
        there, missing = probe.ask(method, probe.path("b")), probe.ask(method, probe.path("b")[:-1] + "!")
        assert (
            (there.status, len(there.headers)) == (missing.status, len(missing.headers)) == (403, len(missing.headers))
        )


def test_a_bulk_delete_answers_200_and_removes_nothing(probe: Probe) -> None:
    keys = [key for key, _ in probe.prey.values()]
    rows = [*keys, f"/{keys[0]}", f"tenants/a/../../{keys[0]}", f"tenants/a/%2e%2e/%2e%2e/{keys[0]}"]
    body = f"<Delete>{''.join(f'<Object><Key>{key}</Key></Object>' for key in rows)}</Delete>".encode()
    headers = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    answer = probe.ask("POST", BUCKET, [("delete", "")], body, headers)
    assert answer.status == 200, "the errors are in the body"
    gone = [key for key in keys if f"<Deleted><Key>{key}</Key>".encode() in answer.body]
    assert gone == []
    assert answer.body.count(b"<Code>AccessDenied</Code>") >= 3
    probe.intact()


# ---- the other doors of the server


HTTP_PATHS = ("/", "/buckets/", "/buckets/stella/{}", "/dir/status", "/dir/assign", "/dir/lookup?volumeId=1", "/status")
GREETINGS = {("master.port", "/"), ("volume.port", "/status")}  # how many volumes there are, and how full


@pytest.mark.parametrize("port", ["filer.port", "master.port", "volume.port", "admin.port", "webdav.port"])
@pytest.mark.parametrize("path", HTTP_PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_no_other_port_answers_without_keys(method: str, path: str, port: str, probe: Probe) -> None:
    where = path.format(probe.prey["b"][0])
    try:
        answer = probe.server.ask(NOBODY, method, where, port=port)
    except ConnectionRefusedError:
        return
    greeting = (port, where.partition("?")[0]) in GREETINGS
    assert answer.status in REFUSED or greeting, answer
    for key, data in probe.prey.values():
        assert data not in answer.body
        assert "{}" in path or key.rpartition("/")[2].encode() not in answer.body, "but for an echo"
    probe.intact()


def files_of_volumes(folder: Path) -> list[str]:
    """Ids of all files in the volumes, as their index and data hold them: what somebody could have learnt."""
    found = []
    for index in folder.glob("*.idx"):
        data, rows = index.with_suffix(".dat").read_bytes(), index.read_bytes()
        for key, place, _, _ in struct.iter_unpack(">QIBi", rows):
            (cookie,) = struct.unpack(">I", data[place * 8 : place * 8 + 4])
            found.append(f"{index.stem.rpartition('_')[2]},{key:x}{cookie:08x}")
    return found


def test_a_volume_hands_out_no_file_to_who_knows_its_id(tenant_server: TenantServer) -> None:
    data = b"large enough to be in a volume" * 10_000
    path = f"{BUCKET}/tenants/b/{PREY}/large"
    assert tenant_server.ask(tenant_server.keys("b"), "PUT", path, body=data).status == 200
    files = files_of_volumes(tenant_server.accounts.config.parent)
    assert files
    for file in files:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            answer = tenant_server.ask(NOBODY, method, f"/{file}", port="volume.port")
            assert answer.status == 401, (file, answer)
            assert data[:20] not in answer.body


@pytest.mark.parametrize(
    "port", ["filer.port.grpc", "master.port.grpc", "volume.port.grpc", "s3.port.grpc", "admin.port.grpc"]
)
def test_parts_speak_to_each_other_alone(port: str, tenant_server: TenantServer) -> None:
    """Their gRPC without a certificate, and without TLS."""
    hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    address = ("127.0.0.1", tenant_server.ports[port])
    with socket.create_connection(address, 5) as line, context.wrap_socket(line) as secure:
        secure.sendall(hello)
        with pytest.raises(ssl.SSLError, match="certificate required"):
            secure.recv(100)
    with socket.create_connection(address, 5) as line:
        line.sendall(hello)
        with contextlib.suppress(ConnectionError):
            assert line.recv(100)[:1] in {b"", b"\x15"}, "nothing, or a TLS alert"


def test_what_the_server_keeps_is_for_its_owner_alone(tenant_server: TenantServer) -> None:
    folder = tenant_server.accounts.config.parent
    for name in ("s3.json", "security.toml", "peer.key", "accounts/a/secret-key", "accounts/a/access-key"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    assert (folder / "accounts").stat().st_mode & 0o777 == 0o700


# ---- accounts


def handle(server: TenantServer, tenant: str, told: list[tuple[str, ...]]) -> S3Blobs:
    want = server.accounts.settings(server.endpoint)
    made = open_blobs(f"s3:/{BUCKET}", tenant, want, server.reveal, lambda *what: told.append(what), sealed=True)
    assert isinstance(made, S3Blobs)
    return made


def test_what_the_store_refuses_is_told(tenant_server: TenantServer) -> None:
    """A handle that our code would have bound to another tenant by mistake: the store refuses, and it is told."""
    told: list[tuple[str, ...]] = []
    want = keys_of(tenant_server.accounts.settings(tenant_server.endpoint), "a")
    wrong = connect(f"s3:/{BUCKET}/tenants/b", want, tenant_server.reveal, sealed=True)
    blobs, digest = S3Blobs(wrong, "b", lambda *what: told.append(what)), sha256(b"x")
    uses: dict[str, Callable[[], object]] = {
        "put": lambda: blobs.put("sbom", b"x"),
        "get": lambda: blobs.get("sbom", digest),
        "open": lambda: blobs.open("sbom", digest),
        "has": lambda: blobs.has("sbom", digest),
        "size": lambda: blobs.size("sbom", digest),
        "delete": lambda: blobs.delete("sbom", digest),
        "list": lambda: blobs.list("sbom"),
        "kinds": blobs.kinds,
    }
    for use in uses.values():
        with pytest.raises(StoreDenied):
            use()
    assert [(tenant, action) for tenant, action, _ in told] == [("b", action) for action in uses]
    assert all(key.startswith("tenants/b/sbom/") for _, action, key in told if action != "kinds")


def test_a_tenant_comes_goes_and_comes_back_while_the_server_works(tenant_server: TenantServer) -> None:
    server, told = tenant_server, list[tuple[str, ...]]()
    seaweed_accounts.admit(server.accounts, "late", server.pid, server.endpoint)
    digest = handle(server, "late", told).put("sbom", b"x")
    keys = server.keys("late")
    seaweed_accounts.shut_out(server.accounts, "late", server.pid, server.endpoint)
    with pytest.raises(StoreDenied):
        handle(server, "late", told).get("sbom", digest)
    server.admit("other-late")
    with pytest.raises(StoreDenied):
        handle(server, "late", told).get("sbom", digest)
    assert handle(server, "a", told).list("none") == (), "others never notice"
    server.admit("late")
    assert server.keys("late") == keys
    assert handle(server, "late", told).get("sbom", digest) == b"x"
    seaweed_accounts.shut_out(server.accounts, "late", server.pid, server.endpoint, forget=True)
    assert server.ask(keys, "GET", f"{BUCKET}/tenants/late/x").status == 403
    server.admit("late")
    assert server.keys("late") != keys
    assert server.ask(keys, "GET", f"{BUCKET}/tenants/late/x").status == 403
    assert [what[1] for what in told] == ["get", "get"]


def test_a_configuration_that_was_cut_changes_nothing(tenant_server: TenantServer) -> None:
    server, told = tenant_server, list[tuple[str, ...]]()
    server.accounts.config.write_text('{"identities": [')
    seaweed_accounts.reload(server.pid)
    try:
        assert handle(server, "a", told).list("none") == ()
        assert server.ask(NOBODY, "GET", BUCKET).status == 403
    finally:
        server.admit("a")


def test_keys_of_everybody_are_refused() -> None:
    shared = StoreSettings(access_key="env:A", secret_key="file:/s3/{tenant}/secret")
    with pytest.raises(SharedKeys) as caught:
        keys_of(shared, "a")
    assert caught.value.facts["key"] == "store.access_key"
    assert "{tenant}" in caught.value.advice
    assert keys_of(shared, "default").access_key == "env:A"
    own = keys_of(
        StoreSettings(access_key="file:/s3/{tenant}/access", secret_key="file:/s3/{tenant}/secret"), "plant-7"
    )
    assert (own.access_key, own.secret_key) == ("file:/s3/plant-7/access", "file:/s3/plant-7/secret")


def test_accounts_of_bad_tenants_are_not_made(tmp_path: Path) -> None:
    accounts = seaweed_accounts.Accounts(tmp_path / "s3.json", tmp_path / "access", tmp_path / "secret")
    for tenant in ("", "..", "a/b", "*", "a*", "A", "a" * 300):
        for use in (seaweed_accounts.open_account, seaweed_accounts.close_account):
            with pytest.raises(BadTenant):
                use(accounts, tenant)
    assert list(tmp_path.iterdir()) == []
