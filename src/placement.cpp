// icl_mesh/placement.py: bodies in metres in front of a pinhole camera.
#include <algorithm>

#include "people.hpp"

// Bodies by their weak cameras. Joints outside the image have pixels as well.
ICL_CLONES void place(Job& job) {
  const Geometry g = job.geometry;
  const People& people = job.people;
  const float *joints = people.joints, *weak = people.weak;
  float *translation = people.translation, *joints_m = people.joints_m, *joints_px = people.joints_px;
  float* joints_square = people.joints_square;
  uint8_t* inside = people.inside;
  for (int64_t n = 0; n < job.count; ++n, joints += 3 * JOINTS, weak += 3, translation += 3) {
    const double z = g.focal / weak[0];
    const double root[3] = {
        (weak[1] - g.square_px) * z / g.square_fx, (weak[2] - g.square_py) * z / g.square_fy, z};
    double move[3];
    for (int axis = 0; axis < 3; ++axis) {
      move[axis] = root[axis] - joints[axis];
      translation[axis] = static_cast<float>(move[axis]);
    }
    people.depth[n] = z;
    for (int64_t i = 0; i < JOINTS; ++i, joints_m += 3, joints_px += 2, joints_square += 2, ++inside) {
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
