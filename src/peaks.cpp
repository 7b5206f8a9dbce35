// People at the peaks of the centre heatmap.
#include <algorithm>
#include <cmath>
#include <vector>

#include "people.hpp"
#include "rotation.hpp"

namespace {

constexpr int64_t REGRESSED = ROTATIONS, SMPL = 6 * REGRESSED + BETAS;
constexpr int64_t INSTANCE = INSTANCE_CHANNELS;

// A cell that reaches the threshold and is the largest of its neighbourhood; equal neighbours are all peaks.
ICL_INLINE bool is_peak(const float* map, int64_t height, int64_t width, int64_t reach, int64_t y, int64_t x) {
  const float score = map[y * width + x];
  for (int64_t row = std::max<int64_t>(y - reach, 0); row <= std::min(y + reach, height - 1); ++row) {
    for (int64_t column = std::max<int64_t>(x - reach, 0); column <= std::min(x + reach, width - 1); ++column) {
      if (map[row * width + column] > score) return false;
    }
  }
  return true;
}

// Mean over the regressed joints of the angle between two people's rotations, degrees.
ICL_INLINE float mean_angle(const float* first, const float* second) {
  float sum = 0;
  for (int64_t joint = 0; joint < REGRESSED; ++joint) {
    float trace = 0;
    for (int64_t i = 9 * joint; i < 9 * joint + 9; ++i) trace += first[i] * second[i];
    sum += std::acos(std::clamp((trace - 1) / 2, -1.0f, 1.0f));
  }
  return sum / REGRESSED * 57.29577951f;
}

}  // namespace

// find_peaks and what is read there, by falling score.
void read_people(Job& job) {
  const Maps& maps = job.maps;
  const People& people = job.people;
  const int64_t side = maps.side, cells = side * side, reach = job.rules.peak_window / 2;
  const float *map = maps.center_heatmap, threshold = static_cast<float>(job.rules.threshold);
  job.finite.center_heatmap = all_finite(map, cells);
  std::vector<int64_t> peaks;
  for (int64_t at = 0; at < cells; ++at) {
    if (map[at] >= threshold && is_peak(map, side, side, reach, at / side, at % side)) peaks.push_back(at);
  }
  std::stable_sort(peaks.begin(), peaks.end(), [map](int64_t a, int64_t b) { return map[a] > map[b]; });
  job.count = std::min<int64_t>(peaks.size(), job.rules.most);
  for (int64_t n = 0; n < job.count; ++n) {
    const int64_t at = peaks[n];
    people.image[n] = 0;
    people.cell[2 * n] = at % side;
    people.cell[2 * n + 1] = at / side;
    people.score[n] = map[at];
    float* weak_camera = people.weak_camera + 3 * n;
    for (int64_t c = 0; c < CAMERA_CHANNELS; ++c) weak_camera[c] = maps.camera[c * cells + at];
    job.finite.camera &= all_finite(weak_camera, CAMERA_CHANNELS);
    const double most = job.rules.max_log_scale;
    const double log_scale = std::clamp(static_cast<double>(weak_camera[0]), -most, most);
    weak_camera[0] = static_cast<float>(std::pow(job.rules.scale_base, log_scale));
    float* features = people.center_instance + INSTANCE * n;
    for (int64_t c = 0; c < INSTANCE; ++c) features[c] = maps.center_instance[c * cells + at];
    job.finite.center_instance &= all_finite(features, INSTANCE);
  }
}

// duplicate: the person lies within a few cells of one with a higher score, at nearly the same scale, with rotations
// that differ by a few degrees on average. The hands' rotations are identity.
void read_bodies(Job& job) {
  const People& people = job.people;
  const Rules& rules = job.rules;
  job.finite.smpl = all_finite(people.smpl, job.count * SMPL);
  for (int64_t n = 0; n < job.count; ++n) {
    const float *smpl = people.smpl + SMPL * n, *weak_camera = people.weak_camera;
    float* rotations = people.rotations + 9 * JOINTS * n;
    for (int64_t joint = 0; joint < REGRESSED; ++joint) matrix_from_6d(smpl + 6 * joint, rotations + 9 * joint);
    for (int64_t i = 9 * REGRESSED; i < 9 * JOINTS; ++i) rotations[i] = i % 9 % 4 == 0;
    std::copy(smpl + 6 * REGRESSED, smpl + SMPL, people.betas + BETAS * n);
    people.duplicate[n] = 0;
    for (int64_t better = 0; better < n && !people.duplicate[n]; ++better) {
      const int64_t *mine = people.cell + 2 * n, *other = people.cell + 2 * better;
      const int64_t dx = mine[0] - other[0], dy = mine[1] - other[1];
      if (static_cast<double>(dx * dx + dy * dy) > rules.duplicate_cells * rules.duplicate_cells) continue;
      const float log_ratio = std::log(weak_camera[3 * n]) - std::log(weak_camera[3 * better]);
      if (!(std::abs(log_ratio) <= rules.duplicate_log_ratio)) continue;
      people.duplicate[n] = mean_angle(people.rotations + 9 * JOINTS * better, rotations) <= rules.duplicate_degrees;
    }
  }
  job.finite.rotations = all_finite(people.rotations, job.count * 9 * JOINTS);
}
