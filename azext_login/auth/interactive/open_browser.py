"""Opening a web browser, the way the host does it on each system."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping

# The only browser on Linux that meets a tenant's condition of a managed device, so MSAL prefers it as well.
# Only the system's administrator can write to the full path.
_EDGE_ON_LINUX = "/usr/bin/microsoft-edge"


def open_browser(address: str, *, environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Open `address` in the user's browser, and tell whether that seemed to work.

    `BROWSER` in the environment decides first (Python's `webbrowser`).
    """
    from azure.cli.core.util import is_wsl, open_page_in_browser

    try:
        if is_wsl():
            # The host calls PowerShell, because the Linux part rarely has a browser.
            open_page_in_browser(address)
            return True
        if platform == "linux" and "BROWSER" not in environ and os.path.exists(_EDGE_ON_LINUX):
            return webbrowser.BackgroundBrowser(_EDGE_ON_LINUX).open(address)
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
