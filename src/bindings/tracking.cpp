#include "bindings.hpp"
#include "constants.hpp"
#include "kernels.hpp"

namespace {

using Joints = In<float, -1, JOINTS, 3>;
using Rows2 = In<float, -1, 2>;
using Rows4 = In<float, -1, 4>;
using Embeddings = In<float, -1, INSTANCE_CHANNELS>;
using Colors = In<float, -1, COLOR_PARTS, 3>;
using ColorWeights = In<float, -1, COLOR_PARTS>;

// Sample points of people's colours.
class BoundColorPlan {
 public:
  BoundColorPlan(In<int64_t, -1, 2> pairs, In<double, -1, 2> grid, In<int64_t, COLOR_PARTS> lengths,
                 In<float, 256> linear, double least_weight)
      : pairs_(pairs), grid_(grid), lengths_(lengths), linear_(linear), least_weight_(least_weight) {
    int64_t total = 0;
    for (size_t k = 0; k < 2 * pairs.shape(0); ++k) {
      require(pairs.data()[k] >= 0 && pairs.data()[k] < JOINTS, "pairs", "must be joints");
    }
    for (int64_t part = 0; part < COLOR_PARTS; ++part) {
      require(lengths.data()[part] > 0, "lengths", "must be 1 or more");
      total += lengths.data()[part];
    }
    require(total == static_cast<int64_t>(pairs.shape(0)), "lengths", "must add up to the number of pairs");
    require(static_cast<int64_t>(pairs.shape(0) * grid.shape(0)) <= MOST_COLOR_POINTS, "grid",
            "times pairs must be at most " + std::to_string(MOST_COLOR_POINTS) + " points");
    plan_ = {pairs.data(), grid.data(), lengths.data(), linear.data(), static_cast<int64_t>(pairs.shape(0)),
             static_cast<int64_t>(grid.shape(0)), COLOR_PARTS};
  }

  void colors(In<uint8_t, -1, -1, 3> image, bool backwards, In<float, -1, JOINTS, 2> joints_px,
              In<float, -1, JOINTS> confidence, Out<float, -1, COLOR_PARTS, 3> color,
              Out<float, -1, COLOR_PARTS> weight) const {
    const size_t people = joints_px.shape(0);
    require(image.shape(0) > 0 && image.shape(1) > 0, "image", "must have pixels");
    require_rows(confidence, "confidence", people);
    require_rows(color, "color", people);
    require_rows(weight, "weight", people);
    part_colors(image.data(), image.shape(1), image.shape(0), backwards, joints_px.data(), confidence.data(), people,
                plan_, static_cast<float>(least_weight_), color.data(), weight.data());
  }

 private:
  In<int64_t, -1, 2> pairs_;
  In<double, -1, 2> grid_;
  In<int64_t, COLOR_PARTS> lengths_;
  In<float, 256> linear_;
  double least_weight_;
  ColorPlan plan_;
};

void colors(const BoundColorPlan& plan, In<uint8_t, -1, -1, 3> image, bool backwards,
            In<float, -1, JOINTS, 2> joints_px, In<float, -1, JOINTS> confidence, Out<float, -1, COLOR_PARTS, 3> color,
            Out<float, -1, COLOR_PARTS> weight) {
  plan.colors(image, backwards, joints_px, confidence, color, weight);
}

// Tracks or people.
class BoundPairSide {
 public:
  BoundPairSide(Joints joints, Rows2 center, Rows4 box, Embeddings embedding, Colors color, ColorWeights weight)
      : count(joints.shape(0)), joints_(joints), center_(center), box_(box), embedding_(embedding), color_(color),
        weight_(weight) {
    require_rows(center, "center", count);
    require_rows(box, "box", count);
    require_rows(embedding, "embedding", count);
    require_rows(color, "color", count);
    require_rows(weight, "weight", count);
    side = {joints.data(), center.data(), box.data(), embedding.data(), color.data(), weight.data()};
  }

  size_t count;
  PairSide side;

 private:
  Joints joints_;
  Rows2 center_;
  Rows4 box_;
  Embeddings embedding_;
  Colors color_;
  ColorWeights weight_;
};

class BoundErrors {
 public:
  BoundErrors(double depth, double measured_depth, double lateral, double least_m)
      : errors{depth, measured_depth, lateral, least_m} {}
  Errors errors;
};

using Means = In<double, -1, 6>;
using Covariances = In<double, -1, 6, 6>;

void bound_predict_motion(Means mean, Covariances covariance, double seconds, double acceleration,
                          Out<double, -1, 6> new_mean, Out<double, -1, 6, 6> new_covariance) {
  const size_t tracks = mean.shape(0);
  require_rows(covariance, "covariance", tracks);
  require_rows(new_mean, "new_mean", tracks);
  require_rows(new_covariance, "new_covariance", tracks);
  predict_motion(mean.data(), covariance.data(), tracks, seconds, acceleration, new_mean.data(), new_covariance.data());
}

void bound_correct_motion(const BoundErrors& errors, Means mean, Covariances covariance, Joints joints,
                          In<bool, -1> measured, Out<double, -1, 6> new_mean, Out<double, -1, 6, 6> new_covariance) {
  const size_t tracks = mean.shape(0);
  require_rows(covariance, "covariance", tracks);
  require_rows(joints, "joints", tracks);
  require_rows(measured, "measured", tracks);
  require_rows(new_mean, "new_mean", tracks);
  require_rows(new_covariance, "new_covariance", tracks);
  correct_motion(errors.errors, mean.data(), covariance.data(), joints.data(), measured.data(), tracks, new_mean.data(),
                 new_covariance.data());
}

class PairCosts {
 public:
  PairCosts(const BoundErrors& errors, double gate, double space_weight, double image_weight, double color_range,
            double reliable_weight, double nearest)
      : rules{errors.errors, gate, space_weight, image_weight, color_range, reliable_weight, nearest} {}
  PairRules rules;
};

void bound_pair_costs(const PairCosts& self, const BoundPairSide& tracks, Means mean,
                      Covariances covariance, In<double, -1> unseen, const BoundPairSide& people,
                      In<bool, -1> measured, const BoundLens* lens, double focal_x, double focal_y,
                      double embedding_weight, double color_weight, Out<double, -1, -1> cost,
                      Out<double, -1, -1> distance) {
  require_rows(mean, "mean", tracks.count);
  require_rows(covariance, "covariance", tracks.count);
  require_rows(unseen, "unseen", tracks.count);
  require_rows(measured, "measured", people.count);
  require_rows(cost, "cost", tracks.count);
  require_rows(distance, "distance", tracks.count);
  require(cost.shape(1) == people.count, "cost", "must have a column for each person");
  require(distance.shape(1) == people.count, "distance", "must have a column for each person");
  const Lens pinhole{};
  pair_costs(self.rules, mean.data(), covariance.data(), lens ? lens->get() : pinhole, focal_x, focal_y, unseen.data(),
             tracks.side, tracks.count, people.side, measured.data(), people.count, embedding_weight, color_weight,
             cost.data(), distance.data());
}

}  // namespace

void bind_tracking(nb::module_& module) {
  nb::class_<BoundColorPlan> plan(module, "ColorPlan");
  constructor<BoundColorPlan, In<int64_t, -1, 2>, In<double, -1, 2>, In<int64_t, COLOR_PARTS>, In<float, 256>, double>(
      plan, {"pairs", "grid", "lengths", "linear", "least_weight"});
  method(plan, "__call__", &colors, {"image", "backwards", "joints_px", "confidence", "color", "weight"});

  nb::class_<BoundPairSide> side(module, "PairSide");
  constructor<BoundPairSide, Joints, Rows2, Rows4, Embeddings, Colors, ColorWeights>(
      side, {"joints", "center", "box", "embedding", "color", "weight"});

  nb::class_<BoundErrors> errors(module, "PositionErrors");
  constructor<BoundErrors, double, double, double, double>(
      errors, {"depth", "measured_depth", "lateral", "least_m"});
  define(module, "predict_motion", &bound_predict_motion,
         {"mean", "covariance", "seconds", "acceleration", "new_mean", "new_covariance"});
  define(module, "correct_motion", &bound_correct_motion,
         {"errors", "mean", "covariance", "joints", "measured", "new_mean", "new_covariance"});

  nb::class_<PairCosts> costs(module, "PairCosts");
  constructor<PairCosts, const BoundErrors&, double, double, double, double, double, double>(
      costs, {"errors", "gate", "space_weight", "image_weight", "color_range", "reliable_weight", "nearest"});
  method(costs, "__call__", &bound_pair_costs,
         {"tracks", "mean", "covariance", "unseen", "people", "measured", "lens", "focal_x", "focal_y",
          "embedding_weight", "color_weight", "cost", "distance"});
}
