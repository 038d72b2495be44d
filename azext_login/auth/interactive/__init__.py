"""Sign-in of a user: one module per flow. The browser flow has a redirect receiver and reads pasted addresses."""
