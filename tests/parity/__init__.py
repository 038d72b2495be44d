"""Every command line twice, with the built-in commands and with ours, and what differs.

`python -m tests.parity --help` runs all of them. `cases` has the command lines, `states` what they start from,
`differences` where we differ on purpose.
"""
