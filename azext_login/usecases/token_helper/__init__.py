"""The launcher of the program `az-token`: what is in it, where it is, and how it gets there."""
