"""The subscription and tenant store. No MSAL and no command line in here."""
