#include <algorithm>

#include "reader.hpp"

namespace {

// One surface of a body: its mesh, or its extreme vertices.
class BoundSurface {
 public:
  BoundSurface(In<float, -1, 3> rest, In<float, -1, 3, BETAS> shape_directions, In<int32_t, -1> pose_start,
               In<uint8_t, -1> pose_joint, In<float, -1, 3, 9> pose_directions, In<int32_t, -1> weight_start,
               In<uint8_t, -1> weight_joint, In<float, -1> weight, In<int64_t, -1> index)
      : rest_(rest), shape_directions_(shape_directions), pose_start_(pose_start), pose_joint_(pose_joint),
        pose_directions_(pose_directions), weight_start_(weight_start), weight_joint_(weight_joint), weight_(weight),
        index_(index) {
    const size_t vertices = rest.shape(0);
    require_rows(shape_directions, "shape_directions", vertices);
    require_lists(pose_start, "pose_start", vertices, pose_joint, "pose_joint", JOINTS - 1);
    require_rows(pose_directions, "pose_directions", pose_joint.shape(0));
    require_lists(weight_start, "weight_start", vertices, weight_joint, "weight_joint", JOINTS);
    require_rows(weight, "weight", weight_joint.shape(0));
    require(index.shape(0) > 0, "index", "must not be empty");
    bool all = index.shape(0) == vertices;
    for (size_t k = 0; k < index.shape(0); ++k) {
      all &= index.data()[k] == static_cast<int64_t>(k);
      require(index.data()[k] >= 0 && index.data()[k] < static_cast<int64_t>(vertices), "index", "must be vertices");
    }
    surface_.tables = {static_cast<int64_t>(vertices), rest.data(), shape_directions.data(), pose_start.data(),
                       pose_joint.data(), pose_directions.data(), weight_start.data(), weight_joint.data(),
                       weight.data()};
    surface_.index = all ? nullptr : index.data();
    surface_.points = static_cast<int64_t>(index.shape(0));
  }

  void place(const BoundReader& reader, Out<float, -1, -1, 3> placed, Out<float, -1, 4> boxes) const {
    const Job& job = reader.placed_job();
    require_rows(placed, "placed", job.count);
    require_rows(boxes, "boxes", job.count);
    require(static_cast<int64_t>(placed.shape(1)) == surface_.tables.vertices, "placed",
            "must have room for " + std::to_string(surface_.tables.vertices) + " vertices");
    Surface surface = surface_;
    surface.placed = placed.data();
    surface.boxes = boxes.data();
    place_surfaces(job, surface.tables, surface.placed);
    boxes_around(job, surface);
  }

 private:
  // Lists of joints, one after the other, and where each vertex's begins.
  static void require_lists(const In<int32_t, -1>& start, const char* start_name, size_t vertices,
                            const In<uint8_t, -1>& joint, const char* joint_name, int64_t joints) {
    require_rows(start, start_name, vertices + 1);
    const int32_t *first = start.data(), *last = first + vertices;
    require(std::is_sorted(first, last + 1) && *first == 0 && *last == static_cast<int32_t>(joint.shape(0)), start_name,
            std::string("must rise from 0 to the number of ") + joint_name);
    const uint8_t *begin = joint.data(), *end = begin + joint.shape(0);
    require(begin == end || *std::max_element(begin, end) < joints, joint_name, "must be joints");
  }

  In<float, -1, 3> rest_;
  In<float, -1, 3, BETAS> shape_directions_;
  In<int32_t, -1> pose_start_;
  In<uint8_t, -1> pose_joint_;
  In<float, -1, 3, 9> pose_directions_;
  In<int32_t, -1> weight_start_;
  In<uint8_t, -1> weight_joint_;
  In<float, -1> weight_;
  In<int64_t, -1> index_;
  Surface surface_{};
};

void place_one(const BoundSurface& surface, const BoundReader& reader, Out<float, -1, -1, 3> placed,
               Out<float, -1, 4> boxes) {
  surface.place(reader, placed, boxes);
}

}  // namespace

void bind_surface(nb::module_& module) {
  nb::class_<BoundSurface> surface(module, "Surface");
  constructor<BoundSurface, In<float, -1, 3>, In<float, -1, 3, BETAS>, In<int32_t, -1>, In<uint8_t, -1>,
              In<float, -1, 3, 9>, In<int32_t, -1>, In<uint8_t, -1>, In<float, -1>, In<int64_t, -1>>(
      surface, {"template", "shape_directions", "pose_start", "pose_joint", "pose_directions", "weight_start",
                "weight_joint", "weight", "index"});
  method(surface, "place", &place_one, {"reader", "placed", "boxes"});
}
