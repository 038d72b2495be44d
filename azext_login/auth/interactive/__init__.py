"""Sign-in of a user: one module per flow, and the redirect receiver and pasted address of the browser flow."""
