// The best cells of heatmaps around the points of people's first poses.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "evidence.hpp"
#include "simd.hpp"

namespace {

// Lower bound of the Gaussian, so that far from all cells they are weighted equally.
constexpr float FAR = 1e-12f;

// e^x for x <= 0, with an error of a few ulps. Loops over it vectorise, unlike those over std::exp.
ICL_INLINE float exponential(float x) {
  x = std::max(x, -87.0f);
  const float whole = std::floor(x * 1.44269504f + 0.5f);
  const float rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float value = 1.9875691500e-4f;
  value = value * rest + 1.3981999507e-3f;
  value = value * rest + 8.3334519073e-3f;
  value = value * rest + 4.1665795894e-2f;
  value = value * rest + 1.6666665459e-1f;
  value = value * rest + 5.0000001201e-1f;
  value = value * rest * rest + rest + 1.0f;
  const int32_t exponent = (static_cast<int32_t>(whole) + 127) << 23;
  float power;
  std::memcpy(&power, &exponent, sizeof power);
  return value * power;
}

ICL_INLINE void gaussian(float center, float spread, int32_t side, float* weights) {
  for (int32_t i = 0; i < side; ++i) {
    const float apart = static_cast<float>(i) - center;
    weights[i] = std::max(exponential(-(apart * apart) / spread), FAR);
  }
}

struct Strided {
  int64_t of_kind, of_row, of_column;  // strides, in elements
  int64_t height, width, pool;
};

// The largest value of each pool x pool cells of one map of an image [h, w]; not 0 where a value is not finite.
ICL_INLINE int32_t pool_map(const float* map, const Strided& maps, float* coarse) {
  const int64_t w = maps.width / maps.pool;
  int32_t broken = 0;
  std::fill(coarse, coarse + maps.height / maps.pool * w, -INFINITY);
  for (int64_t row = 0; row < maps.height; ++row) {
    float* best = coarse + row / maps.pool * w;
    for (int64_t step = 0; step < maps.pool; ++step) {
      const float* from = map + row * maps.of_row + step * maps.of_column;
      for (int64_t x = 0; x < w; ++x) {
        const float value = from[x * maps.pool * maps.of_column];
        broken |= not_finite(value);
        best[x] = value > best[x] ? value : best[x];
      }
    }
  }
  return broken;
}

// The same for all channels-last maps together: coarse [K, h, w], broken [K]. Cache lines of cells are prefetched.
ICL_INLINE void pool_cells(const float* image, const Strided& maps, int64_t kinds, float* coarse, int32_t* broken) {
  constexpr int64_t AHEAD = 24;
  const int64_t h = maps.height / maps.pool, w = maps.width / maps.pool, cells = h * w;
  std::vector<float> most(kinds);
  for (int64_t cell = 0; cell < cells; ++cell) {
    std::fill(most.begin(), most.end(), -INFINITY);
    for (int64_t row = cell / w * maps.pool; row < (cell / w + 1) * maps.pool; ++row) {
      for (int64_t column = cell % w * maps.pool; column < (cell % w + 1) * maps.pool; ++column) {
        const float* from = image + row * maps.of_row + column * maps.of_column;
        __builtin_prefetch(from + AHEAD * maps.of_column);
        __builtin_prefetch(from + AHEAD * maps.of_column + kinds - 1);
        float* best = most.data();
        for (int64_t kind = 0; kind < kinds; ++kind) {
          broken[kind] |= not_finite(from[kind]);
          best[kind] = from[kind] > best[kind] ? from[kind] : best[kind];
        }
      }
    }
    for (int64_t kind = 0; kind < kinds; ++kind) coarse[kind * cells + cell] = most[kind];
  }
}

ICL_INLINE void pool_maps(const float* image, const Strided& maps, int64_t kinds, float* coarse, int32_t* broken) {
  std::fill(broken, broken + kinds, 0);
  if (maps.of_kind == 1) return pool_cells(image, maps, kinds, coarse, broken);
  const int64_t cells = maps.height / maps.pool * (maps.width / maps.pool);
  for (int64_t kind = 0; kind < kinds; ++kind) {
    broken[kind] = pool_map(image + kind * maps.of_kind, maps, coarse + kind * cells);
  }
}

// The (x, y) of the first maximum of coarse * near_x * near_y.
ICL_INLINE void best_cell(
    const float* coarse, const float* near_x, const float* near_y, int64_t w, int64_t h, int64_t* x,
    int64_t* y) {
  // Per lane: the maximum so far, and its first row.
  Lanes best = Lanes{} - INFINITY, best_row{};
  float rest = -INFINITY, rest_row = 0;  // of the columns after the last full vector
  for (int64_t row = 0; row < h; ++row) {
    const float* cells = coarse + row * w;
    Lanes largest = Lanes{} - INFINITY;
    int64_t i = 0;
    for (; i + LANES <= w; i += LANES) {
      const Lanes value = lanes_at(cells + i) * lanes_at(near_x + i);
      largest = value > largest ? value : largest;
    }
    largest *= near_y[row];
    const Lanes this_row = Lanes{} + static_cast<float>(row);
    best_row = largest > best ? this_row : best_row;
    best = largest > best ? largest : best;
    for (; i < w; ++i) {
      const float value = cells[i] * near_x[i] * near_y[row];
      if (value > rest) rest = value, rest_row = static_cast<float>(row);
    }
  }
  for (int64_t lane = 0; lane < LANES; ++lane) {
    if (best[lane] > rest || (best[lane] == rest && best_row[lane] < rest_row)) {
      rest = best[lane], rest_row = best_row[lane];
    }
  }
  *y = static_cast<int64_t>(rest_row);
  const float* cells = coarse + *y * w;
  for (int64_t i = 1; i < w; ++i) {
    if (cells[i] * near_x[i] > cells[*x] * near_x[*x]) *x = i;
  }
}

// The first maximum of a block of the map.
ICL_INLINE void best_of_block(const float* map, const Strided& maps, int64_t* x, int64_t* y) {
  const int64_t first_x = *x * maps.pool, first_y = *y * maps.pool;
  float best = -INFINITY;
  for (int64_t row = first_y; row < first_y + maps.pool; ++row) {
    for (int64_t column = first_x; column < first_x + maps.pool; ++column) {
      const float value = map[row * maps.of_row + column * maps.of_column];
      if (value > best) best = value, *x = column, *y = row;
    }
  }
}

// The mean of the 3 x 3 cells around a cell, weighted by their values, in square coordinates; borders are replicated.
ICL_INLINE void mean_place(const float* map, const Strided& maps, int64_t x, int64_t y, float* place) {
  float total = 0, mean_x = 0, mean_y = 0;
  for (int64_t row = y - 1; row <= y + 1; ++row) {
    for (int64_t column = x - 1; column <= x + 1; ++column) {
      const int64_t at_y = std::clamp<int64_t>(row, 0, maps.height - 1);
      const int64_t at_x = std::clamp<int64_t>(column, 0, maps.width - 1);
      const float weight = map[at_y * maps.of_row + at_x * maps.of_column] + 1e-9f;
      total += weight;
      mean_x += weight * static_cast<float>(at_x);
      mean_y += weight * static_cast<float>(at_y);
    }
  }
  place[0] = (mean_x / total + 0.5f) / static_cast<float>(maps.width) * 2 - 1;
  place[1] = (mean_y / total + 0.5f) / static_cast<float>(maps.height) * 2 - 1;
}

}  // namespace

void search_heatmaps(
    const float* heatmaps, const int64_t* strides, int64_t kinds, int64_t height, int64_t width, int64_t search_cells,
    const int64_t* image, const float* points, int64_t point_step, const float* spread, int64_t people, float* located,
    float* score, int64_t place_step) {
  int64_t pool = std::max<int64_t>(1, width / search_cells);
  while (height % pool || width % pool) --pool;
  const Strided maps{strides[1], strides[2], strides[3], height, width, pool};
  const int64_t h = height / pool, w = width / pool;
  std::vector<float> room(kinds * h * w + h + w);
  std::vector<int32_t> broken(kinds);
  float *coarse = room.data(), *near_x = coarse + kinds * h * w, *near_y = near_x + w;
  int64_t pooled = -1;  // image of the pooled maps; people are sorted by image
  for (int64_t person = 0; person < people; ++person) {
    const float* own = heatmaps + image[person] * strides[0];
    if (image[person] != pooled) pool_maps(own, maps, kinds, coarse, broken.data());
    pooled = image[person];
    const float across = spread[person] / 2 * static_cast<float>(w);
    const float down = spread[person] / 2 * static_cast<float>(h);
    for (int64_t kind = 0; kind < kinds; ++kind) {
      const float* point = points + 2 * (person * point_step + kind);
      const int64_t at = person * place_step + kind;
      const float* map = own + kind * maps.of_kind;
      gaussian((point[0] + 1) / 2 * static_cast<float>(w) - 0.5f, 2 * across * across, w, near_x);
      gaussian((point[1] + 1) / 2 * static_cast<float>(h) - 0.5f, 2 * down * down, h, near_y);
      int64_t x = 0, y = 0;
      best_cell(coarse + kind * h * w, near_x, near_y, w, h, &x, &y);
      if (pool > 1) best_of_block(map, maps, &x, &y);
      mean_place(map, maps, x, y, located + 2 * at);
      score[at] = broken[kind] ? NAN : map[y * maps.of_row + x * maps.of_column];
    }
  }
}

void regressed_keypoints(
    const float* features, const int64_t* strides, int64_t height, int64_t width, const int64_t* channels,
    int64_t kinds, const int64_t* image, const int64_t* cell, int64_t people, float* points, float* score,
    int64_t place_step) {
  for (int64_t person = 0; person < people; ++person) {
    const float* own = features + image[person] * strides[0];
    const float* best = nullptr;
    int64_t best_x = 0, best_y = 0;
    for (int64_t row = -2; row <= 3; ++row) {
      for (int64_t column = -2; column <= 3; ++column) {
        const int64_t y = std::clamp<int64_t>(2 * cell[2 * person + 1] + row, 0, height - 1);
        const int64_t x = std::clamp<int64_t>(2 * cell[2 * person] + column, 0, width - 1);
        const float* there = own + y * strides[2] + x * strides[3];
        if (best && !(there[channels[0] * strides[1]] > best[channels[0] * strides[1]])) continue;
        best = there, best_x = x, best_y = y;
      }
    }
    score[person * place_step] = best[channels[0] * strides[1]];
    const float extent = std::exp(best[channels[2] * strides[1]]);
    for (int64_t kind = 0; kind < kinds; ++kind) {
      const float* offset = best + (channels[1] + 2 * kind) * strides[1];
      float* point = points + 2 * (person * place_step + kind);
      const float x = static_cast<float>(best_x) + offset[strides[1]] * extent;
      const float y = static_cast<float>(best_y) + offset[0] * extent;
      point[0] = (x + 0.5f) / static_cast<float>(width) * 2 - 1;
      point[1] = (y + 0.5f) / static_cast<float>(height) * 2 - 1;
    }
  }
}
