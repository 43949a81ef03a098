"""The demo's row of the operation table."""

from __future__ import annotations

from stella.demo import views
from stella.demo.model import DemoDone, RunDemo
from stella.operations import Context, operation


@operation(
    "demo",
    "LOCAL /demo",
    scope="demo:run",
    view=views.done,
    example="stella demo\nstella demo --dir rehearsal --json",
    long=True,
)
def demo(ctx: Context, want: RunDemo) -> DemoDone:
    """Run the main job from end to end on this machine.

    Two real releases cross a gap: the vendor's side in one folder, a sealed site in another, every step a command that
    you can run yourself. Then the site is attacked. Writes summary.json and report.html.
    """
    from stella.demo import scenario

    return scenario.run(ctx, want)
