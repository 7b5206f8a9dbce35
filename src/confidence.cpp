// Joint confidence: the joint heatmap at the projected joint, times the agreement of joint and centre embeddings there.
#include <algorithm>
#include <cmath>
#include <vector>

#include "people.hpp"

namespace {

// Channels of the embeddings and of all projector layers, which have no biases and ReLUs in between.
constexpr int64_t CHANNELS = INSTANCE_CHANNELS, LAYERS = PROJECTOR_LAYERS;

// Columns that are summed together: 4 rows of them fill half of the registers (32 with AVX-512, else 16).
constexpr int64_t TOGETHER = LANES == 16 ? 4 : 2, GROUP = TOGETHER * LANES;
static_assert(CHANNELS % GROUP == 0, "columns come in whole groups");

// Cells to prefetch ahead: each channel of a cell is in another cache line.
constexpr size_t AHEAD = 3;

// Features [ROWS, 64] -> embeddings of unit length, in place; weights [3, 64 inputs, 64 outputs], null without
// projector. Several rows together, since the weights exceed the first-level cache.
template <int ROWS>
ICL_INLINE void embed(const float* weights, float* features) {
  float sums[ROWS * CHANNELS];
  for (int64_t layer = 0; weights && layer < LAYERS; ++layer, weights += CHANNELS * CHANNELS) {
    for (int64_t first = 0; first < CHANNELS; first += GROUP) {
      Lanes sum[ROWS][TOGETHER] = {};
      for (int64_t i = 0; i < CHANNELS; ++i) {
        for (int64_t part = 0; part < TOGETHER; ++part) {
          const Lanes column = lanes_at(weights + i * CHANNELS + first + part * LANES);
          for (int row = 0; row < ROWS; ++row) sum[row][part] += column * features[row * CHANNELS + i];
        }
      }
      for (int row = 0; row < ROWS; ++row) {
        for (int64_t part = 0; part < TOGETHER; ++part) {
          Lanes value = sum[row][part];
          if (layer + 1 < LAYERS) value = value < 0 ? Lanes{} : value;
          lanes_at(sums + row * CHANNELS + first + part * LANES) = value;
        }
      }
    }
    std::copy(sums, sums + ROWS * CHANNELS, features);
  }
  for (float* row = features; row < features + ROWS * CHANNELS; row += CHANNELS) {
    float square = 0;
    for (int64_t i = 0; i < CHANNELS; ++i) square += row[i] * row[i];
    const float length = std::max(std::sqrt(square), 1e-12f);
    for (int64_t i = 0; i < CHANNELS; ++i) row[i] /= length;
  }
}

ICL_INLINE void embed_all(const float* weights, float* features, int64_t rows) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) embed<4>(weights, features + row * CHANNELS);
  for (; row < rows; ++row) embed<1>(weights, features + row * CHANNELS);
}

ICL_INLINE float agreement(const float* first, const float* second) {
  Lanes products{};
  for (int64_t i = 0; i < CHANNELS; i += LANES) {
    products += lanes_at(first + i) * lanes_at(second + i);
  }
  float cosine = 0;
  for (int64_t lane = 0; lane < LANES; ++lane) cosine += products[lane];
  return std::clamp(cosine, 0.0f, 1.0f);  // NaN stays NaN
}

// The cells around a person's joint by falling heatmap value, and how many of them have been evaluated.
struct Around {
  float seen[9];
  int32_t cell[9];
  int count, next;
};

// The 3 x 3 cells of a map around a location in square coordinates, with replicated borders. False if a value is not
// finite.
ICL_INLINE bool look_around(const float* map, int64_t size, const float* square, Around& around) {
  int64_t center[2];
  for (int axis = 0; axis < 2; ++axis) {
    const float cell = std::floor((square[axis] + 1) / 2 * static_cast<float>(size));
    center[axis] = static_cast<int64_t>(std::clamp(cell, 0.0f, static_cast<float>(size - 1)));
  }
  around.count = around.next = 0;
  for (int64_t y = center[1] - 1; y <= center[1] + 1; ++y) {
    for (int64_t x = center[0] - 1; x <= center[0] + 1; ++x) {
      const int64_t cell = std::clamp<int64_t>(y, 0, size - 1) * size + std::clamp<int64_t>(x, 0, size - 1);
      if (!std::isfinite(map[cell])) return false;
      int place = around.count++;
      for (; place > 0 && around.seen[place - 1] < map[cell]; --place) {
        around.seen[place] = around.seen[place - 1];
        around.cell[place] = around.cell[place - 1];
      }
      around.seen[place] = map[cell];
      around.cell[place] = static_cast<int32_t>(cell);
    }
  }
  return true;
}

}  // namespace

// P_C of the centres' features, normalised to unit length.
void embed_centers(Job& job) {
  const People& people = job.people;
  std::copy(people.center_instance, people.center_instance + job.count * CHANNELS, people.embedding);
  embed_all(job.model.center_projector, people.embedding, job.count);
}

void joint_confidence(Job& job) {
  const float *heatmaps = job.maps.joint_heatmaps, *instance = job.maps.joint_instance;
  const float *weights = job.model.joint_projector, *embeddings = job.people.embedding;
  const float* square = job.people.joints_square;
  const bool* inside = job.people.inside;
  float* confidence = job.people.confidence;
  const int64_t size = job.maps.side, joints = JOINTS, people = job.count;
  const int64_t cells = size * size, all = people * joints;
  std::vector<Around> around(all);
  std::vector<int64_t> open;
  for (int64_t at = 0; at < all; ++at) {
    confidence[at] = 0;
    if (!inside[at]) continue;
    if (look_around(heatmaps + at % joints * cells, size, square + 2 * at, around[at])) open.push_back(at);
    else confidence[at] = NAN;
  }
  // Each cell is projected once. Each round takes every joint's next cell by falling heatmap value. The agreement is at
  // most 1, so a cell below the joint's best product so far is skipped.
  std::vector<int32_t> row_of(cells, -1);
  std::vector<float> projected;
  int64_t rows = 0;
  std::vector<int32_t> fresh;
  while (!open.empty()) {
    const int64_t before = rows;
    fresh.clear();
    for (const int64_t at : open) {
      const int32_t cell = around[at].cell[around[at].next];
      if (row_of[cell] >= 0) continue;
      row_of[cell] = static_cast<int32_t>(rows++);
      fresh.push_back(cell);
    }
    projected.resize(rows * CHANNELS);
    float* feature = projected.data() + before * CHANNELS;
    for (size_t i = 0; i < fresh.size(); ++i) {
      const float *from = instance + fresh[i], *next = instance + fresh[std::min(i + AHEAD, fresh.size() - 1)];
      for (int64_t channel = 0; channel < CHANNELS; ++channel) {
        __builtin_prefetch(next + channel * cells);
        *feature++ = from[channel * cells];
      }
    }
    embed_all(weights, projected.data() + before * CHANNELS, rows - before);
    size_t kept = 0;
    for (const int64_t at : open) {
      Around& own = around[at];
      const float* cell = projected.data() + row_of[own.cell[own.next]] * CHANNELS;
      const float product = own.seen[own.next++] * agreement(cell, embeddings + at / joints * CHANNELS);
      if (!(product <= confidence[at])) confidence[at] = product;  // NaN is kept
      if (own.next < own.count && own.seen[own.next] > confidence[at]) open[kept++] = at;
    }
    open.resize(kept);
  }
  job.finite.confidence = all_finite(confidence, all);
}
