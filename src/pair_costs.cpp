// Assignment costs of all pairs of tracks and detections (icl_mesh/tracking/assignment.py).
#include "constants.hpp"
#include "kernels.hpp"
#include "measurement.hpp"

namespace {

constexpr int64_t EMBEDDING = INSTANCE_CHANNELS, PARTS = COLOR_PARTS;

ICL_INLINE double diagonal(const float* box) { return std::hypot(double(box[2]) - box[0], double(box[3]) - box[1]); }

// Distance of the moved centre from the other centre, in units of the larger box's diagonal, at most 1.
ICL_INLINE double image_distance(
    const float* center, const double* shift, double track_size, const float* other, double size) {
  const double x = center[0] + shift[0] - other[0], y = center[1] + shift[1] - other[1];
  const double share = std::sqrt(x * x + y * y) / std::max(std::max(track_size, size), 1.0);
  return share > 1.0 ? 1.0 : share;
}

ICL_INLINE float dot(const float* a, const float* b) {
  float sums[16] = {};
  for (int64_t i = 0; i < EMBEDDING; i += 16) {
    for (int j = 0; j < 16; ++j) sums[j] += a[i + j] * b[i + j];
  }
  float sum = 0;
  for (float one : sums) sum += one;
  return sum;
}

// Difference of colour, mean over the parts, times its reliability.
ICL_INLINE double color_cost(const PairSide& tracks, int64_t t, const PairSide& people, int64_t n, const PairRules& rules) {
  float total = 0, sum = 0;
  for (int64_t part = 0; part < PARTS; ++part) {
    const float* a = tracks.color + (t * PARTS + part) * 3;
    const float* b = people.color + (n * PARTS + part) * 3;
    const float weight = std::min(tracks.weight[t * PARTS + part], people.weight[n * PARTS + part]);
    float squares = 0;
    for (int i = 0; i < 3; ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
    total += weight;
    sum += weight * std::sqrt(squares);
  }
  const double difference = double(sum / std::max(total, 1e-9f)) / rules.color_range;
  const double reliable = std::min(1.0, total / (PARTS * rules.reliable_weight));
  return reliable * (difference > 1.0 ? 1.0 : difference);
}

}  // namespace

void pair_costs(const PairRules& rules, const double* mean, const double* covariance, const Lens& lens, double focal_x,
                double focal_y, const double* unseen, const PairSide& tracks, int64_t track_count,
                const PairSide& people, const bool* measured, int64_t people_count, double embedding_weight,
                double color_weight, double* cost, double* distance) {
  for (int64_t t = 0; t < track_count; ++t) {
    const float* pelvis = tracks.joints + 3 * JOINTS * t;
    const double* place = mean + 6 * t;
    const Point before = image_of(lens, pelvis, rules.nearest * pelvis[2]);
    const Point now = image_of(lens, place, rules.nearest * place[2]);
    const double moved[2] = {focal_x * (now.x - before.x), focal_y * (now.y - before.y)};
    const double size = diagonal(tracks.box + 4 * t), fresh = std::exp2(-unseen[t]);
    for (int64_t n = 0; n < people_count; ++n) {
      double position[3], error[9], solved[3], squared = 0;
      for (int i = 0; i < 3; ++i) position[i] = people.joints[3 * JOINTS * n + i];
      measurement_covariance(position, measured[n], rules.errors, error);
      for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j) error[3 * i + j] += covariance[36 * t + 6 * i + j];
        position[i] = solved[i] = position[i] - mean[6 * t + i];
      }
      Cholesky3(error).solve(solved);
      for (int i = 0; i < 3; ++i) squared += position[i] * solved[i];
      double sum = rules.space_weight * squared / rules.gate;
      sum += rules.image_weight * image_distance(
          tracks.center + 2 * t, moved, size, people.center + 2 * n, diagonal(people.box + 4 * n));
      const float alike = dot(tracks.embedding + EMBEDDING * t, people.embedding + EMBEDDING * n);
      sum += embedding_weight * fresh * ((1.0 - alike) / 2.0);
      sum += color_weight * color_cost(tracks, t, people, n, rules);
      cost[t * people_count + n] = sum;
      distance[t * people_count + n] = squared;
    }
  }
}
