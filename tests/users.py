"""The user names of the local cloud; `tests/localcloud/seed.py` has what each user can do."""

from __future__ import annotations

ALICE = "alice@contoso.example"
BOB = "bob@fabrikam.example"
CAROL = "carol@tailspin.example"
DAVE = "dave@contoso.example"
ERIN = "erin@outlook.example"
MIA = "mia@woodgrove.example"
NINA = "nina@contoso.example"
OSCAR = "oscar@tailspin.example"
#: In a cloud with generated tenants only.
MAX = "max@generated.example"
#: In Azure Stack, which has a directory of its own.
ADAM, EVE = "adam@azurestack.example", "eve@azurestack.example"
