"""What this extension does in commands that are not its own. Nothing here may make such a command fail."""
