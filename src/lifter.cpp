// The lifter: refines people's poses by their 2-D evidence (icl_mesh/network/lifter.py).
#include <algorithm>
#include <cmath>
#include <vector>

#include "people.hpp"
#include "rotation.hpp"
#include "weak_perspective.hpp"

namespace {

constexpr int64_t POINTS = JOINTS + KEYPOINTS, SIX_D = 6 * ROTATIONS;

// A skeleton's joints and keypoints by a weak-perspective camera [3], in square coordinates [24 + 17, 2].
ICL_INLINE void project(const Job& job, const Skeleton& posed, const float* weak_camera, float* square) {
  float points[3 * POINTS];
  body_points(job.model.body, posed, points);
  const WeakPerspective<float> camera(job.geometry, weak_camera);
  for (int64_t i = 0; i < POINTS; ++i) camera.project(points + 3 * i, square + 2 * i);
}

ICL_INLINE void in_metres(const float* square, const float* weak_camera, int64_t count, float* metres) {
  for (int64_t i = 0; i < count; ++i) {
    for (int axis = 0; axis < 2; ++axis) {
      metres[2 * i + axis] = (square[2 * i + axis] - weak_camera[1 + axis]) / weak_camera[0];
    }
  }
}

// A row of LifterInputs.rows: one kind of points; those with a score below `least` are zero.
ICL_INLINE float* add_kind(
    float* row, const float* points, const float* score, const float* flat, int64_t count, float least) {
  for (int64_t i = 0; i < 2 * count; ++i) row[i] = points[i] * (score[i / 2] >= least ? 1.0f : 0.0f);
  row += 2 * count;
  for (int64_t i = 0; i < 2 * count; ++i) {
    row[i] = (points[i] - flat[i]) * (score[i / 2] >= least ? 1.0f : 0.0f);
  }
  row += 2 * count;
  return std::copy(score, score + count, row);
}

// Numbers to prefetch ahead: the weights exceed a core's caches, and the hardware prefetcher leaves a third of the time
// to waiting.
constexpr int64_t AHEAD = 128;

// One column of W x + b for PEOPLE rows x -> y, with an optional ReLU; rows of both are `step` apart.
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

// Skeletons, and their projections, of the regressed bodies and weak-perspective cameras.
void first_points(Job& job) {
  const People& people = job.people;
  for (int64_t n = 0; n < job.count; ++n) {
    const Skeleton posed = skeleton_of(people, n);
    pose_skeleton(job.model.body, people.betas + n * BETAS, people.rotations + n * 9 * JOINTS, posed);
    project(job, posed, people.weak_camera + 3 * n, people.square + n * 2 * POINTS);
  }
}

// All passes. seen and score: joints, keypoints, regressed keypoints, in the square.
void lift(Job& job) {
  const Layers& layers = job.model.layers;
  const BodyTables& body = job.model.body;
  const float inverse_focal = static_cast<float>(1 / job.geometry.focal);
  const int64_t people = job.count, kinds = job.model.kinds, passes = job.model.passes;
  const float *seen = job.people.seen, *score = job.people.evidence_score;
  float *rotations = job.people.rotations, *betas = job.people.betas, *weak_camera = job.people.weak_camera;
  float* square = job.people.square;
  const float min_evidence = static_cast<float>(job.rules.min_evidence);
  const float min_center = static_cast<float>(job.rules.min_center), most = static_cast<float>(job.rules.most_camera);
  const int64_t observed = JOINTS + 2 * kinds;
  const int64_t wide = std::max(layers.inputs[0], *std::max_element(layers.outputs, layers.outputs + LIFTER_LAYERS));
  std::vector<float> room(people * (2 * wide + 3 + 2 * observed + SIX_D));
  float *x = room.data(), *y = x + people * wide;
  float *first = y + people * wide, *metres = first + 3 * people, *six = metres + 2 * observed * people;
  std::copy(weak_camera, weak_camera + 3 * people, first);
  for (int64_t n = 0; n < people; ++n) {
    in_metres(seen + 2 * observed * n, first + 3 * n, observed, metres + 2 * observed * n);
  }
  for (int64_t pass = 0; pass < passes; ++pass) {
    for (int64_t n = 0; n < people; ++n) {
      float flat[2 * POINTS];
      in_metres(square + n * 2 * POINTS, first + 3 * n, POINTS, flat);
      const float *own = metres + 2 * observed * n, *sure = score + observed * n;
      float* row = add_kind(x + n * wide, own, sure, flat, JOINTS, min_evidence);
      row = add_kind(row, own + 2 * JOINTS, sure + JOINTS, flat + 2 * JOINTS, kinds, min_evidence);
      const float *regressed = own + 2 * (JOINTS + kinds), *center = sure + JOINTS + kinds;
      for (int64_t i = 0; i < 2 * kinds; ++i) {
        *row++ = (regressed[i] - flat[2 * JOINTS + i]) * (center[0] >= min_center ? 1.0f : 0.0f);
      }
      if (kinds) *row++ = center[0];
      for (int64_t i = 0; i < SIX_D; ++i) {  // the first two columns of each matrix, one after the other
        six[n * SIX_D + i] = rotations[9 * (n * JOINTS + i / 6) + 3 * (i % 3) + i % 6 / 3];
      }
      row = std::copy(six + n * SIX_D, six + (n + 1) * SIX_D, row);
      for (int64_t i = 0; i < BETAS; ++i) *row++ = betas[n * BETAS + i] / 3;
      for (int axis = 0; axis < 2; ++axis) *row++ = first[3 * n + 1 + axis] * inverse_focal;
    }
    for (int number = 0; number < LIFTER_LAYERS; ++number) {
      apply(layers, number, number + 1 < LIFTER_LAYERS, x, wide, y, people);
      std::swap(x, y);
    }
    for (int64_t n = 0; n < people; ++n) {
      const float* change = x + n * wide;
      for (int64_t i = 0; i < SIX_D; ++i) six[n * SIX_D + i] += change[i];
      for (int64_t i = 0; i < ROTATIONS; ++i) {
        matrix_from_6d(six + n * SIX_D + 6 * i, rotations + 9 * (n * JOINTS + i));
      }
      for (int64_t i = 0; i < BETAS; ++i) betas[n * BETAS + i] += change[SIX_D + i];
      float* own = weak_camera + 3 * n;
      float moved[3];
      for (int i = 0; i < 3; ++i) moved[i] = most * std::tanh(change[SIX_D + BETAS + i] / most);
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
