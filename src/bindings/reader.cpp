#include "reader.hpp"

#include <algorithm>

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

template <typename T>
T* BoundReader::room(const char* name, std::vector<size_t> shape) {
  shape.insert(shape.begin(), job_.rules.most);
  size_t size = sizeof(T);
  for (size_t length : shape) size *= length;
  memory_.push_back({name, nb::dtype<T>(), std::move(shape), std::unique_ptr<char[]>(new char[size]())});
  return reinterpret_cast<T*>(memory_.back().bytes.get());
}

BoundReader::BoundReader(const BoundRules& rules, const BoundBody& body, Projector center_projector,
                         Projector joint_projector, const BoundLifter* lifter,
                         const BoundKeypointFit* keypoint_fit)
    : body_(body), center_projector_(center_projector), joint_projector_(joint_projector) {
  job_.rules = rules;
  job_.model.center_projector = center_projector ? center_projector->data() : nullptr;
  job_.model.joint_projector = joint_projector ? joint_projector->data() : nullptr;
  job_.model.body = body.tables;
  if (lifter) {
    lifter_ = nb::find(*lifter);  // kept alive
    lifter->describe(job_.model);
  }
  if (keypoint_fit) {
    keypoint_fit_ = nb::find(*keypoint_fit);
    keypoint_fit->describe(job_.model);
  }
  const size_t points = JOINTS + KEYPOINTS, observed = JOINTS + 2 * job_.model.kinds;
  People& people = job_.people;
  people.image = room<int64_t>("image", {});
  people.cell = room<int64_t>("cell", {2});
  people.score = room<float>("score", {});
  people.weak_camera = room<float>("weak_camera", {3});
  people.center_instance = room<float>("center_instance", {INSTANCE_CHANNELS});
  people.rotations = room<float>("rotations", {JOINTS, 3, 3});
  people.betas = room<float>("betas", {BETAS});
  people.duplicate = room<bool>("duplicate", {});
  people.joints = room<float>("joints", {JOINTS, 3});
  people.world = room<float>("world", {JOINTS, 3, 3});
  people.rest = room<float>("rest", {JOINTS, 3});
  people.square = room<float>("square", {points, 2});
  people.spread = room<float>("spread", {});
  people.seen = room<float>("seen", {observed, 2});
  people.evidence_score = room<float>("evidence_score", {observed});
  people.translation = room<float>("translation", {3});
  people.depth = room<double>("depth", {});
  people.joints_m = room<float>("joints_m", {JOINTS, 3});
  people.joints_px = room<float>("joints_px", {JOINTS, 2});
  people.joints_square = room<float>("joints_square", {JOINTS, 2});
  people.inside = room<bool>("inside", {JOINTS});
  people.embedding = room<float>("embedding", {INSTANCE_CHANNELS});
  people.confidence = room<float>("confidence", {JOINTS});
  people.center_px = room<float>("center_px", {2});
}

void BoundReader::set_view(const Geometry& geometry, const BoundLens* lens) {
  job_.geometry = geometry;
  lens_ = lens ? std::make_unique<BoundLens>(*lens) : nullptr;
  job_.lens = lens ? lens_->get() : Lens{};
  has_view_ = true;
}

void BoundReader::read_from(Map<1> center_heatmap, Map<JOINTS> joint_heatmaps, Map<CAMERA_CHANNELS> camera,
                            Map<INSTANCE_CHANNELS> center_instance, Map<INSTANCE_CHANNELS> joint_instance) {
  const size_t side = center_heatmap.shape(2);
  const auto square = [side](const auto& map, const char* name) {
    require(side > 0 && map.shape(2) == side && map.shape(3) == side, name,
            "must be square, of the side of center_heatmap, " + std::to_string(side) + "; got " +
                std::to_string(map.shape(2)) + " x " + std::to_string(map.shape(3)));
  };
  square(center_heatmap, "center_heatmap");
  square(joint_heatmaps, "joint_heatmaps");
  square(camera, "camera");
  square(center_instance, "center_instance");
  square(joint_instance, "joint_instance");
  center_heatmap_ = center_heatmap;
  joint_heatmaps_ = joint_heatmaps;
  camera_ = camera;
  center_instance_ = center_instance;
  joint_instance_ = joint_instance;
  Maps& maps = job_.maps;
  maps.center_heatmap = center_heatmap.data();
  maps.joint_heatmaps = joint_heatmaps.data();
  maps.camera = camera.data();
  maps.center_instance = center_instance.data();
  maps.joint_instance = joint_instance.data();
  maps.side = static_cast<int64_t>(side);
  stage_ = Stage::NONE;
}

void BoundReader::read_features(Features features) {
  const Model& model = job_.model;
  require(features.shape(2) == features.shape(3) && features.shape(2) > 0, "features", "must be square");
  const int64_t channels = static_cast<int64_t>(features.shape(1));
  const bool enough = model.center < channels && model.log_extent < channels &&
      model.keypoints + model.kinds <= channels && model.offsets + 2 * model.kinds <= channels;
  require(enough, "features", "must have the channels of the keypoints, got " + std::to_string(channels));
  features_ = features;
  job_.maps.found = features.data();
  job_.maps.found_side = static_cast<int64_t>(features.shape(2));
  for (size_t axis = 0; axis < 4; ++axis) job_.maps.found_strides[axis] = features.stride(axis);
  stage_ = Stage::NONE;
}

void BoundReader::require_stage(Stage stage, const char* before) const {
  if (stage_ != stage) throw nb::value_error((std::string(before) + " comes first").c_str());
}

int64_t BoundReader::find(double threshold) {
  if (!has_view_) throw nb::value_error("set_view comes first");
  if (!job_.maps.center_heatmap) throw nb::value_error("read_from comes first");
  if (job_.model.kinds && !job_.maps.found) throw nb::value_error("read_features comes first");
  job_.rules.threshold = threshold;
  find_people(job_);
  stage_ = Stage::FOUND;
  return job_.count;
}

int64_t BoundReader::fit(In<float, -1, SMPL_CHANNELS> smpl) {
  require_stage(Stage::FOUND, "find");
  require_rows(smpl, "smpl", job_.count);
  job_.people.smpl = smpl.data();
  fit_people(job_);
  job_.people.smpl = nullptr;
  stage_ = Stage::FITTED;
  return job_.count;
}

// All arrays have one row per person.
void BoundReader::keep(In<int64_t, -1> rows) {
  require_stage(Stage::FITTED, "fit");
  const int64_t count = static_cast<int64_t>(rows.shape(0));
  require(count <= job_.count, "rows", "must be at most " + std::to_string(job_.count) + ", got " + std::to_string(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = rows.data()[i];
    require(row >= 0 && row < job_.count, "rows", "must name people that there are, got " + std::to_string(row));
  }
  std::vector<char> old;
  for (const Memory& one : memory_) {
    size_t size = one.type.bits / 8;
    for (size_t axis = 1; axis < one.shape.size(); ++axis) size *= one.shape[axis];
    old.assign(one.bytes.get(), one.bytes.get() + size * job_.count);
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(old.data() + size * rows.data()[i], size, one.bytes.get() + size * i);
    }
  }
  job_.count = count;
}

void BoundReader::refine(In<float, -1, KEYPOINTS, 2> points, In<float, -1, KEYPOINTS> weight) {
  require_stage(Stage::FITTED, "fit");
  if (!job_.model.fit.precision) throw nb::value_error("refine needs a reader with a keypoint_fit");
  require_rows(points, "points", job_.count);
  require_rows(weight, "weight", job_.count);
  refine_people(job_, points.data(), weight.data());
}

void BoundReader::place() {
  require_stage(Stage::FITTED, "fit");
  place_people(job_);
  stage_ = Stage::PLACED;
}

const Job& BoundReader::placed_job() const {
  require_stage(Stage::PLACED, "reader: place");
  return job_;
}

std::vector<std::string> BoundReader::broken() const {
  const Finite& finite = job_.finite;
  std::vector<std::string> names;
  if (stage_ == Stage::NONE) return names;
  if (!finite.center_heatmap) names.push_back("center_heatmap");
  if (!finite.camera) names.push_back("camera");
  if (!finite.center_instance) names.push_back("center_instance");
  if (!finite.smpl) names.push_back("smpl");
  if (!finite.rotations) names.push_back("rotations");
  if (!finite.joint_heatmaps) names.push_back("joint_heatmaps");
  if (!finite.lifted) names.push_back("lifted");
  if (!finite.confidence) names.push_back("joint_heatmaps_and_instance");
  return names;
}

nb::dict BoundReader::views(nb::handle self) {
  nb::dict views;
  for (const Memory& one : memory_) {
    views[one.name.c_str()] = nb::ndarray<nb::numpy>(
        one.bytes.get(), one.shape.size(), one.shape.data(), self, nullptr, one.type);
  }
  return views;
}

namespace {

using R = BoundReader;

void set_view(R& reader, const BoundGeometry& geometry, const BoundLens* lens) { reader.set_view(geometry, lens); }
void read_from(R& reader, R::Map<1> center_heatmap, R::Map<JOINTS> joint_heatmaps, R::Map<CAMERA_CHANNELS> camera,
               R::Map<INSTANCE_CHANNELS> center_instance, R::Map<INSTANCE_CHANNELS> joint_instance) {
  reader.read_from(center_heatmap, joint_heatmaps, camera, center_instance, joint_instance);
}
void read_features(R& reader, R::Features features) { reader.read_features(features); }
int64_t find(R& reader, double threshold) { return reader.find(threshold); }
int64_t fit(R& reader, In<float, -1, SMPL_CHANNELS> smpl) { return reader.fit(smpl); }
void keep(R& reader, In<int64_t, -1> rows) { reader.keep(rows); }
void refine(R& reader, In<float, -1, KEYPOINTS, 2> points, In<float, -1, KEYPOINTS> weight) {
  reader.refine(points, weight);
}
void place_read(R& reader) { reader.place(); }

}  // namespace

void bind_reader(nb::module_& module) {
  nb::class_<BoundRules> rules(module, "Rules");
  constructor<BoundRules, double, double, double, double, double, double, double, double, double, int64_t, int64_t,
              int64_t>(rules, {"scale_base", "max_log_scale", "duplicate_cells", "duplicate_scale_ratio",
                               "duplicate_degrees", "window", "min_evidence", "min_center", "most_camera",
                               "peak_window", "search_cells", "most"});

  nb::class_<BoundGeometry> geometry(module, "Geometry");
  constructor<BoundGeometry, double, double, double, double, double, double, double, double, double, double, double,
              double, double, double, double, double, double>(
      geometry, {"fx", "fy", "cx", "cy", "width", "height", "square_fx", "square_fy", "square_px", "square_py",
                 "focal", "scale_x", "scale_y", "offset_x", "offset_y", "size", "nearest"});

  nb::class_<BoundBody> body(module, "Body");
  constructor<BoundBody, In<float, JOINTS, 3>, In<float, BETAS, JOINTS, 3>, In<int64_t, JOINTS>,
              In<int64_t, KEYPOINTS>, In<int64_t, KEYPOINTS>, In<float, KEYPOINTS, 3>>(
      body, {"rest", "rest_directions", "parents", "keypoint_joint", "keypoint_bone", "keypoint_offset"});

  using Weights = BoundLifter::Weights;
  using Bias = BoundLifter::Bias;
  nb::class_<BoundLifter> lifter(module, "Lifter");
  constructor<BoundLifter, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, Weights, Bias, Weights, Bias,
              Weights, Bias, Weights, Bias>(
      lifter, {"passes", "kinds", "center", "keypoints", "offsets", "log_extent", "weights0", "bias0", "weights1",
               "bias1", "weights2", "bias2", "weights3", "bias3"});

  nb::class_<BoundKeypointFit> keypoint_fit(module, "KeypointFit");
  constructor<BoundKeypointFit, In<float, UNKNOWNS, UNKNOWNS>, double, double, int64_t>(
      keypoint_fit, {"precision", "sigma", "robust", "iterations"});

  nb::class_<BoundReader> reader(module, "Reader");
  constructor<BoundReader, const BoundRules&, const BoundBody&, Projector, Projector, const BoundLifter*,
              const BoundKeypointFit*>(
      reader, {"rules", "body", "center_projector", "joint_projector", "lifter", "keypoint_fit"});
  method<Lock::KEEP>(reader, "set_view", &set_view, {"geometry", "lens"});
  method<Lock::KEEP>(reader, "read_from", &read_from,
                     {"center_heatmap", "joint_heatmaps", "camera", "center_instance", "joint_instance"});
  method<Lock::KEEP>(reader, "read_features", &read_features, {"features"});
  method(reader, "find", &find, {"threshold"});
  method(reader, "fit", &fit, {"smpl"});
  method(reader, "keep", &keep, {"rows"});
  method(reader, "refine", &refine, {"points", "weight"});
  method(reader, "place", &place_read, {});
  reader.def("broken", &BoundReader::broken);
  reader.def("views", [](nb::handle self) { return nb::cast<BoundReader&>(self).views(self); });
}
