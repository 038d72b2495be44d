"""Package the `login` extension: the one wheel that `az extension add` installs."""

from pathlib import Path

from setuptools import find_packages, setup

# Nothing in azext_login needs the version. The tools of a release read this line without running anything.
VERSION = "1.0.0"

HERE = Path(__file__).parent


def read(name: str) -> str:
    """Return the text of a file beside this one."""
    return (HERE / name).read_text(encoding="utf-8")


setup(
    name="login",
    version=VERSION,
    description="A better az login, az logout and az account for the Azure CLI",
    long_description=read("README.rst") + "\n\n" + read("HISTORY.rst"),
    long_description_content_type="text/x-rst",
    author="The login extension contributors",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    # The CLI refuses a wheel with two azext_* packages in it, and tests/ has no place on a user's machine.
    packages=find_packages(include=["azext_login", "azext_login.*"]),
    # `az extension add` puts it into the directory `bin` of the extension.
    scripts=["azext_login/az_token/az-token"],
    package_data={"azext_login": ["azext_metadata.json", "py.typed", "cli/shells/azctx.*"]},
    # The CLI brings knack, msal and requests; naming one here would copy it into the extension's folder. It does not
    # bring prompt_toolkit, which draws the list of subscriptions (10 MB with wcwidth, which it needs).
    install_requires=["prompt_toolkit>=3.0.36,<4"],
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: OS Independent",
        "Programming Language :: Python",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Systems Administration :: Authentication/Directory",
        "Typing :: Typed",
    ],
)
