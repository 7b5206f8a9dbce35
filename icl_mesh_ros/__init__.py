"""The ROS 2 adapter of icl_mesh: nodes, conversions, markers.

It imports nothing heavy: a program that only needs the generated messages (``icl_mesh_ros.msg``)
must not load PyTorch.
"""

import pkgutil

# A source checkout has no messages: they are found in the built workspace that is sourced.
__path__ = pkgutil.extend_path(__path__, __name__)
