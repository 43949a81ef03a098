"""`make bench`: what Stella costs beside the tools that it replaces, as ratios in one run.

Rules:
- Every figure is a median over rounds, every ratio the median of the rounds' own ratios.
- CPU seconds count, not wall seconds: machines are shared, and workers spread the same work.
- Peers write the same thing to the same place: an archive and its SHA-256. None of them signs, deduplicates or checks.
- The limit of the machine (sha256, zstd) is measured in the same run, on the same bytes.
- No figure is asserted; results.json keeps them with the machine they come from.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import corpus
import language
import lint
import objects
import policy
import policy_lint
import stack
import statements
import tenancy
import tokens
import zstandard
from measure import Cost, median, run, shell

import migrations
import proofs
import service
from stella.demo.inputs import REAL, fetch_release

TOP = Path(__file__).resolve().parents[1]
STELLA = str(TOP / ".venv" / "bin" / "stella")
RUNS = 3
PEERS = {
    "tar | gzip -n": "gzip -n",
    "tar | zstd -3": "zstd -3 -q",
}
LEFT_OUT = ("STELLA_", "PYTHONDONTWRITEBYTECODE")  # settings of the caller, and what makes each start compile anew
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
TAR = "tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf -"


def stella(folder: Path, *arguments: str) -> Cost:
    """Run a command of Stella."""
    return run([STELLA, *arguments], folder, ENVIRONMENT | {"STELLA_KEY_PASSPHRASE": "bench bench bench"})


def fresh(folder: Path) -> Path:
    """An empty folder in the place of an old one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def rate(size: int, cost: Cost) -> dict[str, float]:
    """MB of content for each CPU second, and the rest of the cost."""
    return {
        "mb_per_cpu_s": round(size / 1e6 / cost.cpu, 1),
        "cpu_s": round(cost.cpu, 3),
        "wall_s": round(cost.wall, 3),
        "peak_mib": round(cost.peak_mib, 1),
    }


def limits(sample: bytes) -> dict[str, float]:
    """What this machine can do with one core: MB per CPU second."""
    found: dict[str, float] = {}
    packed = zstandard.ZstdCompressor(level=3).compress(sample)
    work = {
        "sha256": lambda: hashlib.sha256(sample).digest(),
        "zstd_3": lambda: zstandard.ZstdCompressor(level=3).compress(sample),
        "unzstd": lambda: zstandard.ZstdDecompressor().decompress(packed),
    }
    for name, once in work.items():
        times = []
        for _ in range(RUNS):
            begin = time.process_time()
            once()
            times.append(time.process_time() - begin)
        found[name] = round(len(sample) / 1e6 / sorted(times)[RUNS // 2], 1)
    return found


def bundles(work: Path, source: Path) -> dict[str, object]:
    """Create, verify and import one corpus, beside the pipelines: each once a round, so that all share the noise."""
    size = corpus.size_of(source)
    rounds = [_round(work, source) for _ in range(RUNS)]
    middle = {name: median([costs[name] for costs in rounds]) for name in rounds[0]}
    out: dict[str, object] = {"content_mb": round(size / 1e6, 1)}
    out["bundle_mb"] = round((work / "run" / "B.stella").stat().st_size / 1e6, 2)
    out |= {name: rate(size, middle[name]) for name in ("create", "verify", "import")}
    peers: dict[str, object] = {}
    for name in PEERS.keys() & middle.keys():
        ratio = statistics.median(costs[name].cpu / costs["create"].cpu for costs in rounds)
        peers[name] = rate(size, middle[name]) | {"create_is_times_as_fast": round(ratio, 2)}
    out["peers"] = dict(sorted(peers.items()))
    shutil.rmtree(work / "run", ignore_errors=True)
    return out


def _round(work: Path, source: Path) -> dict[str, Cost]:
    folder = fresh(work / "run")
    stella(folder, "mirror", "init", "--dir", "M")
    create = ("mirror", "create", "--dir", "M", "--source", f"artifacts={source}", "--out", "B.stella")
    costs = {"create": stella(folder, *create)}
    costs["verify"] = stella(folder, "mirror", "verify", "B.stella", "--trust", "M/trust")
    stella(folder, "site", "init", "--dir", "D", "--trust", "M/trust")
    costs["import"] = stella(folder, "site", "import", "B.stella", "--dir", "D")
    for name, packer in PEERS.items():
        if shutil.which(packer.split()[0]):
            line = f"{TAR} -C {source.parent} {source.name} | {packer} | tee peer.out | sha256sum > peer.sum"
            costs[name] = shell(line, work)
    return costs


def thin(work: Path) -> dict[str, object]:
    """Size of an update between two consecutive real releases, beside other ways to make it small."""
    folder = fresh(work / "thin")
    places = [fetch_release(version, folder / version) for version in REAL]
    if not all(places):
        return {"skipped": "no package index"}
    found = [list((folder / version).rglob("nats-server*")) for version in REAL]
    binaries = [max(paths, key=lambda path: path.stat().st_size) for paths in found]
    names = [str(path) for path in binaries]
    source = [f"artifacts={folder / version}" for version in REAL]
    stella(folder, "mirror", "init", "--dir", "M")
    stella(folder, "mirror", "create", "--dir", "M", "--source", source[0], "--out", "1.stella")
    stella(folder, "site", "init", "--dir", "D", "--trust", "M/trust")
    stella(folder, "site", "import", "1.stella", "--dir", "D")
    stella(folder, "site", "receipt", "--dir", "D", "--out", "r.json")
    cost = stella(
        folder, "mirror", "create", "--dir", "M", "--source", source[1], "--for", "r.json", "--out", "2.stella"
    )
    stella(folder, "mirror", "create", "--dir", "M", "--out", "2-full.stella")
    sizes = {
        "stella thin": (folder / "2.stella").stat().st_size,
        "stella full": (folder / "2-full.stella").stat().st_size,
    }
    lines = {
        "zstd -3": ("zstd", f"zstd -3 -q -f {names[1]} -o p1", "p1"),
        "zstd -19 --patch-from": ("zstd", f"zstd -19 --long=27 -q -f --patch-from={names[0]} {names[1]} -o p2", "p2"),
        "xdelta3 -9": ("xdelta3", f"xdelta3 -e -9 -f -s {names[0]} {names[1]} p3", "p3"),
    }
    for name, (tool, line, made) in lines.items():
        if shutil.which(tool):
            shell(line, folder)
            sizes[name] = (folder / made).stat().st_size
    if shutil.which("casync"):
        store = "casync make --store=c.castr"
        shell(f"{store} one.catar {folder / REAL[0]} > c1", folder)
        before = corpus.size_of(folder / "c.castr")
        shell(f"{store} two.catar {folder / REAL[1]} > c2", folder)
        sizes["casync"] = corpus.size_of(folder / "c.castr") - before
    thin_size = sizes["stella thin"]
    ratios = {name: round(size / thin_size, 2) for name, size in sizes.items() if name != "stella thin"}
    return {"bytes": sizes, "times_as_large_as_thin": ratios, "create_cpu_s": round(cost.cpu, 2)}


def starts(work: Path) -> dict[str, object]:
    """CPU milliseconds until a command has done nothing: the best of many, since load only adds."""
    folder = fresh(work / "start")
    stella(folder, "mirror", "init", "--dir", "M")
    (folder / "a.txt").write_text("a")
    stella(folder, "mirror", "create", "--dir", "M", "--source", "other=a.txt", "--out", "B.stella")
    commands = {
        "python3 -c pass": [sys.executable, "-c", "pass"],
        "pip --version": [getattr(sys, "_base_executable", sys.executable), "-m", "pip", "--version"],
        "stella --help": [STELLA, "--help"],
        "stella mirror verify, smallest bundle": [STELLA, "mirror", "verify", "B.stella", "--trust", "M/trust"],
        "stella mirror verify, no bundle": [STELLA, "mirror", "verify", "README", "--trust", "M/trust"],
    }
    (folder / "README").write_text("no bundle")
    found: dict[str, object] = {}
    for name, command in commands.items():
        found[name] = round(1000 * min(_cpu(command, folder) for _ in range(12)), 1)
    return found


def _cpu(command: list[str], folder: Path) -> float:
    line = " ".join(f"'{word}'" for word in command)
    return shell(f"{line} >/dev/null 2>&1 || true", folder).cpu


def big(work: Path) -> dict[str, object]:
    """Peak memory on a bundle of two gigabytes."""
    source = fresh(work / "big")
    for number in range(4):
        with (source / f"{number}.bin").open("wb") as file:
            for turn in range(500):
                file.write(hashlib.sha256(b"%d/%d" % (number, turn)).digest() * (1_000_000 // 32))
    for number in range(2):
        with (source / f"{number}.tar.gz").open("wb") as file:
            file.write(b"\x1f\x8b")
            for _ in range(100):
                file.write(os.urandom(1_000_000))
    result = bundles_once(work, source)
    shutil.rmtree(source)
    return result


def bundles_once(work: Path, source: Path) -> dict[str, object]:
    """Create and import once; sizes and memory."""
    folder, size = fresh(work / "run"), corpus.size_of(source)
    stella(folder, "mirror", "init", "--dir", "M")
    created = stella(folder, "mirror", "create", "--dir", "M", "--source", f"images={source}", "--out", "B.stella")
    stella(folder, "site", "init", "--dir", "D", "--trust", "M/trust")
    imported = stella(folder, "site", "import", "B.stella", "--dir", "D")
    shutil.rmtree(folder)
    return {"content_mb": round(size / 1e6, 1), "create": rate(size, created), "import": rate(size, imported)}


def index(work: Path) -> dict[str, object]:
    """The index of a channel of a hundred thousand small files."""
    source = corpus.small(work, TOP / ".venv" / "lib")
    folder = fresh(work / "indexed")
    stella(folder, "mirror", "init", "--dir", "M")
    stella(folder, "mirror", "create", "--dir", "M", "--source", f"artifacts={source}", "--out", "B.stella")
    return stack.index(work, folder / "M")


def corpus_of(make: Callable[[Path, Path], Path]) -> Callable[[Path], object]:
    """The section that measures bundles over one corpus."""
    return lambda work: bundles(work, make(work, TOP / ".venv" / "lib"))


def machine_limits(_: Path) -> object:
    """Limits on a sample of real files."""
    found = sorted((TOP / ".venv" / "lib").rglob("*.py"))
    return limits(b"".join(path.read_bytes() for path in found)[:64_000_000])


SECTIONS: dict[str, Callable[[Path], object]] = {
    "machine": lambda _: {"cores": os.cpu_count(), "python": platform.python_version()},
    "limits_mb_per_cpu_s": machine_limits,
    "mixed": corpus_of(corpus.mixed),
    "compressible": corpus_of(corpus.compressible),
    "small": corpus_of(corpus.small),
    "two_gigabytes": big,
    "thin": thin,
    "start_cpu_ms": starts,
    "index": index,
    "stack": lambda work: stack.starts(work, ENVIRONMENT),
    "migrations": migrations.migrations,
    "tokens": tokens.tokens,
    "statements": statements.statements,
    "tenancy": tenancy.tenancy,
    "lint": lint.lint,
    "proofs": lambda _: proofs.proofs(),
    "policy_lint": policy_lint.policy_lint,
    "language": language.language,
    "objects": objects.objects,
    "policy": policy.policy,
    "service": service.service,
}


def main(wanted: list[str]) -> None:
    """Measure the sections that are named, or all; print them and put them into results.json."""
    kept = Path(__file__).parent / "results.json"
    results: dict[str, object] = json.loads(kept.read_text()) if wanted and kept.exists() else {}
    for name in wanted or SECTIONS:
        print(f"bench: {name}", file=sys.stderr)
        work = corpus.place(f"{os.getpid()}-{name}")
        try:
            results[name] = SECTIONS[name](work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    text = json.dumps({name: results[name] for name in SECTIONS if name in results}, indent=2) + "\n"
    kept.write_text(text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
