"""Findings of a whole fleet as a frozen star of integers, made from SBOMs, advisories, VEX, KEV and EPSS."""
