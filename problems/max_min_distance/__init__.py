"""n points whose largest distance is as small as possible relative to their smallest."""
