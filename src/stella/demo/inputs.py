"""What the demo carries: two releases, advisories, policies and an SBOM, laid out as the sources of two generations.

Rules:
- The releases are real ones from the package index, named by version and digest; without an index two made ones take
  their place, and the result says so.
- Nothing of this machine gets into a release: no caches, no install records, no paths.
- Everything else comes from the checkout, so that the demo shows what a reader can open.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stella.demo import sample
from stella.demo.errors import MaterialMissing
from stella.demo.sbom import environment_sbom
from stella.runtime.files import make_directory, reading, writing

REAL = ("2.15.0", "2.15.1")
REAL_NAME = "nats-server"
GENERATIONS = (1, 2)
FETCH_SECONDS = 60  # a demo that waits longer for an index looks broken

_RECORDS = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json", ".lock"})


@dataclass(frozen=True)
class Inputs:
    """Where the sources of each generation are. `real` says whether the releases came from an index."""

    folder: Path
    real: bool
    product: str
    versions: tuple[str, str]

    def sources(self, generation: int) -> tuple[str, ...]:
        """Sources of a generation in the form that `mirror create --source` takes."""
        top = self.folder / str(generation)
        return tuple(f"{name}={top / name}" for name in ("artifacts", "sbom", "advisories", "policies"))


def checkout() -> Path:
    """Top of the source tree that the package runs from."""
    return Path(__file__).resolve().parents[3]


def prepare(into: Path, created: str) -> Inputs:
    """Lay out both generations below `into`; `created` is the time written in the SBOM.

    Raises MaterialMissing and the errors of `runtime.files`.
    """
    places = [into / str(generation) / "artifacts" for generation in GENERATIONS]
    with ThreadPoolExecutor(len(places)) as pool:
        fetched = list(pool.map(fetch_release, REAL, places))
    real = all(fetched)
    if not real:
        for version, place in zip(sample.VERSIONS, places, strict=True):
            shutil.rmtree(place, ignore_errors=True)
            sample.make_release(version, place)
    bill = environment_sbom(created)
    for generation in GENERATIONS:
        top = into / str(generation)
        write_feed(top / "advisories", generation)
        copy_examples(["policies"], "*.stella", top / "policies")
        _write(top / "sbom" / "environment.cdx.json", bill)
    if real:
        return Inputs(into, real=True, product=REAL_NAME, versions=REAL)
    return Inputs(into, real=False, product="sample-server", versions=sample.VERSIONS)


def find_uv() -> str | None:
    """The uv to fetch with: STELLA_UV, else the checkout's own, else the one on PATH."""
    own = checkout() / ".tools" / "bin" / "uv"
    return os.environ.get("STELLA_UV") or (str(own) if own.is_file() else shutil.which("uv"))


def fetch_release(version: str, into: Path) -> Path | None:
    """Fetch a release by its lock into an empty folder; None when that is not possible, with nothing left behind.

    The digests of the lock decide which bytes are accepted, so it does not matter which index or cache they come from.
    """
    uv = find_uv()
    lock = checkout() / "requirements" / f"demo-{REAL.index(version) + 1}.lock"
    if uv is None or not lock.is_file():
        return None
    # Copies, not links: what the demo does with a release must not reach the package cache.
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--link-mode", "copy"]
    command += ["--python", sys.executable, "--target", str(into), "--requirements", str(lock)]
    quick = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "1"}
    try:
        done = subprocess.run(  # noqa: S603  # our own arguments; digests decide about what comes back
            command, env={**quick, **os.environ}, capture_output=True, timeout=FETCH_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode:
        shutil.rmtree(into, ignore_errors=True)
        return None
    _drop_records(into)
    return into


def _drop_records(top: Path) -> None:
    for path in list(top.rglob("*")):
        if path.name == "__pycache__":
            shutil.rmtree(path)
        elif path.name in _RECORDS and path.is_file():
            path.unlink()


def write_feed(into: Path, generation: int) -> None:
    """Write the advisory feed of a generation: the second one has one advisory more and one that was revised."""
    folders = ["advisories", "advisories-next"][:generation]
    copy_examples(folders, "*.json", into)


def copy_examples(folders: Iterable[str], pattern: str, into: Path) -> None:
    """Copy the examples of some folders into one; a later folder replaces files of an earlier one.

    Raises MaterialMissing and the errors of `runtime.files`.
    """
    for folder in folders:
        source = checkout() / "examples" / folder
        found = sorted(source.glob(pattern))
        if not found:
            raise MaterialMissing(folder=f"examples/{folder}")
        for path in found:
            with reading(path):
                data = path.read_bytes()
            _write(into / path.name, data)


def _write(path: Path, data: bytes) -> None:
    make_directory(path.parent)
    with writing(path):
        path.write_bytes(data)
