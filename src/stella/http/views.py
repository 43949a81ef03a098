"""What people see when the service ends."""

from __future__ import annotations

from stella.formats.view import Facts, Text, View
from stella.http.model import Served


def served(result: Served) -> View:
    """What was served, and what the next start takes up."""
    return [
        Text("stopped"),
        Facts(
            [
                ("address", result.address),
                ("requests", str(result.requests)),
                ("jobs for the next start", str(result.handed_over)),
            ]
        ),
    ]
