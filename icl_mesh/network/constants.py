"""Numbers that the network, the body and the compiled kernels share.

The kernels' build reads the whole numbers from here (src/CMakeLists.txt): one assignment per line.
"""

#: SMPL's joints. The network regresses the rotations of the first ROTATIONS; hands stay at rest.
JOINTS = 24
ROTATIONS = 22
#: Shape coefficients.
BETAS = 10
#: Per cell: rotations as 6-D, then betas.
SMPL_CHANNELS = ROTATIONS * 6 + BETAS
#: Logarithm of the scale, x, y.
CAMERA_CHANNELS = 3
#: Of both instance maps and of the embeddings.
INSTANCE_CHANNELS = 64
#: Layers of a projector of instance features.
PROJECTOR_LAYERS = 3
#: COCO's keypoints, which some backbones detect.
KEYPOINTS = 17
#: Receptive field of the SMPL branch behind its stem, cells on each side: one per 3x3 convolution.
SMPL_REACH = 5
#: The scale channel is a logarithm to this base (method: "Camera").
SCALE_BASE = 1.1
