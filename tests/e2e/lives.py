"""The life of a tenant of a stack, by commands alone: for a test that has a stack of the profile `full`."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from typing import Any

from tests.e2e.material import environment
from tests.stacks import Stack


def the_life_of_a_tenant(stack: Stack) -> None:
    """With objects in the store of the stack, by commands alone."""
    why = ("--reason", "a test", "--ticket", "T-1")
    file = stack.top / "file"
    file.write_text("x")

    def stella(*words: str, tenant: str = "default") -> tuple[int, dict[str, Any]]:
        settings = {"STACK_DATA": str(stack.data), "STORE_ACCOUNTS": "stack", "CLIENT_TENANT": tenant}
        env = environment(stack.top, **{f"STELLA_{name}": value for name, value in settings.items()})
        command = [sys.executable, "-m", "stella", *words, "--json"]
        done = subprocess.run(command, cwd=stack.top, env=env, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    for tenant in ("a", "aa"):
        assert stella("tenant", "create", tenant)[0] == 0
        assert stella("object", "put", "note", str(file), tenant=tenant)[0] == 0
    assert stella("tenant", "suspend", "a", *why)[0] == 0
    code, problem = stella("object", "list", tenant="a")
    assert (code, problem["code"]) == (3, "IO-010")
    assert stella("tenant", "delete", "a", *why)[0] == 0
    with stack.connect("postgres-owner") as connection:  # the grace period is over
        connection.execute("ALTER TABLE identity.tenants NO FORCE ROW LEVEL SECURITY")
        connection.execute("UPDATE identity.tenants SET erase_after = 1 WHERE tenant_id = 'a'")
        connection.execute("ALTER TABLE identity.tenants FORCE ROW LEVEL SECURITY")
    service = stack.pid("service")
    os.kill(service, signal.SIGKILL)  # the next one looks at once
    stack.until_replaced("service", service)
    stack.until(lambda: stella("tenant", "show", "a")[1]["state"] == "erased", 90)
    told = json.loads(base64.b64decode(json.loads(stella("tenant", "show", "a")[1]["proof"])["payload"]))
    assert [(one["what"], one["count"]) for one in told["elsewhere"]] == [("accounts", 1), ("files", 0), ("objects", 1)]
    assert len(stella("object", "list", tenant="aa")[1]["rows"]) == 1
    assert stack.call("doctor").returncode == 0
