#include <algorithm>

#include "bindings.hpp"
#include "constants.hpp"
#include "kernels.hpp"

namespace {

constexpr int64_t CELLS = 2 * SMPL_REACH + 1, FEATURES = 2 * CELLS + 1;

using Maps4 = In<float, -1, -1, -1, -1>;
using Hints = Out<float, -1, -1, CELLS, CELLS>;

// Cuts patches into the same memory, for some people at a time.
class PatchCutter {
 public:
  PatchCutter(In<float, -1, 1, -1, -1> center_heatmap, Maps4 center_instance, Maps4 joint_heatmaps,
              Maps4 joint_instance, Maps4 features, In<int64_t, -1> image, In<int64_t, -1, 2> cell,
              Out<float, -1, FEATURES, FEATURES, -1> near, Hints center_hints, Hints joint_hints,
              Out<float, -1, 1, CELLS, CELLS> inside)
      : center_heatmap_(center_heatmap), center_instance_(center_instance), joint_heatmaps_(joint_heatmaps),
        joint_instance_(joint_instance), features_(features), image_(image), cell_(cell), near_(near),
        center_hints_(center_hints), joint_hints_(joint_hints), inside_(inside) {
    const size_t batch = features.shape(0), height = center_heatmap.shape(2), width = center_heatmap.shape(3);
    const auto same = [&](const auto& maps, const char* name) {
      require(maps.shape(0) == batch && maps.shape(2) == height && maps.shape(3) == width, name,
              "must have the batch, rows and columns of the other maps");
    };
    same(center_heatmap, "center_heatmap");
    same(center_instance, "center_instance");
    same(joint_heatmaps, "joint_heatmaps");
    same(joint_instance, "joint_instance");
    require(features.shape(1) == 2 * height && features.shape(2) == 2 * width, "features",
            "must have twice the rows and columns of the maps, channels last");
    const size_t instance = center_instance.shape(1);
    require(joint_instance.shape(1) == instance, "joint_instance", "must have the channels of center_instance");
    require(near.shape(3) == features.shape(3), "near", "must have the channels of features");
    require(center_hints.shape(1) == 1 + instance, "center_hints", "must have one channel more than center_instance");
    require(joint_hints.shape(1) == joint_heatmaps.shape(1) + instance, "joint_hints",
            "must have the channels of joint_heatmaps and joint_instance");
    room_ = near.shape(0);
    require_rows(center_hints, "center_hints", room_);
    require_rows(joint_hints, "joint_hints", room_);
    require_rows(inside, "inside", room_);
    require_rows(cell, "cell", image.shape(0));
    for (size_t n = 0; n < image.shape(0); ++n) {
      require(image.data()[n] >= 0 && image.data()[n] < static_cast<int64_t>(batch), "image",
              "must lie in a batch of " + std::to_string(batch) + ", got " + std::to_string(image.data()[n]));
    }
    maps_ = {static_cast<int64_t>(height), static_cast<int64_t>(width), static_cast<int64_t>(joint_heatmaps.shape(1)),
             static_cast<int64_t>(instance), static_cast<int64_t>(features.shape(3)), center_heatmap.data(),
             center_instance.data(), joint_heatmaps.data(), joint_instance.data(), features.data()};
  }

  void cut(int64_t first, int64_t count) const {
    const int64_t people = static_cast<int64_t>(image_.shape(0));
    require(first >= 0 && count >= 0 && first + count <= people, "first",
            "and count must lie in " + std::to_string(people) + " people");
    require(count <= static_cast<int64_t>(room_), "count", "must be at most " + std::to_string(room_));
    cut_patches(maps_, count, image_.data() + first, cell_.data() + 2 * first,
                {near_.data(), center_hints_.data(), joint_hints_.data(), inside_.data()});
  }

 private:
  In<float, -1, 1, -1, -1> center_heatmap_;
  Maps4 center_instance_, joint_heatmaps_, joint_instance_, features_;
  In<int64_t, -1> image_;
  In<int64_t, -1, 2> cell_;
  Out<float, -1, FEATURES, FEATURES, -1> near_;
  Hints center_hints_, joint_hints_;
  Out<float, -1, 1, CELLS, CELLS> inside_;
  size_t room_;
  PatchMaps maps_;
};

void cut(const PatchCutter& cutter, int64_t first, int64_t count) { cutter.cut(first, count); }

}  // namespace

void bind_patches(nb::module_& module) {
  nb::class_<PatchCutter> cutter(module, "PatchCutter");
  constructor<PatchCutter, In<float, -1, 1, -1, -1>, Maps4, Maps4, Maps4, Maps4, In<int64_t, -1>, In<int64_t, -1, 2>,
              Out<float, -1, FEATURES, FEATURES, -1>, Hints, Hints, Out<float, -1, 1, CELLS, CELLS>>(
      cutter, {"center_heatmap", "center_instance", "joint_heatmaps", "joint_instance", "features", "image", "cell",
               "near", "center_hints", "joint_hints", "inside"});
  method(cutter, "__call__", &cut, {"first", "count"});
}
