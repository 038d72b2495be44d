"""A stand-in for the extension `account` of azure-cli-extensions (src/account), which is not installed in tests."""

from setuptools import setup

setup(
    name="account",
    version="0.2.5",
    description="Has the command names of the official extension of this name.",
    packages=["azext_account"],
    package_data={"azext_account": ["azext_metadata.json"]},
)
