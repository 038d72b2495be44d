"""The user's terminal: its abilities, messages and questions, and lines that may be pasted."""
