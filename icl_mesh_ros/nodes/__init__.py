"""The nodes and what starts and ends them."""
