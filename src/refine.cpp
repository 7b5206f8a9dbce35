// People's poses, shapes and cameras, fitted to keypoints that were seen: Levenberg-Marquardt with a prior on the change.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "normal_equations.hpp"
#include "people.hpp"
#include "rotation.hpp"
#include "weak_perspective.hpp"

namespace {

constexpr int64_t POINTS = JOINTS + KEYPOINTS;
// Outliers are told apart gradually (Yang et al. 2020, graduated non-convexity): robust starts at so many times its
// value, and reaches it after this share of the iterations.
constexpr float WIDEST = 4, GRADUAL = 0.6f;
constexpr float LEAST_DAMPING = 1e-3f, MOST_DAMPING = 1e3f, LONGEST_STEP = 1;
// Less than this (rad, or share of the cost) is no progress.
constexpr float SHORT_STEP = 1e-4f, SMALL_FALL = 1e-5f;
// Evidence farther out, in square coordinates, is none: its square must not overflow.
constexpr float FAR = 1e4f;

// A body, and how it fits.
struct State {
  float rotations[9 * JOINTS], betas[BETAS], weak[3];
  float change[WIDE], pull[WIDE];  // from the start, summed up to first order; the precision times that
  float joints[3 * JOINTS], world[9 * JOINTS], rest[3 * JOINTS], points[3 * POINTS];
  float square[2 * KEYPOINTS], residual[2 * KEYPOINTS], squared[KEYPOINTS];  // residuals, m of the body
};

struct Fit {
  const Job& job;
  float slopes[3 * JOINTS * BETAS];  // [24, 3, 10]: of a joint at rest from its parent, by betas
  float unit;                        // the first scale: square coordinates of a metre
  float weight[KEYPOINTS], target[2 * KEYPOINTS];
  State states[2];
  NormalEquations equations;

  explicit Fit(const Job& given) : job(given), equations{} {
    equations.precision = job.model.fit.precision;
    const BodyTables& body = job.model.body;
    for (int64_t joint = 1; joint < JOINTS; ++joint) {
      for (int64_t i = 0; i < 3 * BETAS; ++i) {
        const float* direction = body.rest_directions + i % BETAS * 3 * JOINTS + i / BETAS;
        slopes[joint * 3 * BETAS + i] = direction[3 * joint] - direction[3 * body.parents[joint]];
      }
    }
  }
};

// matrix [3, 3] := matrix exp(turn), by Rodrigues' formula.
ICL_INLINE void turn_by(float* matrix, const float* turn) {
  const float x = turn[0], y = turn[1], z = turn[2], square = x * x + y * y + z * z, angle = std::sqrt(square);
  const bool small = angle < 1e-4f;  // where the series' first terms are exact in float32
  const float sine = small ? 1.0f : std::sin(angle) / angle;
  const float half = std::sin(angle / 2), versed = small ? 0.5f : 2 * half * half / square;
  const float r[9] = {1 - versed * (y * y + z * z), versed * x * y - sine * z, versed * x * z + sine * y,
                      versed * x * y + sine * z, 1 - versed * (x * x + z * z), versed * y * z - sine * x,
                      versed * x * z - sine * y, versed * y * z + sine * x, 1 - versed * (x * x + y * y)};
  for (int row = 0; row < 3; ++row) {
    float* own = matrix + 3 * row;
    const float a = own[0], b = own[1], c = own[2];
    for (int column = 0; column < 3; ++column) own[column] = a * r[column] + b * r[3 + column] + c * r[6 + column];
  }
}

// From rotations, betas, weak and change to all else.
void evaluate(const Fit& fit, State& state) {
  const Skeleton posed{state.joints, state.world, state.rest};
  pose_skeleton(fit.job.model.body, state.betas, state.rotations, posed);
  body_points(fit.job.model.body, posed, state.points);
  const WeakPerspective<float> camera(fit.job.geometry, state.weak);
  for (int64_t k = 0; k < KEYPOINTS; ++k) {
    float *square = state.square + 2 * k, *residual = state.residual + 2 * k;
    camera.project(state.points + 3 * (JOINTS + k), square);
    for (int axis = 0; axis < 2; ++axis) residual[axis] = (square[axis] - fit.target[2 * k + axis]) / fit.unit;
    state.squared[k] = residual[0] * residual[0] + residual[1] * residual[1];
  }
  for (int64_t column = 0; column < WIDE; column += LANES) {
    Lanes sum{};
    for (int64_t i = 0; i < UNKNOWNS; ++i) {
      sum += state.change[i] * lanes_at(fit.equations.precision + i * WIDE + column);
    }
    lanes_at(state.pull + column) = sum;
  }
}

// Half of the squares: Geman-McClure's of the keypoints, and the prior's.
float cost_of(const Fit& fit, const State& state, float robust) {
  const float sigma = fit.job.model.fit.sigma, bound = robust * robust;
  float seen = 0, prior = 0;
  for (int64_t k = 0; k < KEYPOINTS; ++k) {
    if (fit.weight[k] > 0) seen += fit.weight[k] * bound * state.squared[k] / (bound + state.squared[k]);
  }
  for (int64_t i = 0; i < UNKNOWNS; ++i) prior += state.change[i] * state.pull[i];
  return (seen / (sigma * sigma) + prior) / 2;
}

// The Jacobian's rows at a state, and step [WIDE] := the gradient.
void linearise(Fit& fit, const State& state, float robust, float* step) {
  const BodyTables& body = fit.job.model.body;
  const WeakPerspective<float> camera(fit.job.geometry, state.weak);
  float slopes[3 * JOINTS * BETAS];  // of the posed joints from the root
  std::fill_n(slopes, 3 * BETAS, 0.0f);
  for (int64_t joint = 1; joint < JOINTS; ++joint) {
    const int64_t parent = body.parents[joint];
    const float *above = state.world + 9 * parent, *bone = fit.slopes + joint * 3 * BETAS;
    for (int64_t row = 0; row < 3; ++row) {
      for (int64_t beta = 0; beta < BETAS; ++beta) {
        slopes[(joint * 3 + row) * BETAS + beta] = slopes[(parent * 3 + row) * BETAS + beta] +
            above[3 * row] * bone[beta] + above[3 * row + 1] * bone[BETAS + beta] +
            above[3 * row + 2] * bone[2 * BETAS + beta];
      }
    }
  }
  std::copy_n(state.pull, WIDE, step);
  fit.equations.count = 0;
  for (int64_t k = 0; k < KEYPOINTS; ++k) {
    if (!(fit.weight[k] > 0)) continue;
    // The root of the weight: of Geman-McClure's function, and of the keypoint.
    const float bound = robust * robust;
    const float root = std::sqrt(fit.weight[k]) * bound / (bound + state.squared[k]) / fit.job.model.fit.sigma;
    const float* point = state.points + 3 * (JOINTS + k);
    const float inverse_root = camera.scale * camera.inverse_focal, ratio = 1 + point[2] * inverse_root;
    const float depth = std::max(ratio, camera.nearest), further = ratio > camera.nearest ? inverse_root : 0.0f;
    for (int axis = 0; axis < 2; ++axis) {
      const float across = state.square[2 * k + axis] - camera.center[axis], scaled = root / (fit.unit * depth);
      // By the point itself: along this axis, and in depth.
      const float along = camera.scale * scaled, deep = -across * further * scaled;
      float* row = fit.equations.add_row();
      for (int64_t joint = body.keypoint_bone[k];; joint = body.parents[joint]) {
        if (joint < ROTATIONS) {
          const float *world = state.world + 9 * joint, *pivot = state.points + 3 * joint;
          const float x = point[0] - pivot[0], y = point[1] - pivot[1], z = point[2] - pivot[2];
          // A turn w in the camera's frame moves the point by w x lever: gradient (w x lever) = w (lever x gradient).
          const float turn[3] = {y * deep - (axis ? z * along : 0), (axis ? 0 : z * along) - x * deep,
                                 axis ? x * along : -y * along};
          for (int column = 0; column < 3; ++column) {
            row[3 * joint + column] = world[column] * turn[0] + world[3 + column] * turn[1] + world[6 + column] * turn[2];
          }
        }
        if (joint == 0) break;
      }
      row[TURNED] = along * point[axis] + deep * point[2];
      row[TURNED + 1 + axis] = camera.scale * scaled;
      const float* slope = slopes + body.keypoint_joint[k] * 3 * BETAS;
      for (int64_t beta = 0; beta < BETAS; ++beta) {
        row[TURNED + CAMERA_CHANNELS + beta] = along * slope[axis * BETAS + beta] + deep * slope[2 * BETAS + beta];
      }
      const float residual = root * state.residual[2 * k + axis];
      for (int64_t i = 0; i < WIDE; ++i) step[i] += residual * row[i];
    }
  }
}

// next := state after a step [WIDE].
void take(const Fit& fit, const State& state, const float* step, State& next) {
  std::copy_n(state.rotations, 9 * JOINTS, next.rotations);
  for (int64_t joint = 0; joint < ROTATIONS; ++joint) turn_by(next.rotations + 9 * joint, step + 3 * joint);
  const float* moved = step + TURNED;
  next.weak[0] = state.weak[0] * std::exp(moved[0]);
  for (int axis = 0; axis < 2; ++axis) next.weak[1 + axis] = state.weak[1 + axis] + moved[1 + axis] * state.weak[0];
  for (int64_t i = 0; i < BETAS; ++i) next.betas[i] = state.betas[i] + moved[CAMERA_CHANNELS + i];
  for (int64_t i = 0; i < WIDE; ++i) next.change[i] = state.change[i] + step[i];
  evaluate(fit, next);
}

// states[0]: where the person is; returns where it ends, null for where it was.
const State* minimise(Fit& fit) {
  const KeypointFit& rules = fit.job.model.fit;
  State *now = fit.states, *next = fit.states + 1;
  evaluate(fit, *now);
  const float first = cost_of(fit, *now, rules.robust);
  float damping = LEAST_DAMPING;
  for (int64_t i = 0; i < rules.iterations; ++i) {
    const float widened = WIDEST * (1 - static_cast<float>(i) / (GRADUAL * static_cast<float>(rules.iterations)));
    const float robust = rules.robust * std::max(widened, 1.0f);
    float step[WIDE];
    linearise(fit, *now, robust, step);
    if (!fit.equations.factor(damping)) break;
    fit.equations.solve(step);
    if (!all_finite(step, WIDE)) break;
    float longest = 0;
    for (float& one : step) {
      one = std::clamp(-one, -LONGEST_STEP, LONGEST_STEP);
      longest = std::max(longest, std::abs(one));
    }
    take(fit, *now, step, *next);
    const float before = cost_of(fit, *now, robust), after = cost_of(fit, *next, robust);
    const bool better = after <= before;  // not where it is NaN
    if (better) std::swap(now, next);
    damping = better ? std::max(damping / 10, LEAST_DAMPING) : damping * 10;
    const bool still = longest < SHORT_STEP || (better && before - after <= SMALL_FALL * before);
    if (damping > MOST_DAMPING || (still && widened <= 1)) break;
  }
  return cost_of(fit, *now, rules.robust) < first ? now : nullptr;
}

}  // namespace

// A person whose evidence, or whose equations, are no good stays as it was.
void refine_people(Job& job, const float* points, const float* weight) {
  const auto fit = std::make_unique<Fit>(job);
  for (int64_t n = 0; n < job.count; ++n) {
    float *rotations = job.people.rotations + n * 9 * JOINTS, *betas = job.people.betas + n * BETAS;
    float* weak = job.people.weak_camera + 3 * n;
    bool seen = false;
    for (int64_t k = 0; k < KEYPOINTS; ++k) {
      const float *point = points + 2 * (n * KEYPOINTS + k), given = weight[n * KEYPOINTS + k];
      const bool good = given > 0 && !not_finite(given) && std::abs(point[0]) < FAR && std::abs(point[1]) < FAR;
      fit->weight[k] = good ? given : 0.0f;
      for (int axis = 0; axis < 2; ++axis) fit->target[2 * k + axis] = good ? point[axis] : 0.0f;
      seen |= good;
    }
    if (!seen) continue;
    State& start = fit->states[0];
    std::copy_n(rotations, 9 * JOINTS, start.rotations);
    std::copy_n(betas, BETAS, start.betas);
    std::copy_n(weak, 3, start.weak);
    std::fill_n(start.change, WIDE, 0.0f);
    fit->unit = weak[0];
    if (const State* end = minimise(*fit)) {
      std::copy_n(end->rotations, 9 * JOINTS, rotations);
      std::copy_n(end->betas, BETAS, betas);
      std::copy_n(end->weak, 3, weak);
    }
  }
  first_points(job);
}
