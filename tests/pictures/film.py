"""Run `az` on a pseudo-terminal, play a scene there, and make a picture of what the terminal shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.harness.az import Az
from tests.harness.browser_user import AddressTaker
from tests.harness.environments import ROOT
from tests.harness.screen import Screen
from tests.localcloud import LocalCloud
from tests.pictures.camera import cells_of
from tests.pictures.scenes import Scene, Studio
from tests.pictures.svg import svg_of

# What differs from run to run, and what stands for it: ports, and the values that MSAL makes up for each sign-in
# (RFC 6749, 10.12; RFC 7636, 4.2; OpenID Connect Core, 3.1.2.1). The spinner is somewhere in its turn.
_STABLE = (
    (r"https://localhost:\d+", "https://login.localcloud.example"),
    (r"(redirect_uri=http%3A%2F%2Flocalhost%3A)\d+", r"\g<1>53682"),
    (r"([?&]state=)[^&\s]+", r"\g<1>qWvTzRkLbNsYpXcHdJmFgA"),
    (r"([?&]code_challenge=)[^&\s]+", r"\g<1>E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    (r"([?&]nonce=)[^&\s]+", r"\g<1>5d41402abc4b2a76b9719d911017c592ae2f1ce5d1f4b2c0a7b8e6f30914dd27"),
    (r"(\x1b\[K) [-\\|/] ", r"\g<1> - "),
)


def path_of(scene: Scene) -> Path:
    """Return where the picture of a scene is kept."""
    return ROOT / "docs" / "pictures" / f"{scene.name}.svg"


def film(scene: Scene, az: Az, cloud: LocalCloud, folder: Path) -> str:
    """Return the picture of a scene as SVG, the same in every run.

    az: signed out, with `cloud` active.
    cloud: one that the scene may change. It is reset before and after.
    folder: a new one, for the browser.
    """
    cloud.admin.reset()
    browser = AddressTaker(folder)
    # Whatever terminal the picture is drawn from, this is the one that it shows.
    environment = {"TERM": "xterm-256color", "BROWSER": browser.browser}
    terminal = az.pty(*scene.arguments, env=environment, size=scene.size)
    try:
        screen = Screen(terminal)
        scene.play(Studio(screen, cloud, browser))
        said = screen.said
    finally:
        cloud.admin.reset()
        terminal.close(force=True)
    for pattern, stable in _STABLE:
        said = re.sub(pattern, stable, said)
    # The quotation marks of the documentation, which the Windows command prompt knows as well.
    command = shlex.join(("az", *scene.arguments)).replace("'", '"')
    cells = cells_of(f"\x1b[1m$ {command}\x1b[0m\r\n{said}", *scene.size, shows_cursor=scene.shows_cursor)
    return svg_of(cells, name=scene.name, title=command, description=scene.description)
