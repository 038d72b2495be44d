"""The commands: what they ask and print. One module per command."""
