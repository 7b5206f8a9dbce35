"""What launch files check and share; needs no node."""
