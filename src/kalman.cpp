// Constant-velocity Kalman filters of people: icl_mesh/tracking/kalman.py says what they mean.
#include "constants.hpp"
#include "measurement.hpp"

void predict_motion(const double* mean, const double* covariance, int64_t tracks, double seconds, double acceleration,
                    double* new_mean, double* new_covariance) {
  const double push[2] = {seconds * seconds / 2 * acceleration, seconds * acceleration};
  for (int64_t t = 0; t < tracks; ++t) {
    const double *m = mean + 6 * t, *p = covariance + 36 * t;
    double *n = new_mean + 6 * t, *q = new_covariance + 36 * t;
    for (int i = 0; i < 6; ++i) n[i] = i < 3 ? m[i] + seconds * m[3 + i] : m[i];
    // F P F^T for F = [[1, seconds], [0, 1]] times the identity: rows, then columns.
    for (int i = 0; i < 36; ++i) q[i] = i < 18 ? p[i] + seconds * p[18 + i] : p[i];
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 3; ++j) q[6 * i + j] += seconds * q[6 * i + 3 + j];
      for (int half = 0; half < 2; ++half) q[6 * i + 3 * half + i % 3] += push[i / 3] * push[half];
    }
  }
}

void correct_motion(const Errors& errors, const double* mean, const double* covariance, const float* joints,
                    const bool* measured, int64_t tracks, double* new_mean, double* new_covariance) {
  for (int64_t t = 0; t < tracks; ++t) {
    const double *m = mean + 6 * t, *p = covariance + 36 * t;
    const float* pelvis = joints + 3 * JOINTS * t;
    double *n = new_mean + 6 * t, *q = new_covariance + 36 * t;
    // At the predicted position: errors are shares of the distance, and with those of the measured one the nearer of
    // two measurements would count for more.
    double error[9], innovation[9];
    measurement_covariance(m, measured[t], errors, error);
    for (int i = 0; i < 9; ++i) innovation[i] = p[6 * (i / 3) + i % 3] + error[i];
    // K = P H^T S^-1, from S K^T = H P, row by row of K [6, 3]: H picks the position, P is symmetric.
    const Cholesky3 factor(innovation);
    double gain[6][3], kept[36];
    for (int i = 0; i < 6; ++i) {
      for (int k = 0; k < 3; ++k) gain[i][k] = p[6 * k + i];
      factor.solve(gain[i]);
      n[i] = m[i];
      for (int k = 0; k < 3; ++k) n[i] += gain[i][k] * (pelvis[k] - m[k]);
      for (int j = 0; j < 6; ++j) {  // (1 - K H) P
        kept[6 * i + j] = p[6 * i + j];
        for (int k = 0; k < 3; ++k) kept[6 * i + j] -= gain[i][k] * p[6 * k + j];
      }
    }
    // Joseph's form, (1 - K H) P (1 - K H)^T + K R K^T: stays symmetric.
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
