// Rotation matrices as quaternions and rotation vectors.
//
// SciPy first makes matrices exactly orthogonal, one SVD each, which for the joints of many people takes most of a
// millisecond; the network's are orthogonal to float32.
#include <algorithm>
#include <cmath>

#include "kernels.hpp"

void quaternions_and_rotvecs(const float* matrices, int64_t count, double* quaternions, double* vectors) {
  for (int64_t n = 0; n < count; ++n, matrices += 9, quaternions += 4, vectors += 3) {
    double m[9];
    std::copy(matrices, matrices + 9, m);
    // 4 q q^T is made of sums of the matrix's entries; the row with the largest diagonal is taken (Shepperd 1978).
    const double diagonal[4] = {m[0] - m[4] - m[8] + 1, m[4] - m[0] - m[8] + 1, m[8] - m[0] - m[4] + 1,
                                m[0] + m[4] + m[8] + 1};
    const double xy = m[1] + m[3], xz = m[2] + m[6], yz = m[5] + m[7];
    const double xw = m[7] - m[5], yw = m[2] - m[6], zw = m[3] - m[1];
    const double rows[4][4] = {
        {diagonal[0], xy, xz, xw}, {xy, diagonal[1], yz, yw}, {xz, yz, diagonal[2], zw}, {xw, yw, zw, diagonal[3]}};
    const double* row = rows[std::max_element(diagonal, diagonal + 4) - diagonal];
    const double length = std::sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2] + row[3] * row[3]);
    for (int i = 0; i < 4; ++i) quaternions[i] = row[i] / length;
    const double* q = quaternions;
    const double sine = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]);
    const double half = std::atan2(sine, std::abs(q[3]));
    // q and -q are one rotation: the one with w >= 0 turns by pi at most.
    const double scale = std::copysign(sine > 1e-12 ? 2 * half / sine : 2.0, q[3]);
    for (int i = 0; i < 3; ++i) vectors[i] = q[i] * scale;
  }
}
