"""Numbers that the network, the body and the compiled kernels share.

The kernels' build reads the whole numbers from here (src/CMakeLists.txt): one assignment per line.
"""

#: SMPL's joints; of them the first ROTATIONS are regressed, the hands are not.
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
#: COCO's, which some backbones find.
KEYPOINTS = 17
#: So many cells on each side decide a cell's SMPL parameters, counted behind the branch's stem: one
#: for each 3x3 convolution between.
SMPL_REACH = 5
#: The scale channel is a logarithm to this base (method: "Camera").
SCALE_BASE = 1.1
