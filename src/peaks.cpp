// icl_mesh/decoding.py: people at the peaks of the centre heatmap.
#include <algorithm>
#include <cmath>
#include <vector>

#include "native.hpp"
#include "rotation.hpp"

namespace {

constexpr int64_t REACH = 2;  // PEAK_WINDOW is 5: so many cells to each side
constexpr int64_t JOINTS = 24, REGRESSED = 22, BETAS = 10, SMPL = 6 * REGRESSED + BETAS;
constexpr float MAX_LOG_SCALE = 80;
constexpr double SCALE_BASE = 1.1;

// A cell that reaches the threshold and is the largest of its neighbourhood; equal neighbours are all peaks.
ICL_INLINE bool is_peak(const float* map, int64_t height, int64_t width, int64_t y, int64_t x) {
  const float score = map[y * width + x];
  for (int64_t row = std::max<int64_t>(y - REACH, 0); row <= std::min(y + REACH, height - 1); ++row) {
    for (int64_t column = std::max<int64_t>(x - REACH, 0); column <= std::min(x + REACH, width - 1); ++column) {
      if (map[row * width + column] > score) return false;
    }
  }
  return true;
}

ICL_INLINE bool all_finite(const float* values, int64_t count) {
  int32_t broken = 0;
  for (int64_t i = 0; i < count; ++i) broken |= not_finite(values[i]);
  return !broken;
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

// find_peaks and what is read there. heatmaps [B, H, W], camera [B, 3, H, W], instance [B, C, H, W] -> count [1], the
// number N of peaks, by image and then by falling score, `most` per image at most; image [N], cell (x, y) [N, 2], score
// [N], weak camera (s, tx, ty) [N, 3], center_instance [N, C], which have room for B * most. finite [3]: whether
// heatmaps, and what was read of camera and instance, are.
ICL_EXPORT ICL_CLONES void icl_read_people(
    const float* heatmaps, const float* camera, const float* instance, int64_t images, int64_t height, int64_t width,
    int64_t channels, float threshold, int64_t most, int64_t* count, int64_t* image, int64_t* cell, float* score,
    float* weak, float* center_instance, uint8_t* finite) {
  const int64_t cells = height * width;
  std::vector<int64_t> peaks;
  int64_t found = 0;
  finite[0] = all_finite(heatmaps, images * cells);
  finite[1] = finite[2] = 1;
  for (int64_t i = 0; i < images; ++i) {
    const float* map = heatmaps + i * cells;
    peaks.clear();
    for (int64_t at = 0; at < cells; ++at) {
      if (map[at] >= threshold && is_peak(map, height, width, at / width, at % width)) peaks.push_back(at);
    }
    std::stable_sort(peaks.begin(), peaks.end(), [map](int64_t a, int64_t b) { return map[a] > map[b]; });
    for (int64_t k = 0; k < std::min<int64_t>(peaks.size(), most); ++k, ++found) {
      const int64_t at = peaks[k];
      image[found] = i;
      cell[2 * found] = at % width;
      cell[2 * found + 1] = at / width;
      score[found] = map[at];
      float* own = weak + 3 * found;
      for (int64_t c = 0; c < 3; ++c) own[c] = camera[(i * 3 + c) * cells + at];
      finite[1] &= all_finite(own, 3);
      const float log_scale = std::clamp(own[0], -MAX_LOG_SCALE, MAX_LOG_SCALE);
      own[0] = static_cast<float>(std::pow(SCALE_BASE, static_cast<double>(log_scale)));
      float* features = center_instance + channels * found;
      for (int64_t c = 0; c < channels; ++c) features[c] = instance[(i * channels + c) * cells + at];
      finite[2] &= all_finite(features, channels);
    }
  }
  *count = found;
}

// smpl [N, 142] of people as icl_read_people lists them -> rotations [N, 24, 3, 3], the hands' identity; betas
// [N, 10]; repeats [N]: not 0 for who is an earlier one of the same image found again: within `cells` of it, with a
// scale that differs by the factor exp(log_ratio) at most, and rotations by `degrees` on average. finite [2]: whether
// smpl and the rotations are.
ICL_EXPORT ICL_CLONES void icl_read_bodies(
    const float* smpl, const int64_t* image, const int64_t* cell, const float* weak, int64_t people, float cells,
    float log_ratio, float degrees, float* rotations, float* betas, uint8_t* repeats, uint8_t* finite) {
  finite[0] = all_finite(smpl, people * SMPL);
  for (int64_t n = 0; n < people; ++n, smpl += SMPL) {
    float* turns = rotations + 9 * JOINTS * n;
    for (int64_t joint = 0; joint < REGRESSED; ++joint) matrix_from_6d(smpl + 6 * joint, turns + 9 * joint);
    for (int64_t i = 9 * REGRESSED; i < 9 * JOINTS; ++i) turns[i] = i % 9 % 4 == 0;
    std::copy(smpl + 6 * REGRESSED, smpl + SMPL, betas + BETAS * n);
    repeats[n] = 0;
    for (int64_t better = 0; better < n && !repeats[n]; ++better) {
      if (image[better] != image[n]) continue;
      const int64_t dx = cell[2 * n] - cell[2 * better], dy = cell[2 * n + 1] - cell[2 * better + 1];
      if (static_cast<float>(dx * dx + dy * dy) > cells * cells) continue;
      if (!(std::abs(std::log(weak[3 * n]) - std::log(weak[3 * better])) <= log_ratio)) continue;
      repeats[n] = mean_angle(rotations + 9 * JOINTS * better, turns) <= degrees;
    }
  }
  finite[1] = all_finite(rotations, people * 9 * JOINTS);
}
