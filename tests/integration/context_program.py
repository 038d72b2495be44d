"""A program that starts `az` and prints which user and subscription it got: as Terraform and the like do.

python context_program.py
"""

from __future__ import annotations

import json
import subprocess

if __name__ == "__main__":
    command = ["az", "account", "get-access-token", "--output", "json"]
    token = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(json.dumps({"token": token["accessToken"], "subscription": token["subscription"]}))
