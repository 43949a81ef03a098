"""The embedded stack: servers of our own under one supervisor."""
