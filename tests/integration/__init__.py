"""The installed wheel in real `az` processes, against a local cloud."""
