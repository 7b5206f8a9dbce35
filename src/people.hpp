// What icl_find_people and the calls behind it (src/people.cpp) are told and fill, and the kernels that they consist
// of. The structures are those of icl_mesh/reader_structures.py, field by field. N people of one image, at most
// Rules::most.
#pragma once

#include "lens.hpp"
#include "native.hpp"
#include "skeleton.hpp"

// Constants of the Python modules, and the least score of a person.
struct Rules {
  double threshold, scale_base, max_log_scale;            // icl_mesh/decoding.py; this and the next:
  double repeat_cells, repeat_log_ratio, repeat_degrees;  // who is found twice
  double window;                                          // icl_mesh/evidence.py
  double min_evidence, min_center, most_camera;           // icl_mesh/network/lifter.py
  int64_t search_cells, most;                             // icl_mesh/evidence.py; people
};

// The lifter's layers, with batch norms folded.
struct Layers {
  const float* weights[4];  // in columns of LANES outputs: [outputs / LANES, inputs, LANES]
  const float* bias[4];
  int64_t inputs[4], outputs[4];  // outputs: rounded up to LANES
};

// What is known once the weights and the body are loaded.
struct Model {
  const float *center_projector, *joint_projector;  // [3, 64 inputs, 64 outputs]
  const BodyTables* body;
  const Layers* layers;  // null: no lifter
  int64_t passes, kinds;  // of the lifter; keypoints that the backbone finds, 0 or 17
  int64_t center, keypoints, offsets, log_extent;  // channels of the features, from KeypointChannels::first on
};

// Of a camera and of its image in the network's square.
struct Geometry {
  double fx, fy, cx, cy, width, height;                      // pixels
  double square_fx, square_fy, square_px, square_py, focal;  // SquareCamera
  double scale[2], offset[2], size;                          // Letterbox
  double nearest;                                            // MIN_DEPTH_RATIO of icl_mesh/camera.py
};

ICL_INLINE Point square_from_px(const Geometry& g, Point px) {
  return {2 * ((px.x + 0.5) * g.scale[0] + g.offset[0]) / g.size - 1,
          2 * ((px.y + 0.5) * g.scale[1] + g.offset[1]) / g.size - 1};
}

ICL_INLINE Point px_from_square(const Geometry& g, Point square) {
  return {((square.x + 1) * g.size / 2 - g.offset[0]) / g.scale[0] - 0.5,
          ((square.y + 1) * g.size / 2 - g.offset[1]) / g.scale[1] - 0.5};
}

// InferenceMaps of one image: [C, side, side]; found: the features' channels from KeypointChannels::first on.
struct Maps {
  const float *center_heatmap, *joint_heatmaps, *camera, *center_instance, *joint_instance, *found;
  int64_t side, found_side, found_strides[4];  // image, channel, row, column, counted in numbers
};

struct People {
  int64_t *image, *cell;                               // [N], [N, 2]
  float *score, *weak, *center_instance;               // [N], [N, 3], [N, 64]
  float *rotations, *betas;                            // [N, 24, 3, 3], [N, 10]
  uint8_t* repeats;                                    // [N]
  float *joints, *world, *rest, *square;               // Skeletons; [N, 24 + 17, 2]
  float *spread, *seen, *strength;                     // [N], [N, 24 + 2 * kinds, 2], [N, 24 + 2 * kinds]
  float* translation;                                  // [N, 3]; this and the next as of icl_mesh.placement.Placed
  double* depth;                                       // [N]
  float *joints_m, *joints_px, *joints_square;         // [N, 24, 3], [N, 24, 2] twice
  uint8_t* inside;                                     // [N, 24]
  float *embedding, *confidence, *center_px;           // [N, 64], [N, 24], [N, 2]
  const float* smpl;                                   // [N, 142]
};

// Which results are finite.
struct Finite {
  uint8_t center_heatmap, camera, center_instance, smpl, rotations, joint_heatmaps, lifted, confidence;
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

// A surface as icl_mesh/body/surface_tables.py lists it: nothing that is zero. V vertices.
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

// Where it is wanted, and boxes around it: around the points of index [P], or of all where that is null.
struct Surface {
  SurfaceTables tables;
  const int64_t* index;
  int64_t points;
  float *placed, *boxes;  // [N, V, 3], m; [N, 4], px
};

// The steps, in this order; each reads what those before it have filled.
void read_people(Job& job);  // peaks, and what the maps hold there; sets count
void read_bodies(Job& job);  // rotations and betas of smpl; repeats
void first_points(Job& job);  // skeletons; joints and keypoints in the square
void lift(Job& job);  // poses, shapes and cameras by what was seen; skeletons again
void place(Job& job);
void embed_centers(Job& job);
void joint_confidence(Job& job);
void place_surfaces(const Job& job, const SurfaceTables& tables, float* placed);
void boxes_around(const Job& job, const Surface& surface);

ICL_EXPORT void icl_find_seen(
    const float* heatmaps, const int64_t* strides, int64_t kinds, int64_t height, int64_t width, int64_t search_cells,
    const int64_t* image, const float* points, int64_t point_step, const float* spread, int64_t people, float* places,
    float* strength, int64_t place_step);
ICL_EXPORT void icl_regressed_keypoints(
    const float* features, const int64_t* strides, int64_t height, int64_t width, const int64_t* channels,
    int64_t kinds, const int64_t* image, const int64_t* cell, int64_t people, float* points, float* strength,
    int64_t place_step);
