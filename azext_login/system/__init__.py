"""Files, locks, signals and text. Nothing here knows Azure."""
