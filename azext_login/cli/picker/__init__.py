"""The list from which a user chooses a subscription on a terminal."""
