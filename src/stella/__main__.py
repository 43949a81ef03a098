"""`python -m stella`: the command line, for where no script is installed."""

from __future__ import annotations

from stella.cli.main import main

if __name__ == "__main__":
    main()
