"""Tenants and subscriptions as Azure Resource Manager lists them. No command line and no files."""
