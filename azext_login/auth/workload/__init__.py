"""Service principals: secrets, certificates, federated tokens, and the environment variables that describe them."""
