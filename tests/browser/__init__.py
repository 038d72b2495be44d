"""Sign-in through a real Chromium, and the person at its keyboard."""
