"""The ROS 2 adapter of icl_mesh: nodes, conversions, markers.

Free of imports on purpose: the generated messages live in this package too, and a program that
only wants ``icl_mesh_ros.msg`` must not load PyTorch.
"""
