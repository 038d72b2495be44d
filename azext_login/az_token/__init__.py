"""The program `az-token`: an access token without starting `az`, in the formats of `az account export-token`."""
