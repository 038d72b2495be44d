"""How long the commands take, built in and ours."""
