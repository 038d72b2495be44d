"""`python -m tests.release --url URL`: build what users download, from the commit that is checked out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.harness.environments import ROOT, SetUpError, wheels
from tests.release.build import build_wheel, digest_of
from tests.release.contents import read_wheel
from tests.release.errors import ReleaseRefusedError
from tests.release.folder import INDEX, NOTES, new_folder, refuse_other_files, write_sums
from tests.release.index import check_url, read_index, with_release
from tests.release.sbom import bill_of_materials
from tests.release.sources import Sources, read_sources


def main(arguments: list[str]) -> int:
    """Make the release. Return the exit code: 1 if it was refused, and nothing was written."""
    options = _parser().parse_args(arguments)
    try:
        _release(options)
    except (ReleaseRefusedError, SetUpError, RuntimeError) as problem:
        print(f"No release was made. {problem}", file=sys.stderr)
        return 1
    return 0


def _release(options: argparse.Namespace) -> None:
    folder: Path = options.to or options.root / "dist"
    url = check_url(options.url)
    sources = read_sources(options.root, options.tag or None)
    index = read_index(Path(options.index) if options.index else None, sources.version)
    refuse_other_files(folder)
    with new_folder(folder) as fresh:
        wheel = read_wheel(build_wheel(sources, fresh))
        runtime = sorted(wheels().glob("*.whl"))
        bill = bill_of_materials(wheel, runtime, sources.commit, sources.time)
        (fresh / f"login-{sources.version}.cdx.json").write_text(bill, encoding="utf-8")
        (fresh / INDEX).write_text(with_release(index, wheel, url), encoding="utf-8")
        (fresh / NOTES).write_text(_notes(sources, wheel.path), encoding="utf-8")
        write_sums(fresh)
    for path in sorted(folder.iterdir()):
        print(path)


def _notes(sources: Sources, wheel: Path) -> str:
    """Return the notes in Markdown: the lists and literals of HISTORY.rst are the same there."""
    return (
        f"# login {sources.version}\n\n{sources.notes}\n"
        f"Built from commit {sources.commit}. The SHA-256 of `{wheel.name}` is\n`{digest_of(wheel)}`.\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.release", description=__doc__)
    parser.add_argument("--url", required=True, help="the folder from which the wheel will be downloaded (https)")
    parser.add_argument("--index", help="the index.json that is public now, to which the release is added")
    parser.add_argument("--tag", help="the tag of this commit, if it has one already")
    parser.add_argument("--root", type=Path, default=ROOT, help="the clone (this one)")
    parser.add_argument("--to", type=Path, help="the folder to write (dist in the clone)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
