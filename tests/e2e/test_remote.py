"""The same words in process and through a service: the same output, the same exit code, the same files.

Rules:
- The rows are those of the table of commands. What is random or of the moment (keys, digests, times) is put aside on
  both sides before they are compared.
- Channels and sites are the service's, files are the caller's: so it is on two machines.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stella.cli.main import run
from stella.client.api import Client
from stella.client.errors import NotAService, ServiceAway, TokenInTheClear
from stella.client.transport import Transport
from stella.operations import find
from stella.runtime.postgres_server import Postgres
from tests.e2e.command_rows import FLEET
from tests.e2e.material import PASSPHRASE, as_process, build
from tests.e2e.test_commands import OPERATIONS, ROWS, Ended
from tests.fleets import FleetFiles
from tests.service import Running, running

pytestmark = pytest.mark.network

FOLDERS = ("M", "D", "D2", "I", "Y", "broken")  # what lives at the service
ONLY_HERE = {
    "config.show": "each side has settings of its own",
    "key.create": "each side makes a key of its own",
    "policy.simulate": "a service refuses before it queues, and keeps the result; test_policy_story.py asks it",
    "policy.ci": "as policy.simulate",
}
ASIDE = (
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "<hex>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? (B|kB|MB|%|s|ms)(?= |,|$)", re.MULTILINE), "<size>"),
    (re.compile(r"\b\d{4,}\b"), "<number>"),
    (re.compile(r"\b\d+s\b"), "<age>"),
    (re.compile(r"[A-Za-z0-9+/]{43}="), "<key>"),
    (re.compile(r"\b(root|admin|nobody)\b"), "<actor>"),
    (re.compile(r"[ ─-]+"), " "),  # the width of a column follows from what was put aside
)


def told(ended: Ended) -> Ended:
    def plain(text: str) -> str:
        for pattern, word in ASIDE:
            text = pattern.sub(word, text)
        return text

    return Ended(ended.code, plain(ended.out), plain(ended.err))


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = build(tmp_path_factory.mktemp("remote") / "made")
    shutil.copytree(top / "D", top / "D2")
    with as_process(top):
        assert run(["site", "import", "2.stella", "--dir", "D2"]) == 0
    FleetFiles(top / "fleet")
    with as_process(top):
        assert run(["inventory", "load", *FLEET.split(), "--dir", "I"]) == 0
    (top / "broken").mkdir()
    return top


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service"), postgres, STELLA_KEY_PASSPHRASE=PASSPHRASE) as found:
        yield found


@pytest.fixture
def both(
    material: Path, service: Running, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[Ended, Ended]]:
    """Run words in process, then with the same material through the service."""
    work, token = service.work, (service.data / "secrets/admin-token").read_text().strip()

    def perform(*words: str) -> tuple[Ended, Ended]:
        here, there = tmp_path / "here", tmp_path / "there"
        shutil.copytree(material, here, symlinks=True)
        shutil.copytree(material, there, symlinks=True, ignore=lambda top, _: FOLDERS if top == str(material) else ())
        for path in work.iterdir():
            shutil.rmtree(path)
        for name in FOLDERS:
            shutil.copytree(material / name, work / name, symlinks=True)
        shutil.rmtree(service.data / "objects", ignore_errors=True)
        shutil.copytree(material / ".stella/objects", service.data / "objects")
        capfd.readouterr()
        with as_process(here):
            one = Ended(run(words), *capfd.readouterr())
        with as_process(there, STELLA_TOKEN=token):
            other = Ended(run([*words, "--server", service.url]), *capfd.readouterr())
        return one, other

    return perform


def cases() -> list[object]:
    found = [
        pytest.param([*name.split("."), *words.split(), *form], id=f"{name}-{cell}{'-json' if form else ''}")
        for name, row in ROWS.items()
        if name not in ONLY_HERE and not OPERATIONS[name].at_home
        for cell, words in (("ok", row.ok), ("missing", row.missing))
        if not words.startswith("-:")
        for form in ((), ("--json",))
    ]
    more = ["site import flipped.stella --dir D", "mirror verify 1.stella --trust broken", "mirror create --dir M"]
    more += ["lint tenancy bad", "lint tenancy bad --json"]
    more += [f"policy lint {words}" for words in ("policies", "policies worse --json", "worse/a.stella --no-proofs")]
    more += ["policy compile worse/a.stella --json"]
    return found + [pytest.param(words.split(), id=words) for words in more]


@pytest.mark.parametrize("words", cases())
def test_both_ways(words: list[str], both: Callable[..., tuple[Ended, Ended]], tmp_path: Path) -> None:
    one, other = map(told, both(*words))
    assert other == one
    new = ROWS.get(".".join(words[:2]), ROWS["version"]).new
    for name in new:
        if name.partition("/")[0] not in {"N", "E"}:  # folders stay at the service
            assert (tmp_path / "here" / name).exists() == (tmp_path / "there" / name).exists()


def test_the_bundle_that_comes_back_is_the_one_that_was_made(
    both: Callable[..., tuple[Ended, Ended]], service: Running, tmp_path: Path
) -> None:
    both("mirror", "create", "--dir", "M", "--generation", "1", "--out", "again.stella")
    assert (tmp_path / "here/again.stella").read_bytes() == (tmp_path / "there/again.stella").read_bytes()
    assert (tmp_path / "there/again.stella").read_bytes() == (tmp_path / "there/1.stella").read_bytes()
    assert not list(service.work.glob("again.stella"))


def test_the_folder_that_comes_back_is_the_one_that_was_written(
    both: Callable[..., tuple[Ended, Ended]], tmp_path: Path
) -> None:
    one, other = both("site", "show", "--dir", "D", "--out", "F")
    assert (one.code, other.code) == (0, 0)

    def tree(top: Path) -> dict[str, bytes]:
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}

    assert tree(tmp_path / "here/F") == tree(tmp_path / "there/F") != {}


def test_the_typed_client(material: Path, service: Running, tmp_path: Path) -> None:
    shutil.rmtree(service.work / "M", ignore_errors=True)
    shutil.copytree(material / "M", service.work / "M")
    seen: list[str] = []

    class Watching:
        def start(self, task: str, total: int | None, unit: str) -> None:
            del total, unit
            seen.append(task)

        def advance(self, amount: int) -> None:
            """Not looked at."""

    client = Client(service.url, (service.data / "secrets/admin-token").read_text().strip(), Watching())
    made = client.mirror.create(dir="M", source=(f"artifacts={material / 'src1'}",), out=str(tmp_path / "B.stella"))
    assert made.bundle == str(tmp_path / "B.stella")
    assert (tmp_path / "B.stella").stat().st_size == made.bundle_bytes
    assert {"upload", "download"} <= set(seen)
    assert client.version().python
    assert [row.channel for row in client.mirror.list().rows] == ["stable"]
    assert client.mirror.search(what=made.root).rows == ()


def test_the_client_has_a_method_for_every_operation_of_a_service() -> None:
    client = Client("http://127.0.0.1:1", "x")
    for name, operation in OPERATIONS.items():
        noun, _, verb = name.partition(".")
        holder = getattr(client, noun, None) if verb else client
        method = getattr(holder, (verb or noun).replace("-", "_"), None) or getattr(holder, f"{verb}_", None)
        assert (method is None) == operation.local, name


def test_a_service_that_is_away() -> None:
    with pytest.raises(ServiceAway):
        Transport("http://127.0.0.1:1", "x").json("DELETE", "/v1/jobs/1")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "nonsense://x"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(NotAService):
        Transport(url, "x")


@pytest.mark.parametrize("url", ["http://stella.example", "stella.example:80", "http://10.0.0.1"])
def test_no_token_in_the_clear(url: str) -> None:
    with pytest.raises(TokenInTheClear):
        Transport(url, "x")


def test_a_wrong_token_says_so(service: Running, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with as_process(tmp_path, STELLA_TOKEN="wrong", STELLA_SERVER=service.url):
        assert run(["mirror", "list"]) == 3
    assert "TOKEN-001" in capfd.readouterr().err


def test_a_token_does_not_go_where_the_settings_of_a_folder_say(
    service: Running, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Those of a checkout are written by whoever wrote the checkout."""
    (tmp_path / "stella.toml").write_text(f'[client]\nserver = "{service.url}"\ntoken = "file:secret"\n')
    (tmp_path / "secret").write_text("what somebody else must not see")
    for words, code in (([], 3), (["--server", service.url], 0)):
        with as_process(tmp_path, STELLA_CLIENT_TOKEN="env:STELLA_TOKEN", STELLA_TOKEN=service.token):
            assert run(["mirror", "list", *words]) == code
        assert ("CLIENT-015" in capfd.readouterr().err) is (code == 3)
    with as_process(tmp_path):
        assert run(["mirror", "list"]) == 3
    assert "CLIENT-015" in capfd.readouterr().err


def test_what_is_for_one_machine_is_refused_when_a_service_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with as_process(tmp_path, STELLA_TOKEN="x"):
        assert run(["up", "--server", "http://127.0.0.1:1"]) == 2
    assert "CLIENT-004" in capfd.readouterr().err
    assert find("up").local
