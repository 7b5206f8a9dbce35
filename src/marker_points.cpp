// Corners of triangles as points of a visualization_msgs/Marker: 3 doubles each, unaligned.
#include <algorithm>
#include <cstring>

#include "kernels.hpp"

namespace {

// Each compiles to single instructions for loading, converting and storing.
typedef float Floats __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(32)));

}  // namespace

void marker_points(
    const float* vertices, int64_t vertex_count, const int64_t* corners, int64_t corner_count, unsigned char* points) {
  const int64_t last = vertex_count - 1;
  for (int64_t i = 0; i < corner_count; ++i) {
    const int64_t corner = std::max<int64_t>(0, std::min(corners[i], last));
    const float* vertex = vertices + 3 * corner;
    // A fourth number is read (of the next vertex) and written (overwritten by the next point).
    if (corner != last && i + 1 < corner_count) {
      Floats four;
      std::memcpy(&four, vertex, sizeof four);
      const Doubles wide = __builtin_convertvector(four, Doubles);
      std::memcpy(points + 24 * i, &wide, sizeof wide);
    } else {
      const double point[3] = {vertex[0], vertex[1], vertex[2]};
      std::memcpy(points + 24 * i, point, sizeof point);
    }
  }
}
