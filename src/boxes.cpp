// Boxes around bodies in a pinhole's image: the projection of Camera.project_bodies (icl_mesh/camera.py), of which
// only the ends are kept.
#include "people.hpp"

#include <algorithm>
#include <limits>

// Around placed [N, V, 3], m, of which some points are looked at -> boxes [N, 4]: x0 y0 x1 y1, px, clipped to the
// image's pixels.
void boxes_around(const Job& job, const Surface& surface) {
  const Geometry& g = job.geometry;
  constexpr double far = std::numeric_limits<double>::infinity();
  const double right = g.width - 1, bottom = g.height - 1;
  for (int64_t n = 0; n < job.count; ++n) {
    const double nearest = MIN_DEPTH_RATIO * job.people.depth[n];
    double x0 = far, y0 = far, x1 = -far, y1 = -far;
    for (int64_t k = 0; k < surface.points; ++k) {
      const float* point = surface.placed + 3 * (n * surface.tables.vertices + (surface.index ? surface.index[k] : k));
      const double inverse = 1 / std::max(static_cast<double>(point[2]), nearest);
      const double x = g.fx * point[0] * inverse + g.cx, y = g.fy * point[1] * inverse + g.cy;
      x0 = std::min(x0, x), x1 = std::max(x1, x);
      y0 = std::min(y0, y), y1 = std::max(y1, y);
    }
    const double box[4] = {x0, y0, x1, y1};
    for (int side = 0; side < 4; ++side)
      surface.boxes[4 * n + side] = static_cast<float>(std::clamp(box[side], 0.0, side % 2 ? bottom : right));
  }
}
