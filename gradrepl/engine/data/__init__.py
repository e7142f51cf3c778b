"""Datasets, loaders and batches: what a DataLoader does, and the sample that breaks it."""
