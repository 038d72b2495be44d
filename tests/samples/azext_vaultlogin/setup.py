from setuptools import setup

setup(
    name="vaultlogin",
    version="1.0.0",
    description="Sign in to Azure with HashiCorp Vault",
    packages=["azext_vaultlogin"],
    package_data={"azext_vaultlogin": ["azext_metadata.json"]},
)
