// The network's camera (s, tx, ty), as icl_mesh.geometry.camera.project_from_weak has it.
#pragma once

#include <algorithm>

#include "people.hpp"

// Projects points that are measured from the root, m, into the square. With z0 = focal / s the root's depth, a pinhole
// has a point (X, Y, Z) at p + (s X + t - p) / (1 + Z / z0).
template <typename Number>
struct WeakPerspective {
  Number scale, shift[2], center[2], inverse_focal, nearest;

  __attribute__((always_inline)) WeakPerspective(const Geometry& g, const float* weak_camera)
      : scale(weak_camera[0]),
        shift{weak_camera[1], weak_camera[2]},
        center{static_cast<Number>(g.square_px), static_cast<Number>(g.square_py)},
        inverse_focal(static_cast<Number>(1 / g.focal)),
        nearest(static_cast<Number>(g.nearest)) {}

  // point [3] -> square [2]; returns the point's depth in shares of the root's.
  __attribute__((always_inline)) Number project(const Number* point, Number* square) const {
    const Number depth = std::max(1 + point[2] * scale * inverse_focal, nearest);
    for (int axis = 0; axis < 2; ++axis) {
      square[axis] = center[axis] + (scale * point[axis] + shift[axis] - center[axis]) / depth;
    }
    return depth;
  }
};

// The root [3], m, of a body with the weak-perspective camera [3]: z = focal / s, on the ray of its image.
ICL_INLINE void root_of_weak(const Geometry& g, const float* weak_camera, double* root) {
  root[2] = g.focal / weak_camera[0];
  root[0] = (weak_camera[1] - g.square_px) * root[2] / g.square_fx;
  root[1] = (weak_camera[2] - g.square_py) * root[2] / g.square_fy;
}
