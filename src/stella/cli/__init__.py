"""Entry point of the command line: parse, run, render; no decisions."""
