// The arguments of a reader.
#include <algorithm>
#include <cmath>
#include <memory>

#include "reader.hpp"

BoundBody::BoundBody(In<float, JOINTS, 3> rest, In<float, BETAS, JOINTS, 3> rest_directions,
                     In<int64_t, JOINTS> parents, In<int64_t, KEYPOINTS> keypoint_joint,
                     In<int64_t, KEYPOINTS> keypoint_bone, In<float, KEYPOINTS, 3> keypoint_offset)
    : tables{rest.data(), rest_directions.data(), parents.data(), keypoint_joint.data(), keypoint_bone.data(),
             keypoint_offset.data()},
      rest_(rest), rest_directions_(rest_directions), parents_(parents), keypoint_joint_(keypoint_joint),
      keypoint_bone_(keypoint_bone), keypoint_offset_(keypoint_offset) {
  for (int64_t joint = 1; joint < JOINTS; ++joint) {
    const int64_t parent = parents.data()[joint];
    require(parent >= 0 && parent < joint, "parents", "must come before their children");
  }
  for (int64_t i = 0; i < KEYPOINTS; ++i) {
    const auto is_joint = [](int64_t index) { return index >= 0 && index < JOINTS; };
    require(is_joint(keypoint_joint.data()[i]), "keypoint_joint", "must be joints");
    require(is_joint(keypoint_bone.data()[i]), "keypoint_bone", "must be joints");
  }
}

BoundLifter::BoundLifter(int64_t passes, int64_t kinds, int64_t center, int64_t keypoints, int64_t offsets,
                         int64_t log_extent, Weights weights0, Bias bias0, Weights weights1, Bias bias1,
                         Weights weights2, Bias bias2, Weights weights3, Bias bias3)
    : passes_(passes), kinds_(kinds), center_(center), keypoints_(keypoints), offsets_(offsets),
      log_extent_(log_extent) {
  require(passes > 0, "passes", "must be 1 or more");
  require(kinds == 0 || kinds == KEYPOINTS, "kinds", "must be 0 or " + std::to_string(KEYPOINTS));
  const Weights weights[LIFTER_LAYERS] = {weights0, weights1, weights2, weights3};
  const Bias bias[LIFTER_LAYERS] = {bias0, bias1, bias2, bias3};
  const int64_t first = 5 * JOINTS + 7 * kinds + (kinds > 0) + 6 * ROTATIONS + BETAS + 2;
  const int64_t last = 6 * ROTATIONS + BETAS + CAMERA_CHANNELS;
  int64_t inputs = first;
  for (int layer = 0; layer < LIFTER_LAYERS; ++layer) {
    const std::string name = "weights" + std::to_string(layer);
    const int64_t outputs = weights[layer].shape(1), columns = (outputs + LANES - 1) / LANES;
    require(static_cast<int64_t>(weights[layer].shape(0)) == inputs, name.c_str(),
            "must take " + std::to_string(inputs) + " numbers, got " + std::to_string(weights[layer].shape(0)));
    require_rows(bias[layer], ("bias" + std::to_string(layer)).c_str(), outputs);
    // In columns of LANES outputs, padded with zeros; the prefetch exceeds the end.
    std::vector<float>&packed = numbers_[2 * layer], &wide = numbers_[2 * layer + 1];
    packed.assign(columns * inputs * LANES, 0.0f);
    wide.assign(columns * LANES, 0.0f);
    for (int64_t output = 0; output < outputs; ++output) {
      wide[output] = bias[layer].data()[output];
      for (int64_t input = 0; input < inputs; ++input) {
        packed[(output / LANES * inputs + input) * LANES + output % LANES] =
            weights[layer].data()[input * outputs + output];
      }
    }
    layers_.weights[layer] = packed.data();
    layers_.bias[layer] = wide.data();
    layers_.inputs[layer] = inputs;
    layers_.outputs[layer] = columns * LANES;
    inputs = outputs;
  }
  require(inputs == last, "weights3", "must give " + std::to_string(last) + " numbers, got " + std::to_string(inputs));
}

void BoundLifter::describe(Model& model) const {
  model.layers = layers_;
  model.passes = passes_;
  model.kinds = kinds_;
  model.center = center_;
  model.keypoints = keypoints_;
  model.offsets = offsets_;
  model.log_extent = log_extent_;
}

BoundKeypointFit::BoundKeypointFit(In<float, UNKNOWNS, UNKNOWNS> precision, double sigma, double robust,
                                   int64_t iterations)
    : precision_(WIDE * WIDE, 0.0f), fit_{} {
  require(sigma > 0 && std::isfinite(sigma), "sigma", "must be above 0");
  require(robust > 0 && std::isfinite(robust), "robust", "must be above 0");
  require(iterations > 0, "iterations", "must be 1 or more");
  require(all_finite(precision.data(), UNKNOWNS * UNKNOWNS), "precision", "must be finite");
  bool symmetric = true;
  for (int64_t i = 0; i < WIDE * WIDE; ++i) {
    const int64_t row = i / WIDE, column = i % WIDE;
    if (row == column) precision_[i] = 1;  // of what fills up the rows
    if (row >= UNKNOWNS || column >= UNKNOWNS) continue;
    const float* given = precision.data();
    precision_[i] = given[row * UNKNOWNS + column];
    const double scale = std::sqrt(std::abs(
        static_cast<double>(given[row * (UNKNOWNS + 1)]) * given[column * (UNKNOWNS + 1)]));
    symmetric &= std::abs(precision_[i] - given[column * UNKNOWNS + row]) <= 1e-4 * scale;
  }
  const auto equations = std::make_unique<NormalEquations>();
  equations->precision = precision_.data();
  require(symmetric && equations->factor(1e-4f), "precision", "must be symmetric and positive definite");
  fit_ = {precision_.data(), static_cast<float>(sigma), static_cast<float>(robust), iterations};
}

void BoundKeypointFit::describe(Model& model) const { model.fit = fit_; }
