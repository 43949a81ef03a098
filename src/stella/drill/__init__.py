"""Drills: what must hold in an outage, a flood or a rotation, tried under traffic of many tenants."""
