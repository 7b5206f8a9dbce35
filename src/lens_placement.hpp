// Places a body that is seen through a lens. The network's scale and shift describe the distorted image, whose scale
// varies over the image. The root minimises the distance between the joints projected through the lens and those by
// scale and shift (least squares, the network's 2-D loss).
#pragma once

#include "people.hpp"
#include "weak_perspective.hpp"

// A point of a body in the camera frame [3] as a pixel.
ICL_INLINE Point pixel(const Geometry& g, const Lens& lens, const double* point, double root_depth) {
  const Point ray = image_of(lens, point, g.nearest * root_depth);
  return {g.fx * ray.x + g.cx, g.fy * ray.y + g.cy};
}

// Solves matrix [3, 3] x = right [3] by Cramer's rule; false for a singular matrix.
ICL_INLINE bool solve3(const double* m, const double* right, double* x) {
  const double minor[3] = {m[4] * m[8] - m[5] * m[7], m[5] * m[6] - m[3] * m[8], m[3] * m[7] - m[4] * m[6]};
  const double determinant = m[0] * minor[0] + m[1] * minor[1] + m[2] * minor[2];
  const double inverse[9] = {minor[0], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
                             minor[1], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
                             minor[2], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3]};
  bool found = true;
  for (int i = 0; i < 3; ++i) {
    x[i] = (inverse[3 * i] * right[0] + inverse[3 * i + 1] * right[1] + inverse[3 * i + 2] * right[2]) / determinant;
    found &= std::isfinite(x[i]);
  }
  return found;
}

// A body under its weak-perspective camera: joints [24] in the square, and their derivative by (log s, tx, ty).
// The last two are equal: 1 / depth.
struct Described {
  Point joints[JOINTS], by_scale[JOINTS];
  double by_shift[JOINTS];
};

ICL_INLINE void describe(const Geometry& g, const float* weak_camera, const double* offsets, Described& described) {
  const WeakPerspective<double> camera(g, weak_camera);
  const double aspect_x = g.square_fx / g.focal, aspect_y = g.square_fy / g.focal;
  for (int64_t i = 0; i < JOINTS; ++i) {
    // Pixels need not be square.
    const double offset[3] = {aspect_x * offsets[3 * i], aspect_y * offsets[3 * i + 1], offsets[3 * i + 2]};
    double square[2];
    const double depth = camera.project(offset, square), sinking = depth > g.nearest ? depth - 1 : 0;
    const Point apart{square[0] - g.square_px, square[1] - g.square_py};
    described.joints[i] = {square[0], square[1]};
    described.by_scale[i] = {(weak_camera[0] * offset[0] - sinking * apart.x) / depth,
                             (weak_camera[0] * offset[1] - sinking * apart.y) / depth};
    described.by_shift[i] = 1 / depth;
  }
}

// The gradient [3] of the squared image distance at a root [3].
ICL_INLINE void imbalance(
    const Geometry& g, const Lens& lens, const Described& described, const double* offsets, const double* root,
    double* result) {
  result[0] = result[1] = result[2] = 0;
  for (int64_t i = 0; i < JOINTS; ++i) {
    const double point[3] = {root[0] + offsets[3 * i], root[1] + offsets[3 * i + 1], root[2] + offsets[3 * i + 2]};
    const Point seen = square_from_px(g, pixel(g, lens, point, root[2])), wanted = described.joints[i];
    const double dx = wanted.x - seen.x, dy = wanted.y - seen.y;
    result[0] += described.by_scale[i].x * dx + described.by_scale[i].y * dy;
    result[1] += described.by_shift[i] * dx;
    result[2] += described.by_shift[i] * dy;
  }
}

// The root that brings joints nearest to their rays: linear least squares. pinhole [3] is used if all rays coincide.
ICL_INLINE void root_from_rays(const Point* rays, const double* offsets, const double* pinhole, double* root) {
  constexpr double RIDGE = 1e-8;
  double normal[9] = {RIDGE, 0, 0, 0, RIDGE, 0, 0, 0, RIDGE};
  double right[3] = {RIDGE * pinhole[0], RIDGE * pinhole[1], RIDGE * pinhole[2]};
  for (int64_t i = 0; i < JOINTS; ++i) {
    const double x = rays[i].x, y = rays[i].y, *offset = offsets + 3 * i;
    const double a = x * offset[2] - offset[0], b = y * offset[2] - offset[1];
    normal[0] += 1, normal[4] += 1, normal[8] += x * x + y * y;
    normal[2] -= x, normal[5] -= y;
    right[0] += a, right[1] += b, right[2] -= x * a + y * b;
  }
  normal[6] = normal[2], normal[7] = normal[5];
  if (!solve3(normal, right, root)) std::copy(pinhole, pinhole + 3, root);
  root[2] = std::max(root[2], 0.1 * pinhole[2]);  // never behind the camera
}

// offsets [24, 3]: joints from the root, m. root [3]: in, without the lens; out, with it.
ICL_INLINE void fit_root(
    const Geometry& g, const Lens& lens, const float* weak_camera, const double* offsets, double* root) {
  constexpr int STEPS = 8;
  constexpr double CONVERGED = 1e-3, DIFFERENCE = 1e-5, SMALL = 1e-10;
  Described described;
  describe(g, weak_camera, offsets, described);
  Point rays[JOINTS];
  for (int64_t i = 0; i < JOINTS; ++i) {
    const Point px = px_from_square(g, described.joints[i]);
    rays[i] = undistorted(lens, {(px.x - g.cx) / g.fx, (px.y - g.cy) / g.fy});
  }
  double first[3], size = 0;
  root_from_rays(rays, offsets, root, first);
  std::copy(first, first + 3, root);
  for (int step = 0; step < STEPS; ++step) {
    double slope[9], here[3], move[3], apart = DIFFERENCE * root[2];
    for (int axis = 0; axis < 3; ++axis) {
      double ahead[3], behind[3], moved[3] = {root[0], root[1], root[2]};
      moved[axis] = root[axis] + apart;
      imbalance(g, lens, described, offsets, moved, ahead);
      moved[axis] = root[axis] - apart;
      imbalance(g, lens, described, offsets, moved, behind);
      for (int i = 0; i < 3; ++i) slope[3 * i + axis] = (behind[i] - ahead[i]) / (2 * apart);
    }
    imbalance(g, lens, described, offsets, root, here);
    // A body that no longer moves in the image (far outside it) has no step rather than no answer.
    if (!solve3(slope, here, move)) move[0] = move[1] = move[2] = 0;
    size = std::sqrt(move[0] * move[0] + move[1] * move[1] + move[2] * move[2]);
    // A step never halves or doubles the distance.
    const double share = std::max(size / (0.5 * root[2]), 1.0), old_depth = root[2];
    for (int axis = 0; axis < 3; ++axis) root[axis] += move[axis] / share;
    if (size < SMALL * old_depth) break;
  }
  if (!(size < CONVERGED * root[2])) std::copy(first, first + 3, root);
}
