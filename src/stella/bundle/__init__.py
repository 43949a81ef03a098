"""The one file format for everything that crosses a gap: what it holds, how it is written, read and verified."""
