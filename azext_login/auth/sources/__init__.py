"""What gives service principals their credentials, and renews them: programs, files and services."""
