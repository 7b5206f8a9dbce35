// icl_mesh/decoding.py: peaks of the centre heatmap.
#include <algorithm>
#include <vector>

#include "native.hpp"

// Cells of heatmaps [B, H, W] that reach the threshold and are the largest of their neighbourhood (reach cells to
// each side; equal neighbours are all peaks), by image and then by falling score, `most` per image at most.
// count [1]: their number N; image [N], cell (x, y) [N, 2], score [N] have room for B * most.
ICL_EXPORT ICL_CLONES void icl_find_peaks(
    const float* heatmaps, int64_t images, int64_t height, int64_t width, float threshold, int64_t reach,
    int64_t most, int64_t* count, int64_t* image, int64_t* cell, float* score) {
  std::vector<int64_t> peaks;
  int64_t found = 0;
  for (int64_t i = 0; i < images; ++i) {
    const float* map = heatmaps + i * height * width;
    peaks.clear();
    for (int64_t at = 0; at < height * width; ++at) {
      if (!(map[at] >= threshold)) continue;
      const int64_t y = at / width, x = at % width;
      bool largest = true;
      for (int64_t row = std::max<int64_t>(y - reach, 0); row <= std::min(y + reach, height - 1); ++row) {
        for (int64_t column = std::max<int64_t>(x - reach, 0); column <= std::min(x + reach, width - 1); ++column) {
          largest &= map[at] >= map[row * width + column];
        }
      }
      if (largest) peaks.push_back(at);
    }
    std::stable_sort(peaks.begin(), peaks.end(), [map](int64_t a, int64_t b) { return map[a] > map[b]; });
    for (int64_t k = 0; k < std::min<int64_t>(peaks.size(), most); ++k, ++found) {
      image[found] = i;
      cell[2 * found] = peaks[k] % width;
      cell[2 * found + 1] = peaks[k] / width;
      score[found] = map[peaks[k]];
    }
  }
  *count = found;
}
