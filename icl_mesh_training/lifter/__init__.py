"""Training of the lifter."""
