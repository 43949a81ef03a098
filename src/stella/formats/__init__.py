"""Shapes that other tools and people read: views, reports, interchange files."""
