"""The main job on real input, told step by step."""
