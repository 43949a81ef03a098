"""The rows of the operation table about Stella itself."""

from __future__ import annotations

from stella.about import views
from stella.about.model import AskVersion, ConfigShown, Explain, Explained, ShowConfig, VersionShown
from stella.operations import Context, operation


@operation(
    "explain",
    "GET /v1/errors",
    scope="about:read",
    view=views.explained,
    example="stella explain CONF-001\nstella explain   # every code",
    quick=True,
)
def explain(ctx: Context, want: Explain) -> Explained:
    """Explain a code of an error, or of a diagnostic of a policy.

    Says what it means, why it exists and what to do. Works offline.
    """
    del ctx
    from stella.about import service

    return service.explain(None if want.all else want.code)


@operation(
    "config.show",
    "GET /v1/settings",
    scope="about:read",
    view=views.configured,
    example="stella config show --origin",
    quick=True,
)
def config_show(ctx: Context, want: ShowConfig) -> ConfigShown:
    """Show every setting and its value.

    A flag comes before STELLA_* variables, then `stella.toml` of this folder or the nearest above it, then the user's
    file, then /etc/stella/config.toml, then the default. Secrets are shown as references.
    """
    from stella.about import service

    return service.show_config(ctx.settings, ctx.origins, origin=want.origin)


@operation(
    "version",
    "GET /v1/version",
    scope="about:read",
    view=views.version,
    example="stella version --json",
    quick=True,
)
def version(ctx: Context, want: AskVersion) -> VersionShown:
    """Show the version of Stella and of what it runs on."""
    del ctx, want
    from stella.about import service

    return service.version()
