// The reader of people, which owns the memory of its results.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "constants.hpp"
#include "normal_equations.hpp"

// Structures of people.hpp by their fields' names.
struct BoundRules : Rules {
  BoundRules(double scale_base, double max_log_scale, double duplicate_cells, double duplicate_scale_ratio,
             double duplicate_degrees, double window, double min_evidence, double min_center, double most_camera,
             int64_t peak_window, int64_t search_cells, int64_t most)
      : Rules{1.0, scale_base, max_log_scale, duplicate_cells, std::log(duplicate_scale_ratio),
              duplicate_degrees, window, min_evidence, min_center, most_camera, peak_window, search_cells, most} {
    require(most > 0, "most", "must be 1 or more");
    require(search_cells > 0, "search_cells", "must be 1 or more");
    require(peak_window > 0, "peak_window", "must be 1 or more");
  }
};

struct BoundGeometry : Geometry {
  BoundGeometry(double fx, double fy, double cx, double cy, double width, double height, double square_fx,
                double square_fy, double square_px, double square_py, double focal, double scale_x, double scale_y,
                double offset_x, double offset_y, double size, double nearest)
      : Geometry{fx, fy, cx, cy, width, height, square_fx, square_fy, square_px, square_py, focal,
                 {scale_x, scale_y}, {offset_x, offset_y}, size, nearest} {}
};

// A body model's skeleton.
class BoundBody {
 public:
  BoundBody(In<float, JOINTS, 3> rest, In<float, BETAS, JOINTS, 3> rest_directions, In<int64_t, JOINTS> parents,
            In<int64_t, KEYPOINTS> keypoint_joint, In<int64_t, KEYPOINTS> keypoint_bone,
            In<float, KEYPOINTS, 3> keypoint_offset);
  BodyTables tables;

 private:
  In<float, JOINTS, 3> rest_;
  In<float, BETAS, JOINTS, 3> rest_directions_;
  In<int64_t, JOINTS> parents_;
  In<int64_t, KEYPOINTS> keypoint_joint_, keypoint_bone_;
  In<float, KEYPOINTS, 3> keypoint_offset_;
};

// A lifter's layers, with batch norms folded: weights [inputs, outputs]. kinds: keypoints that the backbone finds, 0
// or 17. The rest: channels of the features, from KeypointChannels.first on.
class BoundLifter {
 public:
  using Weights = In<float, -1, -1>;
  using Bias = In<float, -1>;
  BoundLifter(int64_t passes, int64_t kinds, int64_t center, int64_t keypoints, int64_t offsets, int64_t log_extent,
              Weights weights0, Bias bias0, Weights weights1, Bias bias1, Weights weights2, Bias bias2,
              Weights weights3, Bias bias3);
  BoundLifter(const BoundLifter&) = delete;
  void describe(Model& model) const;

 private:
  int64_t passes_, kinds_, center_, keypoints_, offsets_, log_extent_;
  Layers layers_;
  std::vector<float> numbers_[2 * LIFTER_LAYERS];
};

// How bodies are fitted to keypoints. precision: of the change of a person's unknowns.
class BoundKeypointFit {
 public:
  BoundKeypointFit(In<float, UNKNOWNS, UNKNOWNS> precision, double sigma, double robust, int64_t iterations);
  BoundKeypointFit(const BoundKeypointFit&) = delete;
  void describe(Model& model) const;

 private:
  std::vector<float> precision_;
  KeypointFit fit_;
};

class BoundReader {
 public:
  template <int64_t CHANNELS>
  using Map = In<float, 1, CHANNELS, -1, -1>;
  using Features = Strided<float, 1, -1, -1, -1>;

  BoundReader(const BoundRules& rules, const BoundBody& body, Projector center_projector, Projector joint_projector,
              const BoundLifter* lifter, const BoundKeypointFit* keypoint_fit);
  BoundReader(const BoundReader&) = delete;

  void set_view(const Geometry& geometry, const BoundLens* lens);
  void read_from(Map<1> center_heatmap, Map<JOINTS> joint_heatmaps, Map<CAMERA_CHANNELS> camera,
                 Map<INSTANCE_CHANNELS> center_instance, Map<INSTANCE_CHANNELS> joint_instance);
  void read_features(Features features);
  int64_t find(double threshold);
  int64_t fit(In<float, -1, SMPL_CHANNELS> smpl);
  void keep(In<int64_t, -1> rows);
  void refine(In<float, -1, KEYPOINTS, 2> points, In<float, -1, KEYPOINTS> weight);
  void place();
  std::vector<std::string> broken() const;
  nb::dict views(nb::handle self);
  const Job& placed_job() const;

 private:
  enum class Stage { FOUND, FITTED, PLACED, NONE };
  struct Memory {
    std::string name;
    nb::dlpack::dtype type;
    std::vector<size_t> shape;
    std::unique_ptr<char[]> bytes;
  };
  template <typename T>
  T* room(const char* name, std::vector<size_t> shape);
  void require_stage(Stage stage, const char* before) const;

  Job job_{};
  Stage stage_ = Stage::NONE;
  bool has_view_ = false;
  BoundBody body_;
  Projector center_projector_, joint_projector_;
  nb::object lifter_, keypoint_fit_;
  std::unique_ptr<BoundLens> lens_;
  std::vector<Memory> memory_;
  Map<1> center_heatmap_;
  Map<JOINTS> joint_heatmaps_;
  Map<CAMERA_CHANNELS> camera_;
  Map<INSTANCE_CHANNELS> center_instance_, joint_instance_;
  Features features_;
};
