"""Public data sets in their published layouts, as training samples (docs/datasets.md).

catalogue: the table of data sets. images: their samples. mixture: several as one. check, cli:
checks of files and labels. No imports here: the command line starts without torch.
"""
