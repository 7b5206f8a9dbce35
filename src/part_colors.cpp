// Colours of people's clothes (icl_mesh/tracking/appearance.py).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "constants.hpp"
#include "kernels.hpp"
#include "simd.hpp"

namespace {

constexpr int NECK = 12, MOST = MOST_COLOR_POINTS;

// Cube root of a positive float: a third of the exponent, then two of Halley's steps.
ICL_INLINE float cube_root(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = bits / 3 + 709921077u;
  float y;
  std::memcpy(&y, &bits, 4);
  for (int step = 0; step < 2; ++step) {
    const float cube = y * y * y;
    y *= (cube + 2 * x) / (2 * cube + x);
  }
  return y;
}

// CIE 1976: cube root, and a line near black.
ICL_INLINE float curve(float t) {
  const float root = cube_root(std::max(t, 1e-6f)), line = 7.787f * t + 16.0f / 116.0f;
  return t > 0.008856f ? root : line;
}

// Light (sRGB's primaries, white D65) [3][count] -> L*a*b*, in place.
ICL_INLINE void to_lab(float (*planes)[MOST], int count) {
  for (int i = 0; i < count; ++i) {
    const float r = planes[0][i], g = planes[1][i], b = planes[2][i];
    const float x = (0.412453f * r + 0.357580f * g + 0.180423f * b) / 0.950456f;
    const float y = 0.212671f * r + 0.715160f * g + 0.072169f * b;
    const float z = (0.019334f * r + 0.119193f * g + 0.950227f * b) / 1.088754f;
    const float fx = curve(x), fy = curve(y), fz = curve(z);
    planes[0][i] = 116.0f * fy - 16.0f;
    planes[1][i] = 500.0f * (fx - fy);
    planes[2][i] = 200.0f * (fy - fz);
  }
}

// Pixel indices of a person's sample points, and their weights: joints [24, 2] px, confidence [24].
ICL_INLINE void find_points(
    int64_t width, int64_t height, const float* joints, const float* confidence, float least_weight, const ColorPlan& plan,
    int32_t* pixels, float* weight) {
  const double trunk = std::hypot(joints[2 * NECK] - joints[0], joints[2 * NECK + 1] - joints[1]);
  const double last_x = double(width - 1), last_y = double(height - 1);
  for (int64_t k = 0; k < plan.pair_count; ++k) {
    const int64_t a = plan.pairs[2 * k], b = plan.pairs[2 * k + 1];
    const double x = (joints[2 * a] + joints[2 * b]) / 2, y = (joints[2 * a + 1] + joints[2 * b + 1]) / 2;
    const float sure = std::min(confidence[a], confidence[b]) + least_weight;
    for (int64_t s = 0; s < plan.step_count; ++s, ++pixels, ++weight) {
      const double column = std::nearbyint(x + plan.grid[2 * s] * trunk);
      const double row = std::nearbyint(y + plan.grid[2 * s + 1] * trunk);
      const double inside_x = std::min(last_x, std::max(0.0, column));  // 0 for NaN
      const double inside_y = std::min(last_y, std::max(0.0, row));
      *pixels = int32_t(inside_y) * int32_t(width) + int32_t(inside_x);
      *weight = inside_x == column && inside_y == row ? sure : 0.0f;
    }
  }
}

// In lanes: the compiler may not reorder a plain floating-point sum.
ICL_INLINE float sum_of_products(const float* a, const float* b, int count) {
  float lanes[LANES] = {}, sum = 0;
  int i = 0;
  for (; i + LANES <= count; i += LANES) {
    for (int j = 0; j < LANES; ++j) lanes[j] += a[i + j] * b[i + j];
  }
  for (; i < count; ++i) sum += a[i] * b[i];
  for (float lane : lanes) sum += lane;
  return sum;
}

}  // namespace

void part_colors(
    const uint8_t* image,
    int64_t width,
    int64_t height,
    bool backwards,
    const float* joints,
    const float* confidence,
    int64_t people,
    const ColorPlan& plan,
    float least_weight,
    float* colors,
    float* seen) {
  float planes[3][MOST], weight[MOST], ones[MOST];
  int32_t pixels[MOST];
  std::fill(ones, ones + MOST, 1.0f);
  const int steps = int(plan.step_count), points = int(plan.pair_count) * steps;
  for (int64_t n = 0; n < people; ++n) {
    find_points(
        width, height, joints + 2 * JOINTS * n, confidence + JOINTS * n, least_weight, plan, pixels, weight);
    for (int i = 0; i < points; ++i) __builtin_prefetch(image + 3 * int64_t(pixels[i]));
    for (int i = 0; i < points; ++i) {
      const uint8_t* pixel = image + 3 * int64_t(pixels[i]);
      for (int c = 0; c < 3; ++c) planes[c][i] = plan.linear[pixel[backwards ? 2 - c : c]];
    }
    to_lab(planes, points);
    int at = 0;
    for (int64_t part = 0; part < plan.part_count; ++part, ++seen, colors += 3) {
      const int count = int(plan.lengths[part]) * steps;
      const float total = sum_of_products(weight + at, ones, count);
      for (int c = 0; c < 3; ++c) {
        colors[c] = sum_of_products(weight + at, planes[c] + at, count) / std::max(total, 1e-9f);
      }
      *seen = total / float(count);
      at += count;
    }
  }
}
