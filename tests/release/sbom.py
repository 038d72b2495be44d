"""The list of what is in the wheel and of what pip installs with it, in CycloneDX's format (ECMA-424)."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.release.build import digest_of
from tests.release.contents import Contents, read_wheel

SCHEMA = SchemaVersion.V1_6


def bill_of_materials(wheel: Contents, runtime: Iterable[Path], commit: str, time: int) -> str:
    """Return the list as JSON. The same arguments give the same text.

    runtime: the wheels of what pip installs with it, in the versions that the release was tested with. pip installs
        the latest ones that the wheel allows.
    commit: what the wheel was built from.
    time: of that commit, in seconds since 1970, UTC.
    """
    digest = digest_of(wheel.path)
    root = _component(wheel, ComponentType.APPLICATION)
    root.properties.update(
        [Property(name=name, value=str(value)) for name, value in wheel.extension.items()]
        + [Property(name="commit", value=commit)]
        + [Property(name="requires", value=line) for line in wheel.requires]
    )
    root.components.update(
        Component(name=name, type=ComponentType.FILE, bom_ref=f"file:{name}", hashes=[_sha256(content)])
        for name, content in wheel.digests.items()
    )
    libraries = {_key(found): found for found in map(read_wheel, runtime)}
    components = {key: _component(found, ComponentType.LIBRARY) for key, found in libraries.items()}
    bom = Bom(
        components=components.values(),
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{digest}"),
        metadata=BomMetaData(component=root, timestamp=datetime.datetime.fromtimestamp(time, datetime.timezone.utc)),
    )
    for component, found in ((root, wheel), *((components[key], libraries[key]) for key in components)):
        required = (canonicalize_name(Requirement(line).name) for line in found.requires)
        bom.register_dependency(component, [components[key] for key in required if key in components])
    return make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=2) + "\n"


def _component(wheel: Contents, kind: ComponentType) -> Component:
    name, version = str(wheel.metadata["Name"]), str(wheel.metadata["Version"])
    # The package index of Python has another project by the name of the extension.
    ecosystem = "pypi" if kind is ComponentType.LIBRARY else "generic"
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=f"{name}@{version}",
        description=wheel.metadata["Summary"],
        purl=PackageURL(ecosystem, None, name, version),
        hashes=[_sha256(digest_of(wheel.path))],
        licenses=[LicenseFactory().make_from_string(name) for name in _licences(wheel)],
    )


def _key(wheel: Contents) -> str:
    return canonicalize_name(str(wheel.metadata["Name"]))


def _licences(wheel: Contents) -> list[str]:
    """Return what a wheel names as its licence: in a field of its own, or among the classifiers."""
    named = wheel.metadata["License-Expression"] or wheel.metadata["License"]
    classifiers = (str(line) for line in wheel.metadata.get_all("Classifier", []))
    return [str(named)] if named else [line.split(" :: ")[-1] for line in classifiers if line.startswith("License ")]


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
