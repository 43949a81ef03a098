"""A vendor's and a site's folder made by the command line itself, and ways to run it.

Rules:
- The real clock is used, since that is what the commands use; nothing here depends on what it says.
- Processes get an environment of their own: no setting of whoever runs the tests reaches them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stella.cli.main import run
from tests.chaos.world import with_a_flipped_bit

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct horse"
SETTINGS = (
    "STELLA_",
    "_STELLA",
    "XDG_",
    "MIRROR_SIGN_KEY_B64",
    "REQUIRE_PROD_SIGNING",
    "SOURCE_DATE_EPOCH",
    "NO_COLOR",
)
KEPT = "9e26bf369911c45c243c684147b23fc9e1dcfcf257d299a1c632016a6fcd33f4"  # the digest of an object of the kind `note`
SECONDS = 120  # a process that lives longer hangs

STEPS = """\
mirror init --dir M
mirror create --dir M --source artifacts=src1 --out 1.stella
site init --dir D --trust M/trust --name plant-7
site import 1.stella --dir D
site receipt --dir D --out receipt.json
mirror create --dir M --source artifacts=src2 --for receipt.json --out 2.stella
mirror create --dir M --out 2-full.stella
object put note sources/ok.py
key create --dir Y --algorithm ed25519
policy sign p.stella --policy-id P-7 --version 3 --reason r --ticket t --dir Y --out p.sigstore
"""

POLICY = """policy "a" syntax "stella-dsl@1" {
  rule exploited priority 1 { when kev then status := "blocked" because "used by attackers" }
  invariant seen { kev => status == "blocked" }
}
"""  # not in the one layout
FIXTURES = """[[fixture]]
name = "exploited"
finding = { kev = true }
expect = { status = "blocked" }

[[fixture]]
name = "not exploited"
finding = { kev = false }
expect = { status = "affected" }
"""


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Variables of a process: none of Stella's but the passphrase and what is given."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return (
        plain
        | {"HOME": str(home), "PYTHONPATH": f"{ROOT}/src:{ROOT}", "COLUMNS": "80", "STELLA_KEY_PASSPHRASE": PASSPHRASE}
        | extra
    )


@contextlib.contextmanager
def as_process(folder: Path, **extra: str) -> Iterator[None]:
    """Let this process be in a folder, with the environment of one of ours."""
    before, place = dict(os.environ), Path.cwd()
    wanted = environment(folder, **extra)
    for name in before.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(place)
        os.environ.clear()
        os.environ.update(before)


def build(top: Path) -> Path:
    """Generation 1 is on the site, generation 2 thin and full on the medium; a flipped bundle was refused."""
    body = bytes(range(256)) * 300
    for number in (1, 2):
        folder = top / f"src{number}"
        folder.mkdir(parents=True)
        (folder / "bin").write_bytes(f"release {number}".encode() * 9 + body)
        (folder / "notes.txt").write_text(f"notes {number}\n")
    for name, text in (
        ("sources/ok.py", "x = 1\n"),
        ("p.stella", 'policy "p" syntax "stella-dsl@1" { rule r { when kev then status := "blocked" because "x" } }\n'),
        ("bad/a.py", "import psycopg\n"),
        ("bad/b/c.sql", "SET ROLE x;\n"),
        ("policies/a.stella", POLICY),
        ("policies/a.fixtures.toml", FIXTURES),
        ("finding.json", '{"finding": {"kev": true}}'),
        ("worse/a.stella", POLICY.replace("kev then", "kv then").replace('"blocked"', '"Blocked"')),
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    with as_process(top):
        for line in STEPS.splitlines():
            assert run([*line.split(), "--json"]) == 0, line
        Path("flipped.stella").write_bytes(with_a_flipped_bit(Path("2-full.stella")))
        assert run(["site", "import", "flipped.stella", "--dir", "D"]) == 6
    return top


def stella(*words: str, folder: Path, prefix: tuple[str, ...] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `stella` as a process in a folder; `env` adds to its environment, `prefix` comes before the interpreter."""
    given = environment(folder, **options.pop("env", {}))
    command = [*prefix, sys.executable, "-m", "stella", *words]
    return subprocess.run(
        command, cwd=folder, env=given, capture_output=True, text=True, timeout=SECONDS, check=False, **options
    )


def stepping(mode: str, step: int, *words: str, folder: Path) -> subprocess.Popen[str]:
    """Start `stella` with something happening at a step, as `tests/e2e/stepping.py` says."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.stepping", mode, str(step), *words],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
