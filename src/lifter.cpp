// People's poses, fitted to the joints seen around them by a small network.
#include <algorithm>
#include <cmath>
#include <vector>

#include "people.hpp"
#include "rotation.hpp"
#include "weak_perspective.hpp"

namespace {

constexpr int64_t POINTS = JOINTS + KEYPOINTS, TURNS = 6 * ROTATIONS;

// A skeleton's joints and keypoints by a weak camera [3], in square coordinates [24 + 17, 2].
ICL_INLINE void project(const Job& job, const Skeleton& posed, const float* weak, float* square) {
  float points[3 * POINTS];
  body_points(job.model.body, posed, points);
  const WeakPerspective<float> camera(job.geometry, weak);
  for (int64_t i = 0; i < POINTS; ++i) camera.project(points + 3 * i, square + 2 * i);
}

ICL_INLINE void in_metres(const float* square, const float* weak, int64_t count, float* metres) {
  for (int64_t i = 0; i < count; ++i) {
    for (int axis = 0; axis < 2; ++axis) metres[2 * i + axis] = (square[2 * i + axis] - weak[1 + axis]) / weak[0];
  }
}

// A row of LifterInputs.rows: one kind of points; those seen less than `least` count as not seen.
ICL_INLINE float* add_kind(
    float* row, const float* points, const float* strength, const float* flat, int64_t count, float least) {
  for (int64_t i = 0; i < 2 * count; ++i) row[i] = points[i] * (strength[i / 2] >= least ? 1.0f : 0.0f);
  row += 2 * count;
  for (int64_t i = 0; i < 2 * count; ++i) {
    row[i] = (points[i] - flat[i]) * (strength[i / 2] >= least ? 1.0f : 0.0f);
  }
  row += 2 * count;
  return std::copy(strength, strength + count, row);
}

// The weights are more than a core's own caches hold. By itself it fetches too little of them ahead of time: a third of
// the time is spent waiting.
constexpr int64_t AHEAD = 128;

// One column of W x + b for PEOPLE rows x -> y, where wanted through a ReLU; rows of both are `step` apart.
template <int PEOPLE>
ICL_INLINE void column_of(
    const float* weights, const float* bias, int64_t inputs, bool relu, const float* x, int64_t step, float* y) {
  Lanes sum[PEOPLE];
  for (Lanes& lanes : sum) lanes = lanes_at(bias);
  for (int64_t i = 0; i < inputs; ++i) {
    const Lanes weight = lanes_at(weights + i * LANES);
    __builtin_prefetch(weights + (i + AHEAD) * LANES);
    for (int person = 0; person < PEOPLE; ++person) sum[person] += weight * x[person * step + i];
  }
  for (int person = 0; person < PEOPLE; ++person) {
    lanes_at(y + person * step) = relu ? (sum[person] < 0 ? Lanes{} : sum[person]) : sum[person];
  }
}

ICL_INLINE Skeleton skeleton_of(const People& people, int64_t n) {
  return {people.joints + n * 3 * JOINTS, people.world + n * 9 * JOINTS, people.rest + n * 3 * JOINTS};
}

// Weights are read from memory once, column by column, for all people.
ICL_INLINE void apply(
    const Layers& layers, int number, bool relu, const float* x, int64_t step, float* y, int64_t people) {
  const int64_t inputs = layers.inputs[number];
  for (int64_t first = 0; first < layers.outputs[number]; first += LANES) {
    const float *weights = layers.weights[number] + first * inputs, *bias = layers.bias[number] + first;
    int64_t n = 0;
    for (; n + 8 <= people; n += 8) {
      column_of<8>(weights, bias, inputs, relu, x + n * step, step, y + n * step + first);
    }
    for (; n + 4 <= people; n += 4) {
      column_of<4>(weights, bias, inputs, relu, x + n * step, step, y + n * step + first);
    }
    for (; n + 2 <= people; n += 2) {
      column_of<2>(weights, bias, inputs, relu, x + n * step, step, y + n * step + first);
    }
    if (n < people) column_of<1>(weights, bias, inputs, relu, x + n * step, step, y + n * step + first);
  }
}

}  // namespace

// Of the bodies and weak cameras that were read.
void first_points(Job& job) {
  const People& people = job.people;
  for (int64_t n = 0; n < job.count; ++n) {
    const Skeleton posed = skeleton_of(people, n);
    pose_skeleton(job.model.body, people.betas + n * BETAS, people.rotations + n * 9 * JOINTS, posed);
    project(job, posed, people.weak + 3 * n, people.square + n * 2 * POINTS);
  }
}

// All passes. seen and strength: joints, keypoints, regressed keypoints, in the square.
void lift(Job& job) {
  const Layers& layers = job.model.layers;
  const BodyTables& body = job.model.body;
  const float inverse_focal = static_cast<float>(1 / job.geometry.focal);
  const int64_t people = job.count, kinds = job.model.kinds, passes = job.model.passes;
  const float *seen = job.people.seen, *strength = job.people.strength;
  float *rotations = job.people.rotations, *betas = job.people.betas, *weak = job.people.weak;
  float* square = job.people.square;
  const float min_evidence = static_cast<float>(job.rules.min_evidence);
  const float min_center = static_cast<float>(job.rules.min_center), most = static_cast<float>(job.rules.most_camera);
  const int64_t places = JOINTS + 2 * kinds;
  const int64_t wide = std::max(layers.inputs[0], *std::max_element(layers.outputs, layers.outputs + LIFTER_LAYERS));
  std::vector<float> room(people * (2 * wide + 3 + 2 * places + TURNS));
  float *x = room.data(), *y = x + people * wide;
  float *first = y + people * wide, *metres = first + 3 * people, *six = metres + 2 * places * people;
  std::copy(weak, weak + 3 * people, first);
  for (int64_t n = 0; n < people; ++n) in_metres(seen + 2 * places * n, first + 3 * n, places, metres + 2 * places * n);
  for (int64_t pass = 0; pass < passes; ++pass) {
    for (int64_t n = 0; n < people; ++n) {
      float flat[2 * POINTS];
      in_metres(square + n * 2 * POINTS, first + 3 * n, POINTS, flat);
      const float *own = metres + 2 * places * n, *sure = strength + places * n;
      float* row = add_kind(x + n * wide, own, sure, flat, JOINTS, min_evidence);
      row = add_kind(row, own + 2 * JOINTS, sure + JOINTS, flat + 2 * JOINTS, kinds, min_evidence);
      const float *regressed = own + 2 * (JOINTS + kinds), *center = sure + JOINTS + kinds;
      for (int64_t i = 0; i < 2 * kinds; ++i) {
        *row++ = (regressed[i] - flat[2 * JOINTS + i]) * (center[0] >= min_center ? 1.0f : 0.0f);
      }
      if (kinds) *row++ = center[0];
      for (int64_t i = 0; i < TURNS; ++i) {  // the first two columns of each matrix, one after the other
        six[n * TURNS + i] = rotations[9 * (n * JOINTS + i / 6) + 3 * (i % 3) + i % 6 / 3];
      }
      row = std::copy(six + n * TURNS, six + (n + 1) * TURNS, row);
      for (int64_t i = 0; i < BETAS; ++i) *row++ = betas[n * BETAS + i] / 3;
      for (int axis = 0; axis < 2; ++axis) *row++ = first[3 * n + 1 + axis] * inverse_focal;
    }
    for (int number = 0; number < LIFTER_LAYERS; ++number) {
      apply(layers, number, number + 1 < LIFTER_LAYERS, x, wide, y, people);
      std::swap(x, y);
    }
    for (int64_t n = 0; n < people; ++n) {
      const float* change = x + n * wide;
      for (int64_t i = 0; i < TURNS; ++i) six[n * TURNS + i] += change[i];
      for (int64_t i = 0; i < ROTATIONS; ++i) {
        matrix_from_6d(six + n * TURNS + 6 * i, rotations + 9 * (n * JOINTS + i));
      }
      for (int64_t i = 0; i < BETAS; ++i) betas[n * BETAS + i] += change[TURNS + i];
      float* own = weak + 3 * n;
      float moved[3];
      for (int i = 0; i < 3; ++i) moved[i] = most * std::tanh(change[TURNS + BETAS + i] / most);
      for (int axis = 0; axis < 2; ++axis) own[1 + axis] += own[0] * moved[1 + axis];
      own[0] *= std::exp(moved[0]);
      const Skeleton posed = skeleton_of(job.people, n);
      pose_skeleton(body, betas + n * BETAS, rotations + n * 9 * JOINTS, posed);
      if (pass + 1 == passes) continue;
      project(job, posed, own, square + n * 2 * POINTS);
    }
  }
  job.finite.lifted = all_finite(rotations, people * 9 * JOINTS);
}
