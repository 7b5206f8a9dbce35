#include "bindings.hpp"
#include "kernels.hpp"

namespace {

void bound_rotations(In<float, -1, 3, 3> matrices, Out<double, -1, 4> quaternions, Out<double, -1, 3> rotvecs) {
  require_rows(quaternions, "quaternions", matrices.shape(0));
  require_rows(rotvecs, "rotvecs", matrices.shape(0));
  quaternions_and_rotvecs(matrices.data(), matrices.shape(0), quaternions.data(), rotvecs.data());
}

void bound_marker_points(In<float, -1, 3> vertices, In<int64_t, -1> corners, Out<uint8_t, -1> points) {
  require(vertices.shape(0) > 0, "vertices", "must not be empty");
  require(points.shape(0) >= 24 * corners.shape(0), "points", "must have 24 bytes for each corner");
  marker_points(vertices.data(), vertices.shape(0), corners.data(), corners.shape(0), points.data());
}

}  // namespace

void bind_messages(nb::module_& module) {
  define(module, "quaternions_and_rotvecs", &bound_rotations, {"matrices", "quaternions", "rotvecs"});
  define(module, "marker_points", &bound_marker_points, {"vertices", "corners", "points"});
}
