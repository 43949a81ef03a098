"""The main job as two people would do it: a vendor's commands in one folder, a sealed site's commands in another.

Rules:
- Every step is a process of its own that runs the command line; nothing is shared but files that are copied to the
  medium.
- The site's processes are sealed: nothing that they try can leave the machine.
- The demo fails when the site does not hold the vendor's bytes, or when an attack is not rejected for the expected
  reason.
- Generations are dated a few minutes apart, the last one now, so that one of them can have expired at a time that the
  site knows.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from stella.demo import hub
from stella.demo.errors import DemoFailed
from stella.demo.inputs import Inputs, prepare
from stella.demo.model import Attack, Carried, DemoDone, RunDemo, Step
from stella.demo.report import demo_page
from stella.demo.side import Side
from stella.kernel.instant import Instant, format_time
from stella.operations import Context
from stella.runtime.files import make_directory, replacing

APART = 300  # seconds between the dates of two generations
MONTH = 30 * 86_400


def _environment(passphrase: str, **extra: str) -> dict[str, str]:
    """The environment without settings that would change what the demo shows."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STELLA_", "_STELLA"))
        and name not in {"MIRROR_SIGN_KEY_B64", "REQUIRE_PROD_SIGNING", "SOURCE_DATE_EPOCH"}
    }
    return plain | {"STELLA_KEY_PASSPHRASE": passphrase} | extra


class Demo:
    """One run."""

    def __init__(self, ctx: Context, top: Path) -> None:
        self.ctx = ctx
        self.top = top
        self.medium = top / "medium"
        self.steps: list[Step] = []
        self.checks: tuple[tuple[str, str], ...] = ()
        self.now: Instant = ctx.clock.read().wall
        make_directory(self.medium)
        self.vendor = Side("vendor", top / "vendor", _environment(ctx.entropy(16).hex()), self.steps)
        sealed = {"STELLA_SEALED": "1"}
        self.hub = Side("hub", top / "hub", _environment(ctx.entropy(16).hex(), **sealed), self.steps)
        self.site = Side("site", top / "site", _environment(ctx.entropy(16).hex(), **sealed), self.steps)

    def create(
        self, inputs: Inputs, number: int, release: int, *more: str, **extra: str
    ) -> tuple[dict[str, Any], float]:
        """Cut a generation of one of the two releases and put its bundle on the medium."""
        created = format_time(self.now - (4 - number) * APART)
        sources = [os.path.relpath(source.partition("=")[2], self.vendor.folder) for source in inputs.sources(release)]
        named = [f"{Path(source).name}={source}" for source in sources]
        out = f"../medium/{number}.stella"
        return self.vendor.run(
            "mirror", "create", "--dir", "M", "--source", *named, "--created", created, "--out", out, *more, **extra
        )

    def carry(self, inputs: Inputs) -> tuple[Carried, Carried]:
        """Generation 1 full, its receipt, generation 2 thin, back and forward again."""
        self.vendor.run("mirror", "init", "--dir", "M", "--channel", "stable")
        shutil.copytree(self.vendor.folder / "M" / "trust", self.medium / "trust")
        self.site.run("site", "init", "--dir", "D", "--trust", "../medium/trust", "--name", "plant-7")
        first, first_create = self.create(inputs, 1, 1)
        _, first_import = self.site.run("site", "import", "../medium/1.stella", "--dir", "D")
        self.site.run("site", "receipt", "--dir", "D", "--out", "../medium/receipt.json")
        second, second_create = self.create(inputs, 2, 2, "--for", "../medium/receipt.json")
        self.vendor.run("mirror", "diff", "../medium/1.stella", "../medium/2.stella")
        imported, second_import = self.site.run("site", "import", "../medium/2.stella", "--dir", "D")
        self.checks = tuple((name, detail) for name, detail in imported["checks"])
        self.site.run("site", "rollback", "--dir", "D", "--reason", "rehearsal")
        self.site.run("site", "import", "../medium/2.stella", "--dir", "D")
        return _carried(first, first_create, first_import), _carried(second, second_create, second_import)

    def attack(self, inputs: Inputs) -> list[Attack]:
        """A flipped byte, a replayed generation, and a clock that was set back to revive an expired one."""
        self.create(inputs, 3, 1, STELLA_MIRROR_VALID_FOR="1s")
        self.create(inputs, 4, 2, "--renew")
        whole = bytearray((self.medium / "4.stella").read_bytes())
        whole[len(whole) * 2 // 3] ^= 1
        (self.medium / "flipped.stella").write_bytes(whole)
        before, _ = self.site.run("site", "status", "--dir", "D")
        attacks = [
            self._refused(
                "A flipped byte", "digest_mismatch", "site", "import", "../medium/flipped.stella", "--dir", "D"
            ),
            self._refused(
                "A replayed old generation", "not_monotonic", "site", "import", "../medium/1.stella", "--dir", "D"
            ),
            self._refused(
                "A clock set back 30 days",
                "clock_behind",
                str(-MONTH),
                "../medium/3.stella",
                "D",
                module="stella.demo.rehearsal",
                shown="stella site import ../medium/3.stella --dir D   # local clock 30 days behind",
            ),
        ]
        after, _ = self.site.run("site", "status", "--dir", "D")
        if (before["active"], before["root"]) != (after["active"], after["root"]):
            raise DemoFailed(problem="an attack changed what the site runs")
        return attacks

    def _refused(self, name: str, reason: str, *arguments: str, module: str = "stella", shown: str = "") -> Attack:
        code, found, _ = self.site.try_(*arguments, module=module, shown=shown)
        attack = Attack(name, code == 6, str(found.get("reason", "")), str(found.get("detail", "")))  # noqa: PLR2004  # Exit.NEGATIVE
        if not attack.rejected or attack.reason != reason:
            raise DemoFailed(problem=f"{name}: exit {code}, reason `{attack.reason}` instead of `{reason}`")
        return attack

    def compare(self, inputs: Inputs) -> bool:
        """Whether the files that the site writes out are the vendor's sources of generation 2."""
        self.site.run("site", "show", "--dir", "D", "--out", "files")
        wanted = {
            f"{category}/{path.relative_to(top).as_posix()}": _digest(path)
            for category, top in (source.split("=", 1) for source in inputs.sources(2))
            for path in Path(top).rglob("*")
            if path.is_file()
        }
        written = self.site.folder / "files"
        return wanted == {
            path.relative_to(written).as_posix(): _digest(path) for path in written.rglob("*") if path.is_file()
        }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _carried(made: Mapping[str, Any], create_seconds: float, import_seconds: float) -> Carried:
    return Carried(
        number=made["generation"],
        files=made["files"],
        content_bytes=made["content_bytes"],
        bundle_bytes=made["bundle_bytes"],
        thin=made["thin"],
        root=made["root"],
        create_seconds=round(create_seconds, 3),
        import_seconds=round(import_seconds, 3),
    )


def run(ctx: Context, want: RunDemo) -> DemoDone:
    """Run the demo; raises DemoFailed when anything is not as it should be."""
    begin = time.perf_counter()
    top = Path(want.dir)
    hub.end(top / "hub", Side("hub", top / "hub", os.environ, []))
    for name in ("vendor", "site", "hub", "medium", "inputs"):
        shutil.rmtree(top / name, ignore_errors=True)
    ctx.progress.start("fetch two releases", None, "files")
    demo = Demo(ctx, top.resolve())
    inputs = prepare(top.resolve() / "inputs", format_time(demo.now))
    ctx.progress.start("carry two generations over the gap", None, "steps")
    first, second = demo.carry(inputs)
    matches = demo.compare(inputs)
    if not matches:
        raise DemoFailed(problem="the site does not hold the vendor's bytes")
    ctx.progress.start("attack the site", None, "steps")
    attacks = demo.attack(inputs)
    full, _ = demo.vendor.run("mirror", "create", "--dir", "M", "--generation", "2", "--out", "../medium/2-full.stella")
    ctx.progress.start("import through a service", None, "steps")
    served = hub.serve(demo.hub, demo.medium / "2-full.stella", demo.medium / "trust")
    result = DemoDone(
        product=inputs.product,
        versions=inputs.versions,
        real=inputs.real,
        sealed=True,
        generations=(first, second),
        checks=demo.checks,
        attacks=tuple(attacks),
        steps=tuple(demo.steps),
        thin_ratio=round(second.bundle_bytes / full["bundle_bytes"], 4),
        site_matches_vendor=matches,
        service=served,
        report=str(top / "report.html"),
        summary=str(top / "summary.json"),
        seconds=round(time.perf_counter() - begin, 2),
    )
    for name, data in (
        ("report.html", demo_page(result)),
        ("summary.json", msgspec.json.format(msgspec.json.encode(result))),
    ):
        with replacing(top / name) as file:
            file.write(data)
    return result
