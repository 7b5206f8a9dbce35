// The kernels that Python calls directly. They take plain pointers and sizes, have no state and never throw;
// src/bindings checks types and shapes. N people.
#pragma once

#include <cstdint>

#include "lens.hpp"

// A camera image -> the network's input. image: bytes [height, width, 3], rows `stride` bytes apart (of either sign),
// channels RGB, or `backwards` BGR; planes: floats [3, size, size] to fill, RGB, with a window [inner_height,
// inner_width] at (left, top); tones: floats [3, 3], rows: factor of a byte, offset, and the normalised
// padding; columns: RGB.
void letterbox(const uint8_t* image, int64_t stride, int64_t width, int64_t height, bool backwards, float* planes,
               int64_t size, int64_t inner_width, int64_t inner_height, int64_t left, int64_t top, const float* tones);

// matrices [N, 3, 3] -> unit quaternions (x, y, z, w) [N, 4] and rotation vectors [N, 3], rad, angles up to pi.
void quaternions_and_rotvecs(const float* matrices, int64_t count, double* quaternions, double* vectors);

// points: corner_count times 24 bytes, at any address. vertices [vertex_count, 3], m; corners: rows of them, clipped to
// the existing ones.
void marker_points(const float* vertices, int64_t vertex_count, const int64_t* corners, int64_t corner_count,
                   unsigned char* points);

// Maps [B, C, h, w] of the network, features [B, 2 h, 2 w, depth].
struct PatchMaps {
  int64_t height, width, joints, instance, depth;
  const float *center_heatmap, *center_instance, *joint_heatmaps, *joint_instance, *features;
};

// near [N, 23, 23, depth], center_hints [N, 1 + instance, 11, 11], joint_hints [N, joints + instance, 11, 11], inside
// [N, 1, 11, 11]: outputs.
struct Patches {
  float *near, *center_hints, *joint_hints, *inside;
};

// Around cells (x, y) [N, 2] of the images [N].
void cut_patches(const PatchMaps& maps, int64_t people, const int64_t* image, const int64_t* cell, const Patches& patches);

// Body parts with colours; largest number of sample points per person.
constexpr int64_t COLOR_PARTS = 3, MOST_COLOR_POINTS = 512;

// Sample points of a person's colours. pairs [K, 2]: joints; midway between them the image is sampled on a grid [G, 2]
// of steps in units of the trunk. lengths [P]: pairs of each part, in order. linear [256]: linear light of a byte.
struct ColorPlan {
  const int64_t* pairs;
  const double* grid;
  const int64_t* lengths;
  const float* linear;
  int64_t pair_count, step_count, part_count;
};

// Colours [N, P, 3], L*a*b*, and their weights [N, P]. image [height, width, 3] u8: RGB, or BGR
// (backwards). joints [N, 24, 2] px; confidence [N, 24].
void part_colors(const uint8_t* image, int64_t width, int64_t height, bool backwards, const float* joints,
                 const float* confidence, int64_t people, const ColorPlan& plan, float least_weight, float* colors,
                 float* seen);

// Of one measured position: shares of the distance, and the least one, m.
struct Errors {
  double depth, measured_depth, lateral, least_m;
};

// Constant-velocity Kalman filters of T people (icl_mesh/tracking/kalman.py). mean [T, 6]: position (m) and velocity
// (m/s), covariance [T, 6, 6]. Predicts them by `seconds`; acceleration: m/s^2, of the white noise.
void predict_motion(const double* mean, const double* covariance, int64_t tracks, double seconds, double acceleration,
                    double* new_mean, double* new_covariance);

// Takes in a measured position of each person: the first of the joints [T, 24, 3], m. measured [T]: as in pair_costs.
void correct_motion(const Errors& errors, const double* mean, const double* covariance, const float* joints,
                    const bool* measured, int64_t tracks, double* new_mean, double* new_covariance);

// Constants that Python passes.
struct PairRules {
  Errors errors;
  double gate, space_weight, image_weight, color_range, reliable_weight, nearest;
};

// T tracks or N detections. joints [., 24, 3], m: the pelvis is the first; center [., 2] and box [., 4] px; embedding
// [., 64]; color [., 3, 3], L*a*b*, and weight [., 3] of the parts of the body.
struct PairSide {
  const float *joints, *center, *box, *embedding, *color, *weight;
};

// cost [T, N], and squared Mahalanobis distance [T, N]. mean [T, 6], covariance [T, 6, 6]: the tracks' filters.
// lens and focal lengths, px: the people's camera. unseen [T]: half-lives since a track was seen.
// measured [N]: people with a distance from a depth image.
void pair_costs(const PairRules& rules, const double* mean, const double* covariance, const Lens& lens, double focal_x,
                double focal_y, const double* unseen, const PairSide& tracks, int64_t track_count,
                const PairSide& people, const bool* measured, int64_t people_count, double embedding_weight,
                double color_weight, double* cost, double* distance);
