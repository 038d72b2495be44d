"""The sign-in service: applications (MSAL), its HTTP client, its errors, its tenants, and the tokens of users."""
