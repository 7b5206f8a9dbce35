// Surfaces of people in the camera frame: blend shapes, then linear blend skinning (Loper et al. 2015, "SMPL: A
// Skinned Multi-Person Linear Model", equations 6-9). icl_mesh/body/surface_tables.py makes the tables.
//
// TOGETHER people per block, one in each lane: each table entry is read once per block. Sparse tables (pose directions,
// skinning weights) need no gather.
#include "people.hpp"

namespace {

constexpr int TOGETHER = LANES < 8 ? LANES : 8, AXES = 3;
constexpr int ROTATION = 9, FEATURES = (JOINTS - 1) * ROTATION;
constexpr int BONE = 12;  // of a transform: rows of the rotation and, behind each, of the translation
constexpr int TILE = 8;   // vertices written to each person's memory together

typedef float Crowd __attribute__((vector_size(4 * TOGETHER)));  // one number of each person of a block

struct Poses {
  Crowd betas[BETAS];
  Crowd features[FEATURES];  // rotations minus identity
  Crowd bones[JOINTS][BONE];
};

// Person n becomes `lane` of the block. The translation is added before the shift is rounded.
ICL_INLINE void pack(Poses& poses, int lane, const People& people, int64_t n) {
  const float *betas = people.betas + n * BETAS, *rotations = people.rotations + n * JOINTS * ROTATION;
  const float *joints = people.joints + n * JOINTS * 3, *world = people.world + n * JOINTS * 9;
  const float *rest = people.rest + n * JOINTS * 3, *translation = people.translation + n * 3;
  for (int k = 0; k < BETAS; ++k) poses.betas[k][lane] = betas[k];
  for (int k = 0; k < FEATURES; ++k)
    poses.features[k][lane] = rotations[ROTATION + k] - (k % ROTATION % 4 == 0 ? 1.0f : 0.0f);
  for (int j = 0; j < JOINTS; ++j)
    for (int row = 0; row < 3; ++row) {
      const float *rotation = world + 9 * j + 3 * row, *from = rest + 3 * j;
      const float rotated = rotation[0] * from[0] + rotation[1] * from[1] + rotation[2] * from[2];
      for (int column = 0; column < 3; ++column) poses.bones[j][4 * row + column][lane] = rotation[column];
      const float shift = joints[3 * j + row] - rotated;
      poses.bones[j][4 * row + 3][lane] = static_cast<float>(shift + static_cast<double>(translation[row]));
    }
}

ICL_INLINE void place_vertex(const SurfaceTables& tables, const Poses& poses, int64_t vertex, Crowd* placed) {
  Crowd unposed[AXES];
  const float* shape = tables.shape_directions + vertex * AXES * BETAS;
  for (int axis = 0; axis < AXES; ++axis) {
    unposed[axis] = Crowd{} + tables.rest[AXES * vertex + axis];
    for (int k = 0; k < BETAS; ++k) unposed[axis] += shape[BETAS * axis + k] * poses.betas[k];
  }
  for (int32_t at = tables.pose_start[vertex]; at < tables.pose_start[vertex + 1]; ++at) {
    const Crowd* feature = poses.features + ROTATION * tables.pose_joint[at];
    const float* directions = tables.pose_directions + static_cast<int64_t>(at) * AXES * ROTATION;
    for (int axis = 0; axis < AXES; ++axis)
      for (int k = 0; k < ROTATION; ++k) unposed[axis] += directions[ROTATION * axis + k] * feature[k];
  }
  Crowd bone[BONE] = {};
  for (int32_t at = tables.weight_start[vertex]; at < tables.weight_start[vertex + 1]; ++at) {
    const Crowd* one = poses.bones[tables.weight_joint[at]];
    for (int k = 0; k < BONE; ++k) bone[k] += tables.weight[at] * one[k];
  }
  for (int row = 0; row < AXES; ++row) {
    const Crowd* rotation = bone + 4 * row;
    placed[row] = rotation[3] + rotation[0] * unposed[0] + rotation[1] * unposed[1] + rotation[2] * unposed[2];
  }
}

}  // namespace

// Vertices of all people: placed [N, V, 3], m.
void place_surfaces(const Job& job, const SurfaceTables& tables, float* placed) {
  for (int64_t first = 0; first < job.count; first += TOGETHER) {
    const int present = static_cast<int>(job.count - first < TOGETHER ? job.count - first : TOGETHER);
    Poses poses = {};
    for (int lane = 0; lane < present; ++lane) pack(poses, lane, job.people, first + lane);
    for (int64_t vertex = 0; vertex < tables.vertices; vertex += TILE) {
      const int64_t size = tables.vertices - vertex < TILE ? tables.vertices - vertex : TILE;
      Crowd tile[TILE * AXES];
      for (int64_t k = 0; k < size; ++k) place_vertex(tables, poses, vertex + k, tile + AXES * k);
      for (int lane = 0; lane < present; ++lane) {
        float* to = placed + ((first + lane) * tables.vertices + vertex) * AXES;
        for (int64_t k = 0; k < size * AXES; ++k) to[k] = tile[k][lane];
      }
    }
  }
}
