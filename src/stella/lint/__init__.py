"""Reads code and SQL before they run, and says what could let one tenant see another."""
