#include "bindings.hpp"
#include "constants.hpp"

namespace {

void bound_joint_confidence(In<float, JOINTS, -1, -1> heatmaps, In<float, INSTANCE_CHANNELS, -1, -1> instance,
                            Projector projector,
                            In<float, -1, INSTANCE_CHANNELS> embedding, In<float, -1, JOINTS, 2> joints_square,
                            In<bool, -1, JOINTS> inside, Out<float, -1, JOINTS> confidence) {
  const size_t side = heatmaps.shape(1), people = embedding.shape(0);
  require(side > 0 && heatmaps.shape(2) == side, "heatmaps", "must be square");
  require(instance.shape(1) == side && instance.shape(2) == side, "instance", "must be as large as heatmaps");
  require_rows(joints_square, "joints_square", people);
  require_rows(inside, "inside", people);
  require_rows(confidence, "confidence", people);
  Job job{};
  job.maps.side = static_cast<int64_t>(side);
  job.maps.joint_heatmaps = heatmaps.data();
  job.maps.joint_instance = instance.data();
  job.model.joint_projector = projector ? projector->data() : nullptr;
  job.count = static_cast<int64_t>(people);
  // The kernel only reads these.
  job.people.embedding = const_cast<float*>(embedding.data());
  job.people.joints_square = const_cast<float*>(joints_square.data());
  job.people.inside = const_cast<bool*>(inside.data());
  job.people.confidence = confidence.data();
  joint_confidence(job);
}

}  // namespace

void bind_confidence(nb::module_& module) {
  define(module, "joint_confidence", &bound_joint_confidence,
         {"heatmaps", "instance", "projector", "embedding", "joints_square", "inside", "confidence"});
}
