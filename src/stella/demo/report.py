"""The page that shows a demo: the flow, the sizes, each check, each attack."""

from __future__ import annotations

from stella.demo.model import DemoDone
from stella.demo.views import served, short
from stella.formats.flow import Place, Step
from stella.formats.page import Bar, Check, Figure, Page, render
from stella.formats.view import Facts, Table, human_bytes

SHORT = 16  # hex characters of a digest that are enough to tell two apart by eye


def demo_page(result: DemoDone) -> bytes:
    """The page as UTF-8 bytes."""
    first, second = result.generations
    old, new = result.versions
    origin = (
        "real releases from the package index" if result.real else "releases made by the demo: no index was at hand"
    )
    return render(
        Page(
            title=f"{result.product} {old} to {new}, across a gap",
            verdict="passed",
            headline="The site runs the vendor's bytes and refused every attack",
            subtitle=f"{origin}; the site's processes had no network",
            figures=(
                Figure(human_bytes(second.bundle_bytes), "carried for the update"),
                Figure(f"{100 * result.thin_ratio:.1f} %", "of the full bundle"),
                Figure(f"{result.seconds:.1f} s", "for everything"),
            ),
            flow=_flow(result),
            bars=(
                Bar(f"{result.product} {old}", first.content_bytes, "content"),
                Bar("generation 1", first.bundle_bytes, "full bundle"),
                Bar(f"{result.product} {new}", second.content_bytes, "content"),
                Bar("generation 2", second.bundle_bytes, "thin bundle, made for the site's receipt", strong=True),
            ),
            bars_note="Content is counted uncompressed; bundles are the files that crossed the gap.",
            checks=_checks(result),
            tables=(_steps(result),),
            facts=(Facts([(f"root of generation {one.number}", one.root) for one in result.generations]),),
            footer="stella demo",
        )
    )


def _flow(result: DemoDone) -> tuple[Step, ...]:
    first, second = result.generations
    lanes: tuple[tuple[Place, str, str], ...] = (
        ("vendor", "Cut generation 1", f"{first.files} files, {human_bytes(first.content_bytes)}"),
        ("medium", "Full bundle", human_bytes(first.bundle_bytes)),
        ("site", "Import", f"verified and active in {first.import_seconds:.1f} s"),
        ("medium", "Receipt", "what the site holds, signed"),
        ("vendor", "Cut generation 2", "for that receipt"),
        ("medium", "Thin bundle", human_bytes(second.bundle_bytes)),
        ("site", "Import", f"verified and active in {second.import_seconds:.1f} s"),
        ("site", "Roll back, and forward", "one pointer flipped each way"),
    )
    steps = [Step(place, label, detail) for place, label, detail in lanes]
    return (*steps, *(Step("site", attack.name, attack.reason, "refused") for attack in result.attacks))


def _checks(result: DemoDone) -> tuple[Check, ...]:
    outcome = "What came of it"
    return (
        *(Check(name.capitalize(), "passed", detail, group="What the site checked") for name, detail in result.checks),
        Check("The site holds the vendor's files", "passed", "every file compared by its sha256", group=outcome),
        Check("A service imports it too", "passed", served(result.service), group=outcome),
        Check("No network", "passed", "the site's processes were sealed, nothing could get out", group=outcome),
        *(
            Check(attack.name, "refused" if attack.rejected else "failed", attack.detail, attack.reason, "Attacks")
            for attack in result.attacks
        ),
    )


def _steps(result: DemoDone) -> Table:
    rows = [(step.side, short(step.command), step.outcome, f"{step.seconds:.2f} s") for step in result.steps]
    return Table(("side", "command", "outcome", "time"), rows, "Every command", right=("time",))
