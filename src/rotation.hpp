// The 6-D representation of rotations (Zhou et al. 2019), as in icl_mesh/geometry/rotation.py.
#pragma once

#include <cmath>

#include "simd.hpp"

// The first two columns [6] of a matrix, of any length, to the rotation matrix [3, 3], by Gram-Schmidt.
ICL_INLINE void matrix_from_6d(const float* six, float* matrix) {
  float x[3], y[3], along = 0, length = 0;
  for (int i = 0; i < 3; ++i) length += six[i] * six[i];
  for (int i = 0; i < 3; ++i) x[i] = six[i] / std::sqrt(length);
  for (int i = 0; i < 3; ++i) along += x[i] * six[3 + i];
  length = 0;
  for (int i = 0; i < 3; ++i) y[i] = six[3 + i] - along * x[i], length += y[i] * y[i];
  for (int i = 0; i < 3; ++i) y[i] /= std::sqrt(length);
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    matrix[3 * i] = x[i];
    matrix[3 * i + 1] = y[i];
    matrix[3 * i + 2] = x[j] * y[k] - x[k] * y[j];
  }
}
