// The steps between the network and the surfaces of an image's people. They share one call, because a call from Python
// takes longer than most of them.
#include "people.hpp"

#include "evidence.hpp"

#include <algorithm>
#include <cmath>

namespace {

constexpr int64_t POINTS = JOINTS + KEYPOINTS;

// Keeps the rows of people that are not duplicates.
void drop_duplicates(Job& job) {
  const People& people = job.people;
  int64_t kept = 0;
  for (int64_t n = 0; n < job.count; ++n) {
    if (people.duplicate[n]) continue;
    if (kept < n) {
      const auto move = [n, kept](auto* rows, int64_t length) {
        std::copy_n(rows + n * length, length, rows + kept * length);
      };
      move(people.image, 1), move(people.cell, 2), move(people.score, 1), move(people.weak_camera, 3);
      move(people.center_instance, INSTANCE_CHANNELS), move(people.rotations, 9 * JOINTS), move(people.betas, BETAS);
    }
    ++kept;
  }
  job.count = kept;
}

// Evidence of people around their first poses.
void gather_evidence(Job& job) {
  const People& people = job.people;
  const Maps& maps = job.maps;
  const Model& model = job.model;
  const int64_t observed = JOINTS + 2 * model.kinds;
  for (int64_t n = 0; n < job.count; ++n) {
    const float* joints = people.square + 2 * POINTS * n;
    float least[2] = {joints[0], joints[1]}, most[2] = {joints[0], joints[1]};
    for (int64_t i = 2; i < 2 * JOINTS; ++i) {
      least[i % 2] = std::min(least[i % 2], joints[i]);
      most[i % 2] = std::max(most[i % 2], joints[i]);
    }
    const float extent = std::hypot(most[0] - least[0], most[1] - least[1]);
    people.spread[n] = static_cast<float>(job.rules.window) * std::max(extent, 1e-3f);
  }
  const int64_t side = maps.side, cells = side * side, strides[4] = {JOINTS * cells, cells, side, 1};
  search_heatmaps(
      maps.joint_heatmaps, strides, JOINTS, side, side, job.rules.search_cells, people.image, people.square, POINTS,
      people.spread, job.count, people.seen, people.evidence_score, observed);
  for (int64_t n = 0; n < job.count; ++n) {
    job.finite.joint_heatmaps &= all_finite(people.evidence_score + n * observed, JOINTS);
  }
  if (!model.kinds || !job.finite.joint_heatmaps) return;
  const float* keypoints = maps.found + model.keypoints * maps.found_strides[1];
  float *seen = people.seen + 2 * JOINTS, *score = people.evidence_score + JOINTS;
  search_heatmaps(
      keypoints, maps.found_strides, model.kinds, maps.found_side, maps.found_side, job.rules.search_cells,
      people.image, people.square + 2 * JOINTS, POINTS, people.spread, job.count, seen, score, observed);
  const int64_t channels[3] = {model.center, model.offsets, model.log_extent};
  regressed_keypoints(
      maps.found, maps.found_strides, maps.found_side, maps.found_side, channels, model.kinds, people.image,
      people.cell, job.count, seen + 2 * model.kinds, score + model.kinds, observed);
}

// Centres of people's cells, in pixels of the image.
void center_pixels(Job& job) {
  const double side = static_cast<double>(job.maps.side);
  for (int64_t n = 0; n < job.count; ++n) {
    const int64_t* cell = job.people.cell + 2 * n;
    const double x = static_cast<double>(cell[0]) + 0.5, y = static_cast<double>(cell[1]) + 0.5;
    const Point px = px_from_square(job.geometry, {x / side * 2 - 1, y / side * 2 - 1});
    job.people.center_px[2 * n] = static_cast<float>(px.x);
    job.people.center_px[2 * n + 1] = static_cast<float>(px.y);
  }
}

}  // namespace

void find_people(Job& job) {
  job.finite = {true, true, true, true, true, true, true, true};
  read_people(job);
}

void fit_people(Job& job) {
  read_bodies(job);
  if (!job.finite.smpl || !job.finite.rotations) return;
  drop_duplicates(job);
  first_points(job);
  if (job.model.passes == 0) return;
  gather_evidence(job);
  if (job.finite.joint_heatmaps) lift(job);
}

void place_people(Job& job) {
  place(job);
  embed_centers(job);
  joint_confidence(job);
  center_pixels(job);
}
