"""Sign-in through a real Chromium, and the user at its keyboard."""
