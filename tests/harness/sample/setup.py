"""The sample extension that tests install beside ours."""

from setuptools import setup

setup(
    name="sample",
    version="1.0.0",
    description="Uses the programming surface of the Azure CLI.",
    packages=["azext_sample"],
    package_data={"azext_sample": ["azext_metadata.json"]},
)
