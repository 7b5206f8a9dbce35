// icl_mesh/placement.py: bodies in metres in front of a pinhole camera.
#include <algorithm>

#include "native.hpp"

namespace {

constexpr double MIN_DEPTH_RATIO = 0.2;  // icl_mesh.camera

}  // namespace

// Of a camera and of its image in the network's square; _Geometry of icl_mesh/placement.py.
struct Geometry {
  double fx, fy, cx, cy, width, height;         // pixels
  double square_fx, square_fy, square_px, square_py, focal;  // SquareCamera
  double scale[2], offset[2], size;             // Letterbox
};

// joints [N, J, 3] in the body frame, the root first, and weak cameras (s, tx, ty) [N, 3] -> translation [N, 3] of the
// bodies, depth [N] of their roots, joints in the camera frame [N, J, 3], their pixels [N, J, 2], the same in the
// square [N, J, 2], and which lie on the image [N, J].
ICL_EXPORT ICL_CLONES void icl_place(
    const Geometry* geometry, const float* joints, const float* weak, int64_t people, int64_t count, float* translation,
    double* depth, float* joints_m, float* joints_px, float* joints_square, uint8_t* inside) {
  const Geometry g = *geometry;
  for (int64_t n = 0; n < people; ++n, joints += 3 * count, weak += 3, translation += 3) {
    const double z = g.focal / weak[0];
    const double root[3] = {
        (weak[1] - g.square_px) * z / g.square_fx, (weak[2] - g.square_py) * z / g.square_fy, z};
    double move[3];
    for (int axis = 0; axis < 3; ++axis) {
      move[axis] = root[axis] - joints[axis];
      translation[axis] = static_cast<float>(move[axis]);
    }
    depth[n] = z;
    for (int64_t i = 0; i < count; ++i, joints_m += 3, joints_px += 2, joints_square += 2, ++inside) {
      double point[3];
      for (int axis = 0; axis < 3; ++axis) {
        point[axis] = joints[3 * i + axis] + move[axis];
        joints_m[axis] = static_cast<float>(point[axis]);
      }
      const double inverse = 1 / std::max(point[2], MIN_DEPTH_RATIO * z);
      const double px[2] = {g.fx * point[0] * inverse + g.cx, g.fy * point[1] * inverse + g.cy};
      for (int axis = 0; axis < 2; ++axis) {
        joints_px[axis] = static_cast<float>(px[axis]);
        joints_square[axis] =
            static_cast<float>(2 * ((px[axis] + 0.5) * g.scale[axis] + g.offset[axis]) / g.size - 1);
      }
      *inside = px[0] >= -0.5 && px[0] <= g.width - 0.5 && px[1] >= -0.5 && px[1] <= g.height - 0.5;
    }
  }
}
