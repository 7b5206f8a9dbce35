"""`python -m icl_mesh` is the command `icl-mesh`."""

from icl_mesh.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
