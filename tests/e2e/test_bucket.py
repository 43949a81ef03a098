"""The main job by the command line, with the channel and the site in a bucket."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from stella.cli.main import run
from tests.bucket_server import Store
from tests.chaos.world import with_a_flipped_bit
from tests.e2e.material import as_process, stella

pytestmark = [pytest.mark.network, pytest.mark.slow]


class Machine:
    """A folder to work in, and a store that the commands find by their settings."""

    def __init__(self, top: Path, store: Store, location: str) -> None:
        self.top, self.env = top, store.env
        self.m, self.d = f"{location}/M", f"{location}/D"

    def ran(self, words: str, code: int = 0, **env: str) -> Any:
        """The answer of a command; M and D stand for channel and site. With `env` it is a process of its own."""
        named = [word.replace("M/", f"{self.m}/") if word.startswith("M/") else word for word in words.split()]
        named = [{"M": self.m, "D": self.d}.get(word, word) for word in named]
        if not env:
            with as_process(self.top, **self.env), redirect_stdout(io.StringIO()) as out:
                assert run([*named, "--json"]) == code, out.getvalue()
            return json.loads(out.getvalue())
        done = stella(*named, "--json", folder=self.top, env=self.env | env)
        assert (done.returncode, done.stderr) == (code, ""), done
        return json.loads(done.stdout)


@pytest.fixture
def machine(tmp_path: Path, bucket_server: Store, bucket: str) -> Iterator[Machine]:
    for number in (1, 2):
        (tmp_path / f"src{number}/osv").mkdir(parents=True)
        (tmp_path / f"src{number}/app").write_bytes(bytes(range(256)) * 600 + b"version %d" % number)
        (tmp_path / f"src{number}/osv/A.json").write_text('{"id": "A"}')
    yield Machine(tmp_path, bucket_server, bucket)
    assert not any(name.is_dir() and name.name.startswith("s3") for name in tmp_path.iterdir()), "a path was made of it"


def test_the_whole_job(machine: Machine) -> None:
    ran = machine.ran
    laid = ran("mirror init --dir M --channel stable")
    assert (laid["dir"], laid["trust"]) == (machine.m, f"{machine.m}/trust")
    ran("mirror init --dir M", code=2)
    first = ran("mirror create --dir M --source artifacts=src1 --out 1.stella")
    assert ran("mirror create --dir M --source artifacts=src1 --out same.stella")["sha256"] == first["sha256"]
    assert ran("mirror verify 1.stella --trust M/trust")["verdict"] == "verified"
    ran("site init --dir D --trust M/trust --name plant-7")
    assert ran("site import 1.stella --dir D", STELLA_SEALED="1")["generation"] == 1
    ran("site receipt --dir D --out receipt.json")
    ran("mirror rotate --dir M --role release")
    thin = ran("mirror create --dir M --source artifacts=src2 --for receipt.json --out 2.stella")
    assert (thin["thin"], thin["base"], thin["deltas"]) == (True, 1, 1)
    full = ran("mirror create --dir M --out full.stella")
    (machine.top / "bad.stella").write_bytes(with_a_flipped_bit(machine.top / "full.stella"))
    case = ran("site import bad.stella --dir D", code=6, STELLA_SEALED="1")
    assert case["reason"] == "digest_mismatch"
    assert ran("site import 2.stella --dir D", STELLA_SEALED="1")["root"] == full["root"]
    (quarantined,) = ran("site quarantine --dir D")["cases"]
    ran(f"site release {quarantined['id']} --dir D --reason seen --ticket OPS-7")
    assert ran("site status --dir D")["active"] == 2
    assert [row["generation"] for row in ran("site list --dir D")["generations"]] == [2, 1]
    assert ran("site show --dir D --out files")["written"] == 2
    assert (machine.top / "files/artifacts/app").read_bytes() == (machine.top / "src2/app").read_bytes()
    assert ran("site rollback --dir D --reason crash")["active"] == 1
    status = ran("mirror status --dir M")
    assert (status["head"], status["sites"], status["store_bytes"] > 0) == (2, ["plant-7"], True)
    assert ran("mirror export --dir M --format thin-v1 --out exported")["files"]


TROUBLE = {
    "unreachable": (10, "IO-011", {"STELLA_STORE_ENDPOINT": "http://127.0.0.1:1"}),
    "denied": (3, "IO-010", {"AWS_SECRET_ACCESS_KEY": "another"}),
    "no-secret": (2, "CONF-004", {"AWS_SECRET_ACCESS_KEY": ""}),
    "sealed": (5, "AIRGAP_EGRESS_BLOCKED", {"STELLA_SEALED": "1", "STELLA_STORE_ENDPOINT": "https://s3.example.org"}),
    "plain": (2, "CONF-002", {"STELLA_STORE_ENDPOINT": "http://s3.example.org"}),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_what_can_be_wrong_with_a_store(name: str, machine: Machine) -> None:
    code, error, env = TROUBLE[name]
    assert machine.ran("mirror status --dir M", code=code, **env)["code"] == error


def test_what_can_be_wrong_with_a_location(machine: Machine) -> None:
    for location, code, error in (("s3://Not_A_Bucket/x", 2, "IO-008"), ("s3://no-such-bucket/x", 4, "IO-009")):
        for words in (f"mirror status --dir {location}", f"site status --dir {location}"):
            assert machine.ran(words, code=code)["code"] == error
    assert machine.ran("mirror status --dir M", code=4)["code"].startswith("MIRROR")
    assert machine.ran("site status --dir D", code=4)["code"].startswith("SITE")
