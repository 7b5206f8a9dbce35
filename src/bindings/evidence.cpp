#include "evidence.hpp"

#include <algorithm>

#include "bindings.hpp"

namespace {

using Cells = In<int64_t, -1, 2>;

void require_images(const In<int64_t, -1>& image, size_t batch) {
  for (size_t n = 0; n < image.shape(0); ++n) {
    require(image.data()[n] >= 0 && image.data()[n] < static_cast<int64_t>(batch), "image",
            "must lie in a batch of " + std::to_string(batch) + ", got " + std::to_string(image.data()[n]));
  }
}

void strides_of(const Strided<float, -1, -1, -1, -1>& maps, int64_t* strides) {
  for (size_t axis = 0; axis < 4; ++axis) strides[axis] = maps.stride(axis);
}

void bound_search_heatmaps(Strided<float, -1, -1, -1, -1> heatmaps, int64_t search_cells, In<int64_t, -1> image,
                     In<float, -1, -1, 2> points, In<float, -1> spread, Out<float, -1, -1, 2> located,
                     Out<float, -1, -1> score) {
  const size_t people = image.shape(0), kinds = heatmaps.shape(1);
  require(search_cells > 0, "search_cells", "must be 1 or more");
  require(heatmaps.shape(2) > 0 && heatmaps.shape(3) > 0, "heatmaps", "must have cells");
  require_images(image, heatmaps.shape(0));
  require_rows(points, "points", people);
  require_rows(spread, "spread", people);
  require_rows(located, "located", people);
  require_rows(score, "score", people);
  require(points.shape(1) == kinds && located.shape(1) == kinds && score.shape(1) == kinds, "points",
          "located and score must be of as many kinds as the heatmaps");
  int64_t strides[4];
  strides_of(heatmaps, strides);
  search_heatmaps(heatmaps.data(), strides, kinds, heatmaps.shape(2), heatmaps.shape(3), search_cells, image.data(),
            points.data(), kinds, spread.data(), people, located.data(), score.data(), kinds);
}

void bound_regressed_keypoints(Strided<float, -1, -1, -1, -1> features, int64_t center, int64_t offsets,
                               int64_t log_extent, In<int64_t, -1> image, Cells cell, Out<float, -1, -1, 2> located,
                               Out<float, -1, -1> score) {
  const size_t people = image.shape(0), kinds = located.shape(1);
  const int64_t last = static_cast<int64_t>(features.shape(1));
  require(features.shape(2) > 0 && features.shape(3) > 0, "features", "must have cells");
  require_images(image, features.shape(0));
  require_rows(cell, "cell", people);
  require_rows(located, "located", people);
  require_rows(score, "score", people);
  require(score.shape(1) == kinds, "score", "must be of as many kinds as located");
  require(kinds > 0, "located", "must be of one kind or more");
  const int64_t kinds_end = offsets + 2 * static_cast<int64_t>(kinds);
  require(center >= 0 && center < last, "center", "must be a channel of the features");
  require(offsets >= 0 && kinds_end <= last, "offsets", "must be channels of the features");
  require(log_extent >= 0 && log_extent < last, "log_extent", "must be a channel of the features");
  int64_t strides[4];
  strides_of(features, strides);
  const int64_t channels[3] = {center, offsets, log_extent};
  regressed_keypoints(features.data(), strides, features.shape(2), features.shape(3), channels, kinds, image.data(),
                      cell.data(), people, located.data(), score.data(), kinds);
  for (size_t n = 0; n < people; ++n) std::fill_n(score.data() + n * kinds, kinds, score.data()[n * kinds]);
}

}  // namespace

void bind_evidence(nb::module_& module) {
  define(module, "search_heatmaps", &bound_search_heatmaps,
         {"heatmaps", "search_cells", "image", "points", "spread", "located", "score"});
  define(module, "regressed_keypoints", &bound_regressed_keypoints,
         {"features", "center", "offsets", "log_extent", "image", "cell", "located", "score"});
}
