"""`make pictures`: docs/pictures, drawn from `az` on a pseudo-terminal and a local cloud."""
