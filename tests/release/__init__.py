"""`make release`: what users download, built from the committed sources and nothing else."""
