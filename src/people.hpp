// Inputs and results of Reader's steps (src/people.cpp), and the steps' kernels. N people of one image, at most
// Rules::most.
#pragma once

#include "lens.hpp"
#include "simd.hpp"
#include "skeleton.hpp"

// Constants that Python passes, and the detection threshold.
struct Rules {
  double threshold;                                       // of the image
  double scale_base, max_log_scale;                       // of the camera's first channel
  double duplicate_cells, duplicate_log_ratio, duplicate_degrees;  // duplicates: the same person found twice
  double window;                                          // search window of joints, share of a person's extent
  double min_evidence, min_center, most_camera;           // of the lifter
  int64_t peak_window, search_cells, most;                // cells, cells, people
};

constexpr int LIFTER_LAYERS = 4;

// The lifter's layers, with batch norms folded.
struct Layers {
  const float* weights[LIFTER_LAYERS];  // in columns of LANES outputs: [outputs / LANES, inputs, LANES]
  const float* bias[LIFTER_LAYERS];
  int64_t inputs[LIFTER_LAYERS], outputs[LIFTER_LAYERS];  // outputs: rounded up to LANES
};

// How bodies are fitted to keypoints (src/refine.cpp).
struct KeypointFit {
  const float* precision;  // [WIDE, WIDE] of normal_equations.hpp, null without a fit
  float sigma, robust;     // error of a keypoint, and from where on it is an outlier, m of the body
  int64_t iterations;
};

// Parameters of weights and body.
struct Model {
  const float *center_projector, *joint_projector;  // [3, 64 inputs, 64 outputs]; null: features are embeddings
  BodyTables body;
  Layers layers;
  int64_t passes, kinds;  // of the lifter, 0 without one; keypoints that the backbone finds, 0 or 17
  int64_t center, keypoints, offsets, log_extent;  // channels of the features, from KeypointChannels.first on
  KeypointFit fit;
};

// Of a camera and of its image in the network's square.
struct Geometry {
  double fx, fy, cx, cy, width, height;                      // pixels
  double square_fx, square_fy, square_px, square_py, focal;  // SquareCamera
  double scale[2], offset[2], size;                          // Letterbox
  double nearest;                                            // least depth, share of the root's
};

ICL_INLINE Point square_from_px(const Geometry& g, Point px) {
  return {2 * ((px.x + 0.5) * g.scale[0] + g.offset[0]) / g.size - 1,
          2 * ((px.y + 0.5) * g.scale[1] + g.offset[1]) / g.size - 1};
}

ICL_INLINE Point px_from_square(const Geometry& g, Point square) {
  return {((square.x + 1) * g.size / 2 - g.offset[0]) / g.scale[0] - 0.5,
          ((square.y + 1) * g.size / 2 - g.offset[1]) / g.scale[1] - 0.5};
}

// InferenceMaps of one image: [C, side, side]; found: the features' channels from KeypointChannels.first on.
struct Maps {
  const float *center_heatmap, *joint_heatmaps, *camera, *center_instance, *joint_instance, *found;
  int64_t side, found_side, found_strides[4];  // image, channel, row, column, counted in numbers
};

struct People {
  int64_t *image, *cell;                               // [N], [N, 2]
  float *score, *weak_camera, *center_instance;        // [N], [N, 3], [N, 64]
  float *rotations, *betas;                            // [N, 24, 3, 3], [N, 10]
  bool* duplicate;                                     // [N]
  float *joints, *world, *rest, *square;               // Skeletons; [N, 24 + 17, 2]
  float *spread, *seen, *evidence_score;               // [N], [N, 24 + 2 * kinds, 2], [N, 24 + 2 * kinds]
  float* translation;                                  // [N, 3], what takes the body frame to the camera's, m
  double* depth;                                       // [N], of the root, m
  float *joints_m, *joints_px, *joints_square;         // [N, 24, 3], [N, 24, 2] twice
  bool* inside;                                        // [N, 24]
  float *embedding, *confidence, *center_px;           // [N, 64], [N, 24], [N, 2]
  const float* smpl;                                   // [N, 142]
};

// Which results are finite.
struct Finite {
  bool center_heatmap, camera, center_instance, smpl, rotations, joint_heatmaps, lifted, confidence;
};

struct Job {
  Rules rules;
  Model model;
  Geometry geometry;
  Lens lens;
  Maps maps;
  People people;
  int64_t count;
  Finite finite;
};

// The tables of icl_mesh/body/surface_tables.py: non-zero entries only. V vertices.
struct SurfaceTables {
  int64_t vertices;
  const float* rest;              // [V, 3]: the template
  const float* shape_directions;  // [V, 3, 10]
  const int32_t* pose_start;      // [V + 1]: where a vertex's joints begin
  const uint8_t* pose_joint;      // which rotation, without the root's
  const float* pose_directions;   // [., 3, 9]
  const int32_t* weight_start;    // [V + 1]: where a vertex's weights begin
  const uint8_t* weight_joint;
  const float* weight;
};

// Output memory of a surface and its boxes. The vertices index [P] define the boxes; all if it is null.
struct Surface {
  SurfaceTables tables;
  const int64_t* index;
  int64_t points;
  float *placed, *boxes;  // [N, V, 3], m; [N, 4], px
};

// The steps of src/people.cpp, in this order. Detection: count, image, cell, score, weak_camera, center_instance.
void find_people(Job& job);
// Their bodies, by smpl: rotations, betas, weak_camera and skeletons, without duplicates.
void fit_people(Job& job);
// Optional: fits them to keypoints. points [N, 17, 2] of the square, weight [N, 17].
void refine_people(Job& job, const float* points, const float* weight);
// Metric positions, embeddings, and confidence of joints.
void place_people(Job& job);

// Their kernels, in this order.
void read_people(Job& job);  // peaks, and what the maps hold there; sets count
void read_bodies(Job& job);  // rotations and betas of smpl; duplicate
void first_points(Job& job);  // skeletons; joints and keypoints in the square
void lift(Job& job);  // poses, shapes and cameras by the lifter; skeletons again
void place(Job& job);
void embed_centers(Job& job);
void joint_confidence(Job& job);

// Surfaces in the camera frame, and boxes around them.
void place_surfaces(const Job& job, const SurfaceTables& tables, float* placed);
void boxes_around(const Job& job, const Surface& surface);
