"""Tenants: who asks, for whom, and the guard that keeps one from another."""
