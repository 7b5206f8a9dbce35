// Normal equations of a person's keypoint fit: a prior's precision and the few rows of a Jacobian; their damped solution
// by Cholesky's factor.
#pragma once

#include <algorithm>
#include <cmath>

#include "constants.hpp"
#include "simd.hpp"

// A person's unknowns: rotations [22, 3], log scale, x and y of the camera, betas [10].
constexpr int64_t TURNED = 3 * ROTATIONS, UNKNOWNS = TURNED + CAMERA_CHANNELS + BETAS;
// Rows are filled up with zeros, so that every level of CPU takes them in whole lanes.
constexpr int64_t WIDE = (UNKNOWNS + 15) / 16 * 16, MOST_ROWS = 2 * KEYPOINTS;
// As many rows of a matrix are worked on at once: a register that is loaded serves all of them.
constexpr int64_t TOGETHER = 4;
static_assert(WIDE % LANES == 0 && WIDE % TOGETHER == 0 && LANES % TOGETHER == 0, "");

// (P + J^T J + damping * diagonal) x = g. precision: P [WIDE, WIDE], whose last rows are those of the identity.
struct NormalEquations {
  const float* precision;
  int64_t count = 0;             // rows of the Jacobian
  float rows[MOST_ROWS * WIDE];  // J, weighted
  float upper[WIDE * WIDE];      // U of U^T U, zeros below its diagonal
  float inverse[WIDE];           // of U's diagonal

  float* add_row() {
    float* row = rows + WIDE * count++;
    std::fill_n(row, WIDE, 0.0f);
    return row;
  }

  // False where the matrix is not positive definite, or not finite.
  bool factor(float damping) {
    float diagonal[WIDE];
    for (int64_t i = 0; i < WIDE; ++i) diagonal[i] = precision[i * (WIDE + 1)];
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t i = 0; i < WIDE; ++i) diagonal[i] += rows[k * WIDE + i] * rows[k * WIDE + i];
    }
    for (int64_t row = 0; row < WIDE; row += TOGETHER) {
      int64_t column = row / LANES * LANES;
      for (; column + 2 * LANES <= WIDE; column += 2 * LANES) remainder<2>(row, column);
      if (column < WIDE) remainder<1>(row, column);
      for (int64_t i = row; i < row + TOGETHER; ++i) {
        float* own = upper + i * WIDE;
        for (int64_t m = row; m < i; ++m) {
          const float* above = upper + m * WIDE;
          const float factor = above[i];
          for (int64_t j = row / LANES * LANES; j < WIDE; ++j) own[j] -= factor * above[j];
        }
        // Damping alone leaves a thousandth of the diagonal or more: what is far less is rounding.
        const float pivot = own[i] + damping * diagonal[i];
        if (!(pivot > 1e-5f * diagonal[i]) || not_finite(pivot)) return false;
        const float inverted = 1 / std::sqrt(pivot);
        inverse[i] = inverted;
        own[i] = pivot;
        std::fill(own, own + i, 0.0f);
        for (int64_t j = row / LANES * LANES; j < WIDE; ++j) own[j] *= inverted;
      }
    }
    return true;
  }

  // x [WIDE] := the inverse times x.
  void solve(float* x) const {
    for (int64_t i = 0; i < WIDE; ++i) {
      const float own = x[i] * inverse[i], *row = upper + i * WIDE;
      for (int64_t j = i / LANES * LANES; j < WIDE; ++j) x[j] -= own * row[j];
      x[i] = own;
    }
    float solved[WIDE] = {};
    for (int64_t i = WIDE - 1; i >= 0; --i) {
      Lanes sum{};
      for (int64_t j = i / LANES * LANES; j < WIDE; j += LANES) {
        sum += lanes_at(upper + i * WIDE + j) * lanes_at(solved + j);
      }
      float dot = 0;
      for (int64_t lane = 0; lane < LANES; ++lane) dot += sum[lane];
      solved[i] = (x[i] - dot) * inverse[i];
    }
    std::copy_n(solved, WIDE, x);
  }

 private:
  // What is left of the matrix's rows, without damping, once U's rows above are subtracted: COLUMNS lanes of TOGETHER.
  template <int COLUMNS>
  __attribute__((always_inline)) void remainder(int64_t row, int64_t column) {
    Lanes sums[TOGETHER][COLUMNS];
    for (int64_t r = 0; r < TOGETHER; ++r) {
      for (int c = 0; c < COLUMNS; ++c) sums[r][c] = lanes_at(precision + (row + r) * WIDE + column + c * LANES);
    }
    for (int64_t k = 0; k < count; ++k) {
      const float* own = rows + k * WIDE;
      for (int64_t r = 0; r < TOGETHER; ++r) {
        for (int c = 0; c < COLUMNS; ++c) sums[r][c] += own[row + r] * lanes_at(own + column + c * LANES);
      }
    }
    for (int64_t m = 0; m < row; ++m) {
      const float* own = upper + m * WIDE;
      for (int64_t r = 0; r < TOGETHER; ++r) {
        for (int c = 0; c < COLUMNS; ++c) sums[r][c] -= own[row + r] * lanes_at(own + column + c * LANES);
      }
    }
    for (int64_t r = 0; r < TOGETHER; ++r) {
      for (int c = 0; c < COLUMNS; ++c) lanes_at(upper + (row + r) * WIDE + column + c * LANES) = sums[r][c];
    }
  }
};
