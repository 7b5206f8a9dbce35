"""The command `icl-mesh`."""
