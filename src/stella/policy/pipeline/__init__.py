"""All checks of policies in one process."""
