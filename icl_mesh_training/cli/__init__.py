"""The command `icl-mesh-train`."""
