// Bodies in metres in front of a camera, and boxes around them in its image.
#include <algorithm>
#include <limits>

#include "lens_placement.hpp"

namespace {

constexpr int64_t AT_ONCE = 64;

// Points [n, 3] of a body, AT_ONCE at most, in the camera frame -> the ends of their pixels (x0, y0, x1, y1). A few at
// a time: with a model that is known, projections are worked out side by side.
template <int64_t MODEL>
ICL_INLINE void widen(
    const Geometry& g, const Lens& lens, const float* const* points, int64_t count, double nearest, double* ends) {
  double px[2][AT_ONCE];
  for (int64_t i = 0; i < count; ++i) {
    const Point ray = image_of<MODEL>(lens, points[i], nearest);
    px[0][i] = g.fx * ray.x + g.cx;
    px[1][i] = g.fy * ray.y + g.cy;
  }
  for (int axis = 0; axis < 2; ++axis) {
    for (int64_t i = 0; i < count; ++i) {
      ends[axis] = std::min(ends[axis], px[axis][i]);
      ends[2 + axis] = std::max(ends[2 + axis], px[axis][i]);
    }
  }
}

}  // namespace

// Bodies by their weak-perspective cameras, through the lens where there is one. Joints outside the image have pixels
// as well.
void place(Job& job) {
  const Geometry g = job.geometry;
  const People& people = job.people;
  for (int64_t n = 0; n < job.count; ++n) {
    const float *joints = people.joints + 3 * JOINTS * n, *weak_camera = people.weak_camera + 3 * n;
    double root[3];
    root_of_weak(g, weak_camera, root);
    if (job.lens.model != PINHOLE) {
      double offsets[3 * JOINTS];
      for (int64_t i = 0; i < 3 * JOINTS; ++i) offsets[i] = static_cast<double>(joints[i]) - joints[i % 3];
      fit_root(g, job.lens, weak_camera, offsets, root);
    }
    people.depth[n] = root[2];
    double move[3];
    for (int axis = 0; axis < 3; ++axis) {
      move[axis] = root[axis] - joints[axis];
      people.translation[3 * n + axis] = static_cast<float>(move[axis]);
    }
    for (int64_t i = 0; i < JOINTS; ++i) {
      const int64_t at = n * JOINTS + i;
      double point[3];
      for (int axis = 0; axis < 3; ++axis) {
        point[axis] = joints[3 * i + axis] + move[axis];
        people.joints_m[3 * at + axis] = static_cast<float>(point[axis]);
      }
      const Point px = pixel(g, job.lens, point, root[2]), square = square_from_px(g, px);
      people.joints_px[2 * at] = static_cast<float>(px.x);
      people.joints_px[2 * at + 1] = static_cast<float>(px.y);
      people.joints_square[2 * at] = static_cast<float>(square.x);
      people.joints_square[2 * at + 1] = static_cast<float>(square.y);
      people.inside[at] = px.x >= -0.5 && px.x <= g.width - 0.5 && px.y >= -0.5 && px.y <= g.height - 0.5;
    }
  }
}

// Around placed [N, V, 3], m, of which some points are looked at -> boxes [N, 4]: x0 y0 x1 y1, px,
// clipped to the image's pixels.
void boxes_around(const Job& job, const Surface& surface) {
  constexpr double far = std::numeric_limits<double>::infinity();
  const Geometry& g = job.geometry;
  const double last[4] = {g.width - 1, g.height - 1, g.width - 1, g.height - 1};
  for (int64_t n = 0; n < job.count; ++n) {
    const float* own = surface.placed + 3 * n * surface.tables.vertices;
    const double nearest = g.nearest * job.people.depth[n];
    double ends[4] = {far, far, -far, -far};
    for (int64_t first = 0; first < surface.points; first += AT_ONCE) {
      const int64_t count = std::min(AT_ONCE, surface.points - first);
      const float* points[AT_ONCE];
      for (int64_t k = 0; k < count; ++k) points[k] = own + 3 * (surface.index ? surface.index[first + k] : first + k);
      if (job.lens.model == PINHOLE) widen<PINHOLE>(g, job.lens, points, count, nearest, ends);
      if (job.lens.model == BROWN) widen<BROWN>(g, job.lens, points, count, nearest, ends);
      if (job.lens.model == EQUIDISTANT) widen<EQUIDISTANT>(g, job.lens, points, count, nearest, ends);
    }
    for (int side = 0; side < 4; ++side) {
      surface.boxes[4 * n + side] = static_cast<float>(std::clamp(ends[side], 0.0, last[side]));
    }
  }
}
