// Lens distortion as in icl_mesh/geometry/lens.py and OpenCV: normalised coordinates (x / z, y / z) forwards and back.
#pragma once

#include <algorithm>
#include <cmath>

#include "simd.hpp"

enum LensModel : int64_t { PINHOLE = 0, BROWN = 1, EQUIDISTANT = 2 };  // BROWN: plumb_bob, rational_polynomial

struct Lens {
  int64_t model;
  double k[12];               // BROWN: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4; EQUIDISTANT: k1 k2 k3 k4
  double valid_radius;
  const double *radii, *distorted;  // [rows]: icl_mesh.geometry.lens._radial_table
  int64_t rows;
};

struct Point {
  double x, y;
};

ICL_INLINE double length(Point p) { return std::sqrt(p.x * p.x + p.y * p.y); }

// Far outside, points are scaled in proportion.
template <int64_t MODEL>
ICL_INLINE Point distorted(const Lens& lens, Point p) {
  if (MODEL == PINHOLE) return p;
  const double* k = lens.k;
  const double beyond = std::max(length(p) / lens.valid_radius, 1.0), x = p.x / beyond, y = p.y / beyond;
  const double r2 = x * x + y * y;
  if (MODEL == EQUIDISTANT) {
    const double radius = std::sqrt(r2), angle = std::atan(radius), a2 = angle * angle;
    const double bent = angle * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))));
    const double factor = (radius > 1e-8 ? bent / std::max(radius, 1e-8) : 1.0) * beyond;
    return {x * factor, y * factor};
  }
  const double factor =
      (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))) / (1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7])));
  const double dx = 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x) + r2 * (k[8] + k[9] * r2);
  const double dy = k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y + r2 * (k[10] + k[11] * r2);
  return {(x * factor + dx) * beyond, (y * factor + dy) * beyond};
}

ICL_INLINE Point distorted(const Lens& lens, Point p) {
  return lens.model == EQUIDISTANT ? distorted<EQUIDISTANT>(lens, p) : distorted<BROWN>(lens, p);
}

// The image of a point [3] in the camera frame; its depth is clamped to at least `nearest`
// (icl_mesh.geometry.camera.project_bodies).
template <int64_t MODEL, typename Number>
ICL_INLINE Point image_of(const Lens& lens, const Number* point, double nearest) {
  const double inverse = 1 / std::max(static_cast<double>(point[2]), nearest);
  return distorted<MODEL>(lens, {point[0] * inverse, point[1] * inverse});
}

template <typename Number>
ICL_INLINE Point image_of(const Lens& lens, const Number* point, double nearest) {
  if (lens.model == PINHOLE) return image_of<PINHOLE>(lens, point, nearest);
  return lens.model == BROWN ? image_of<BROWN>(lens, point, nearest) : image_of<EQUIDISTANT>(lens, point, nearest);
}

// The inverse, by Newton's method from the mean over all directions; not for PINHOLE.
ICL_INLINE Point undistorted(const Lens& lens, Point p) {
  constexpr int STEPS = 8;
  constexpr double STEP = 1e-6, SMALL = 1e-13;
  const double last = lens.distorted[lens.rows - 1], radius = length(p);
  const double beyond = std::max(radius / last, 1.0), wanted = radius / beyond;
  const double* above = std::upper_bound(lens.distorted, lens.distorted + lens.rows, wanted);
  const int64_t row = std::clamp<int64_t>(above - lens.distorted, 1, lens.rows - 1);
  const double from = lens.distorted[row - 1], share = (wanted - from) / (lens.distorted[row] - from);
  const double start = lens.radii[row - 1] + std::clamp(share, 0.0, 1.0) * (lens.radii[row] - lens.radii[row - 1]);
  const double scale = start * beyond / std::max(radius, 1e-12);
  Point guess{p.x * scale, p.y * scale};
  for (int i = 0; i < STEPS; ++i) {
    const double step = STEP * std::max(1.0, length(guess));
    const Point right = distorted(lens, {guess.x + step, guess.y}), left = distorted(lens, {guess.x - step, guess.y});
    const Point up = distorted(lens, {guess.x, guess.y + step}), down = distorted(lens, {guess.x, guess.y - step});
    const double xx = (right.x - left.x) / (2 * step), yx = (right.y - left.y) / (2 * step);
    const double xy = (up.x - down.x) / (2 * step), yy = (up.y - down.y) / (2 * step);
    const Point here = distorted(lens, guess);
    const double dx = p.x - here.x, dy = p.y - here.y, determinant = xx * yy - xy * yx;
    const Point move{(yy * dx - xy * dy) / determinant, (xx * dy - yx * dx) / determinant};
    guess.x += move.x;
    guess.y += move.y;
    if (length(move) < SMALL) break;
  }
  return guess;
}
