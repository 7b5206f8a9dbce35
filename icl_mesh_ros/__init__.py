"""The ROS 2 adapter of icl_mesh: nodes, conversions, markers.

Imports nothing heavy on purpose: the generated messages live in this package too, and a program
that only wants ``icl_mesh_ros.msg`` must not load PyTorch.
"""

import pkgutil

# A source checkout has no messages: find them in the built workspace, if one is sourced.
__path__ = pkgutil.extend_path(__path__, __name__)
