"""A proposed policy held against the one of today, over a whole snapshot."""
