"""What Stella says about itself: its errors, its settings, its version."""
