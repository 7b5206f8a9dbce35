// Constant-velocity Kalman filters of people: icl_mesh/motion.py says what they mean. Per track: mean [6] = position
// (m) and velocity (m/s), covariance [6, 6].
#include "measurement.hpp"

// Where T people are `seconds` after mean [T, 6] and covariance [T, 6, 6]: both are written to the new ones.
// acceleration: m/s^2, of the white noise.
ICL_EXPORT void icl_predict_motion(
    const double* mean,
    const double* covariance,
    int64_t tracks,
    double seconds,
    double acceleration,
    double* new_mean,
    double* new_covariance) {
  const double push[2] = {seconds * seconds / 2 * acceleration, seconds * acceleration};
  for (int64_t t = 0; t < tracks; ++t) {
    const double *m = mean + 6 * t, *p = covariance + 36 * t;
    double *n = new_mean + 6 * t, *q = new_covariance + 36 * t;
    for (int i = 0; i < 3; ++i) {
      n[i] = m[i] + seconds * m[3 + i];
      n[3 + i] = m[3 + i];
    }
    // F P F^T for F = [[1, seconds], [0, 1]] times the identity: rows, then columns.
    for (int i = 0; i < 36; ++i) q[i] = i < 18 ? p[i] + seconds * p[18 + i] : p[i];
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 3; ++j) q[6 * i + j] += seconds * q[6 * i + 3 + j];
    }
    for (int i = 0; i < 6; ++i) {
      for (int half = 0; half < 2; ++half) q[6 * i + 3 * half + i % 3] += push[i / 3] * push[half];
    }
  }
}

// Takes in the position that was measured of each of T people: joints [T, 24, 3], m, of which the first is the
// pelvis; measured bool [T]: whose distance a depth image gave. New means and covariances as above.
ICL_EXPORT void icl_correct_motion(
    const double* mean,
    const double* covariance,
    const float* joints,
    const uint8_t* measured,
    int64_t tracks,
    const Errors* errors,
    double* new_mean,
    double* new_covariance) {
  for (int64_t t = 0; t < tracks; ++t) {
    const double *m = mean + 6 * t, *p = covariance + 36 * t;
    double *n = new_mean + 6 * t, *q = new_covariance + 36 * t;
    double error[9], innovation[9];
    measurement_covariance(m, measured[t] != 0, *errors, error);
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) innovation[3 * i + j] = p[6 * i + j] + error[3 * i + j];
    }
    // K = P H^T S^-1, from S K^T = H P, row by row of K [6, 3]: H picks the position, P is symmetric.
    const Cholesky3 factor(innovation);
    double gain[6][3];
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 3; ++j) gain[i][j] = p[6 * j + i];
      factor.solve(gain[i]);
    }
    for (int i = 0; i < 6; ++i) {
      n[i] = m[i];
      for (int j = 0; j < 3; ++j) n[i] += gain[i][j] * (joints[72 * t + j] - m[j]);
    }
    // Joseph's form, (1 - K H) P (1 - K H)^T + K R K^T: stays symmetric.
    double kept[36];
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 6; ++j) {
        kept[6 * i + j] = p[6 * i + j];
        for (int k = 0; k < 3; ++k) kept[6 * i + j] -= gain[i][k] * p[6 * k + j];
      }
    }
    for (int i = 0; i < 6; ++i) {
      double left[3];  // K R - (1 - K H) P H^T
      for (int k = 0; k < 3; ++k) {
        left[k] = -kept[6 * i + k];
        for (int l = 0; l < 3; ++l) left[k] += gain[i][l] * error[3 * l + k];
      }
      for (int j = 0; j < 6; ++j) {
        q[6 * i + j] = kept[6 * i + j];
        for (int k = 0; k < 3; ++k) q[6 * i + j] += left[k] * gain[j][k];
      }
    }
  }
}
