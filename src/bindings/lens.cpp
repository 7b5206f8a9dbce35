#include "bindings.hpp"

#include <algorithm>

BoundLens::BoundLens(int64_t model, In<double, 12> coefficients, double valid_radius, In<double, -1> radii,
                     In<double, -1> distorted)
    : lens_{}, radii_(radii), distorted_(distorted) {
  require(model == BROWN || model == EQUIDISTANT, "model", "must be 1 (Brown) or 2 (equidistant)");
  require(radii.shape(0) >= 2, "radii", "must have 2 rows or more");
  require_rows(distorted, "distorted", radii.shape(0));
  lens_.model = model;
  std::copy_n(coefficients.data(), 12, lens_.k);
  lens_.valid_radius = valid_radius;
  lens_.radii = radii.data();
  lens_.distorted = distorted.data();
  lens_.rows = static_cast<int64_t>(radii.shape(0));
}

namespace {

template <typename Function>
void each(In<double, -1, 2> points, Out<double, -1, 2> results, Function function) {
  require_rows(results, "results", points.shape(0));
  for (size_t i = 0; i < points.shape(0); ++i) {
    const Point point = function({points.data()[2 * i], points.data()[2 * i + 1]});
    results.data()[2 * i] = point.x;
    results.data()[2 * i + 1] = point.y;
  }
}

void distort(const BoundLens& lens, In<double, -1, 2> points, Out<double, -1, 2> results) {
  each(points, results, [&lens](Point p) { return distorted(lens.get(), p); });
}

void undistort(const BoundLens& lens, In<double, -1, 2> points, Out<double, -1, 2> results) {
  each(points, results, [&lens](Point p) { return undistorted(lens.get(), p); });
}

}  // namespace

void bind_lens(nb::module_& module) {
  nb::class_<BoundLens> lens(module, "Lens");
  constructor<BoundLens, int64_t, In<double, 12>, double, In<double, -1>, In<double, -1>>(
      lens, {"model", "coefficients", "valid_radius", "radii", "distorted"});
  method(lens, "distort", &distort, {"points", "results"});
  method(lens, "undistort", &undistort, {"points", "results"});
}
