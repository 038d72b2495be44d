"""Everything that a test or a demonstration needs to run the real thing: `az`, the wheel, a cloud, a person."""
