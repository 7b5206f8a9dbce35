#include "bindings.hpp"
#include "kernels.hpp"

namespace {

void bound_letterbox(Strided<uint8_t, -1, -1, 3> image, Out<float, 1, 3, -1, -1> planes, int64_t inner_width,
                     int64_t inner_height, int64_t left, int64_t top, In<float, 3, 3> tones) {
  const int64_t height = image.shape(0), width = image.shape(1), size = planes.shape(2);
  const int64_t row = image.stride(0), pixel = image.stride(1), channel = image.stride(2);
  require(height > 0 && width > 0, "image", "must have pixels");
  const bool side_by_side = (width == 1 || pixel == 3) && (channel == 1 || channel == -1);
  require(side_by_side, "image", "must have strides of 3 bytes by pixel and 1 or -1 by channel, got " +
          std::to_string(pixel) + " and " + std::to_string(channel));
  require(static_cast<int64_t>(planes.shape(3)) == size, "planes", "must be square");
  require(inner_width > 0 && left >= 0 && left + inner_width <= size, "inner_width", "must lie in the square");
  require(inner_height > 0 && top >= 0 && top + inner_height <= size, "inner_height", "must lie in the square");
  // A view of BGR begins at its first pixel's last byte.
  const bool backwards = channel < 0;
  letterbox(image.data() - (backwards ? 2 : 0), row, width, height, backwards, planes.data(), size, inner_width,
            inner_height, left, top, tones.data());
}

}  // namespace

nb::list supported_levels() {
  nb::list levels;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (v4) levels.append("v4");
  if (v3) levels.append("v3");
#endif
  levels.append("baseline");
  return levels;
}

void bind_image(nb::module_& module) {
  define(module, "letterbox", &bound_letterbox,
         {"image", "planes", "inner_width", "inner_height", "left", "top", "tones"});
}
