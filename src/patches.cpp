// Cuts patches around people's cells out of the maps (icl_mesh/network/patches.py).
#include "constants.hpp"
#include "kernels.hpp"

#include <algorithm>
#include <cstring>

namespace {

// Along a patch: cell i's stem reads the features 2 i - 1 to 2 i + 1.
constexpr int64_t REACH = SMPL_REACH, CELLS = 2 * REACH + 1, FEATURES = 2 * CELLS + 1;

// Overlap of a patch of this length from `first` on with a map's side: `size` cells from `from` of the map and `to` of
// the patch; 0 without overlap.
struct Overlap {
  int64_t from, to, size;
  Overlap(int64_t first, int64_t length, int64_t side) {
    from = std::max<int64_t>(first, 0);
    to = from - first;
    size = std::max<int64_t>(std::min(first + length, side) - from, 0);
  }
};

// maps [C, h, w] -> patch [C, 11, 11]. A patch of zeros, or one that is overwritten as a whole.
void cut_cells(const float* maps, int64_t channels, int64_t height, int64_t width, Overlap y, Overlap x, float* patch) {
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* from = maps + (channel * height + y.from) * width + x.from;
    float* to = patch + (channel * CELLS + y.to) * CELLS + x.to;
    if (x.size == CELLS) {  // a constant size: a few instructions instead of a call
      for (int64_t row = 0; row < y.size; ++row)
        std::memcpy(to + row * CELLS, from + row * width, CELLS * sizeof(float));
    } else {
      for (int64_t row = 0; row < y.size; ++row) std::copy_n(from + row * width, x.size, to + row * CELLS);
    }
  }
}

void clear(float* numbers, int64_t count) { std::fill_n(numbers, count, 0.0f); }

}  // namespace

void cut_patches(const PatchMaps& maps, int64_t people, const int64_t* image, const int64_t* cell, const Patches& patches) {
  constexpr int64_t patch = CELLS * CELLS;
  const int64_t height = maps.height, width = maps.width, joints = maps.joints, instance = maps.instance;
  const int64_t depth = maps.depth, map = height * width;
  for (int64_t n = 0; n < people; ++n) {
    const Overlap x(cell[2 * n] - REACH, CELLS, width), y(cell[2 * n + 1] - REACH, CELLS, height);
    float* center = patches.center_hints + n * (1 + instance) * patch, *joint = patches.joint_hints + n * (joints + instance) * patch;
    float* here = patches.inside + n * patch;
    if (x.size * y.size < patch) {
      clear(center, (1 + instance) * patch);
      clear(joint, (joints + instance) * patch);
      clear(here, patch);
    }
    for (int64_t row = 0; row < y.size; ++row) std::fill_n(here + (y.to + row) * CELLS + x.to, x.size, 1.0f);
    const int64_t picture = image[n];
    cut_cells(maps.center_heatmap + picture * map, 1, height, width, y, x, center);
    cut_cells(maps.center_instance + picture * instance * map, instance, height, width, y, x, center + patch);
    cut_cells(maps.joint_heatmaps + picture * joints * map, joints, height, width, y, x, joint);
    cut_cells(maps.joint_instance + picture * instance * map, instance, height, width, y, x, joint + joints * patch);

    const Overlap far_x(2 * (cell[2 * n] - REACH) - 1, FEATURES, 2 * width);
    const Overlap far_y(2 * (cell[2 * n + 1] - REACH) - 1, FEATURES, 2 * height);
    float* to = patches.near + n * FEATURES * FEATURES * depth;
    const float* from = maps.features + picture * 4 * map * depth;
    for (int64_t row = 0; row < FEATURES; ++row, to += FEATURES * depth) {
      if (row < far_y.to || row >= far_y.to + far_y.size) {
        clear(to, FEATURES * depth);
        continue;
      }
      const int64_t place = (far_y.from + row - far_y.to) * 2 * width + far_x.from;
      clear(to, far_x.to * depth);
      std::copy_n(from + place * depth, far_x.size * depth, to + far_x.to * depth);
      clear(to + (far_x.to + far_x.size) * depth, (FEATURES - far_x.to - far_x.size) * depth);
    }
  }
}
