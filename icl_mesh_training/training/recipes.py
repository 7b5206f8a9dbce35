"""Find recipes by name, in a checkout or an installation."""

from __future__ import annotations

from pathlib import Path

#: Relative to a parent folder of this package: in a checkout; installed by pip or colcon.
_FOLDERS = ("config/training", "share/icl_mesh_ros/config/training")


def find_recipe(recipe: str | Path) -> Path:
    """A YAML file, or a shipped recipe by its name ("finetune") -> its path.

    Raises FileNotFoundError naming the shipped recipes.
    """
    path = Path(recipe)
    if path.is_file() or path.suffix:
        return path
    folders = [
        parent / folder
        for parent in Path(__file__).resolve().parents
        for folder in _FOLDERS
        if (parent / folder).is_dir()
    ]
    for folder in folders:
        if (folder / f"{recipe}.yaml").is_file():
            return folder / f"{recipe}.yaml"
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    raise FileNotFoundError(
        f"no recipe '{recipe}'; shipped are {', '.join(known) or 'none in this installation'}, or "
        f"name a .yaml file"
    )
