// The error of a measured pelvis, as icl_mesh.tracking.kalman.measurement_covariance has it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels.hpp"
#include "simd.hpp"

// Covariance [3, 3], m^2, of a position [3], m: long along the line of sight.
ICL_INLINE void measurement_covariance(const double* position, bool measured, const Errors& errors, double* result) {
  const double distance =
      std::sqrt(position[0] * position[0] + position[1] * position[1] + position[2] * position[2]);
  const double inverse = 1.0 / std::max(distance, 1e-9);
  const double along = std::max((measured ? errors.measured_depth : errors.depth) * distance, errors.least_m);
  const double across = std::max(errors.lateral * distance, errors.least_m);
  const double lateral = across * across, excess = along * along - lateral;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      result[3 * i + j] = (i == j ? lateral : 0.0) + position[i] * inverse * (position[j] * inverse) * excess;
    }
  }
}

// Cholesky's factor of a symmetric, positive definite matrix [3, 3]; solve() applies the inverse.
struct Cholesky3 {
  double l00, l10, l11, l20, l21, l22;  // diagonal inverted

  __attribute__((always_inline)) explicit Cholesky3(const double* a) {
    l00 = 1.0 / std::sqrt(a[0]);
    l10 = a[3] * l00;
    l20 = a[6] * l00;
    l11 = 1.0 / std::sqrt(a[4] - l10 * l10);
    l21 = (a[7] - l20 * l10) * l11;
    l22 = 1.0 / std::sqrt(a[8] - l20 * l20 - l21 * l21);
  }

  // x [3] := A^-1 x
  __attribute__((always_inline)) void solve(double* x) const {
    x[0] *= l00;
    x[1] = (x[1] - l10 * x[0]) * l11;
    x[2] = (x[2] - l20 * x[0] - l21 * x[1]) * l22;
    x[2] *= l22;
    x[1] = (x[1] - l21 * x[2]) * l11;
    x[0] = (x[0] - l10 * x[1] - l20 * x[2]) * l00;
  }
};
