"""Everything it takes to run the real thing in a test: `az`, the wheel, a cloud, a user."""
