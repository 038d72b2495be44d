"""Opening a web browser, the way the host does it on each system."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping

# The only browser on Linux that answers a tenant's demand for a managed device, so MSAL prefers it as well.
# The full path belongs to the system's administrator.
_EDGE_ON_LINUX = "/usr/bin/microsoft-edge"


def open_browser(address: str, *, environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Open `address` in the person's browser and tell whether that seemed to work.

    `BROWSER` in the environment decides first (Python's `webbrowser`).
    """
    from azure.cli.core.util import is_wsl, open_page_in_browser

    try:
        if is_wsl():
            # The host calls PowerShell, because a browser inside the Linux part is rarely there.
            open_page_in_browser(address)
            return True
        if platform == "linux" and "BROWSER" not in environ and os.path.exists(_EDGE_ON_LINUX):
            return webbrowser.BackgroundBrowser(_EDGE_ON_LINUX).open(address)
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
