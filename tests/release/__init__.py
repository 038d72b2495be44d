"""`make release`: what people download, built from the committed sources and nothing else."""
