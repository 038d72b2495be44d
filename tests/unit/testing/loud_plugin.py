"""A plug-in that prints while it is imported, and has no sources."""

print("welcome")
SOURCES: list[str] = []
