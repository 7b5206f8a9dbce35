// What it costs to take a detection for a track, for all pairs: icl_mesh/assignment.py says what the parts mean.
#include "lens.hpp"
#include "measurement.hpp"

namespace {

constexpr int EMBEDDING = 64, PARTS = 3, JOINTS = 24;

// Constants of icl_mesh/assignment.py and motion.py, in the order that it packs them.
struct Settings {
  Errors errors;
  double gate, space_weight, image_weight, color_range, reliable_weight, nearest;
};

// T tracks or N detections, float32. joints [., 24, 3], m: the pelvis is the first; center [., 2] and box [., 4]
// px; embedding [., 64]; color [., 3, 3], L*a*b*, and weight [., 3] of the parts of the body.
struct Side {
  const float *joints, *center, *box, *embedding, *color, *weight;
};

ICL_INLINE double diagonal(const float* box) { return std::hypot(double(box[2]) - box[0], double(box[3]) - box[1]); }

// |centre, moved by so much, - other centre| in units of the larger box's diagonal, at most 1.
ICL_INLINE double image_distance(
    const float* center, const double* shift, double track_size, const float* other, double size) {
  const double x = center[0] + shift[0] - other[0], y = center[1] + shift[1] - other[1];
  const double share = std::sqrt(x * x + y * y) / std::max(std::max(track_size, size), 1.0);
  return share > 1.0 ? 1.0 : share;
}

ICL_INLINE float dot(const float* a, const float* b) {
  float sums[16] = {};
  for (int i = 0; i < EMBEDDING; i += 16) {
    for (int j = 0; j < 16; ++j) sums[j] += a[i + j] * b[i + j];
  }
  float sum = 0;
  for (float one : sums) sum += one;
  return sum;
}

// Difference of colour, mean over the parts, times how much it can be relied on.
ICL_INLINE double color_cost(const Side& tracks, int64_t t, const Side& people, int64_t n, const Settings& settings) {
  float total = 0, sum = 0;
  for (int part = 0; part < PARTS; ++part) {
    const float* a = tracks.color + (t * PARTS + part) * 3;
    const float* b = people.color + (n * PARTS + part) * 3;
    const float weight = std::min(tracks.weight[t * PARTS + part], people.weight[n * PARTS + part]);
    float squares = 0;
    for (int i = 0; i < 3; ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
    total += weight;
    sum += weight * std::sqrt(squares);
  }
  const double difference = double(sum / std::max(total, 1e-9f)) / settings.color_range;
  const double reliable = std::min(1.0, total / (PARTS * settings.reliable_weight));
  return reliable * (difference > 1.0 ? 1.0 : difference);
}

}  // namespace

// cost [T, N], and squared Mahalanobis distance [T, N]. mean [T, 6], covariance [T, 6, 6]: the tracks' filters.
// lens and focal lengths, px: the people's camera. unseen [T]: half-lives since a track was seen.
// measured bool [N]: whose distance a depth image gave.
ICL_EXPORT ICL_CLONES void icl_pair_costs(
    const double* mean,
    const double* covariance,
    const Lens* lens,
    double focal_x,
    double focal_y,
    const double* unseen,
    const Side* tracks,
    int64_t track_count,
    const Side* people,
    const uint8_t* measured,
    int64_t people_count,
    const Settings* settings,
    double embedding_weight,
    double color_weight,
    double* cost,
    double* distance) {
  for (int64_t t = 0; t < track_count; ++t) {
    const float* pelvis = tracks->joints + 3 * JOINTS * t;
    const double* place = mean + 6 * t;
    const Point before = image_of(*lens, pelvis, settings->nearest * pelvis[2]);
    const Point now = image_of(*lens, place, settings->nearest * place[2]);
    const double moved[2] = {focal_x * (now.x - before.x), focal_y * (now.y - before.y)};
    const double size = diagonal(tracks->box + 4 * t), fresh = std::exp2(-unseen[t]);
    for (int64_t n = 0; n < people_count; ++n) {
      double position[3], error[9], solved[3], squared = 0;
      for (int i = 0; i < 3; ++i) position[i] = people->joints[3 * JOINTS * n + i];
      measurement_covariance(position, measured[n] != 0, settings->errors, error);
      for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j) error[3 * i + j] += covariance[36 * t + 6 * i + j];
        position[i] = solved[i] = position[i] - mean[6 * t + i];
      }
      Cholesky3(error).solve(solved);
      for (int i = 0; i < 3; ++i) squared += position[i] * solved[i];
      double sum = settings->space_weight * squared / settings->gate;
      sum += settings->image_weight * image_distance(
          tracks->center + 2 * t, moved, size, people->center + 2 * n, diagonal(people->box + 4 * n));
      const float alike = dot(tracks->embedding + EMBEDDING * t, people->embedding + EMBEDDING * n);
      sum += embedding_weight * fresh * ((1.0 - alike) / 2.0);
      sum += color_weight * color_cost(*tracks, t, *people, n, *settings);
      cost[t * people_count + n] = sum;
      distance[t * people_count + n] = squared;
    }
  }
}
