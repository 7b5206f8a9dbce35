// Surfaces of people in their places: blend shapes, then linear blend skinning (Loper et al. 2015, "SMPL: A
// Skinned Multi-Person Linear Model", equations 6-9). icl_mesh/body/surface_tables.py makes the tables.
//
// Eight people at a time, one in each lane: every number of a table is read once for all of them, and what is
// sparse (pose directions, skinning weights) costs what it holds, without gathering.
#include "native.hpp"

namespace {

constexpr int PEOPLE = 8;  // in one vector
constexpr int JOINTS = 24, BETAS = 10, AXES = 3;
constexpr int ROTATION = 9, FEATURES = (JOINTS - 1) * ROTATION;
constexpr int BONE = 12;  // of a transform: rows of the rotation and, behind each, of the translation
constexpr int TILE = 8;   // vertices that are written to each person's memory together

typedef float People __attribute__((vector_size(4 * PEOPLE)));

struct Tables {
    const float *rest;              // [V, 3]: the template
    const float *shape_directions;  // [V, 3, 10]
    const int32_t *pose_start;      // [V + 1]: where a vertex's joints begin
    const uint8_t *pose_joint;      // which rotation, without the root's
    const float *pose_directions;   // [., 3, 9]
    const int32_t *weight_start;    // [V + 1]: where a vertex's weights begin
    const uint8_t *weight_joint;
    const float *weight;
};

struct Poses {
    People betas[BETAS];
    People features[FEATURES];  // rotations minus identity
    People bones[JOINTS][BONE];
};

// Person `lane` of the block. The translation is added before the shift is rounded.
ICL_INLINE void pack(Poses &poses, int lane, const float *betas, const float *rotations, const float *joints,
                     const float *world, const float *rest, const double *translation) {
    for (int k = 0; k < BETAS; ++k) poses.betas[k][lane] = betas[k];
    for (int k = 0; k < FEATURES; ++k)
        poses.features[k][lane] = rotations[ROTATION + k] - (k % ROTATION % 4 == 0 ? 1.0f : 0.0f);
    for (int j = 0; j < JOINTS; ++j)
        for (int row = 0; row < 3; ++row) {
            const float *turn = world + 9 * j + 3 * row, *from = rest + 3 * j;
            const float turned = turn[0] * from[0] + turn[1] * from[1] + turn[2] * from[2];
            for (int column = 0; column < 3; ++column) poses.bones[j][4 * row + column][lane] = turn[column];
            const float shift = joints[3 * j + row] - turned;
            poses.bones[j][4 * row + 3][lane] = static_cast<float>(shift + translation[row]);
        }
}

ICL_INLINE void place(const Tables &tables, const Poses &poses, int64_t vertex, People *placed) {
    People unposed[AXES];
    const float *shape = tables.shape_directions + vertex * AXES * BETAS;
    for (int axis = 0; axis < AXES; ++axis) {
        unposed[axis] = People{} + tables.rest[AXES * vertex + axis];
        for (int k = 0; k < BETAS; ++k) unposed[axis] += shape[BETAS * axis + k] * poses.betas[k];
    }
    for (int32_t at = tables.pose_start[vertex]; at < tables.pose_start[vertex + 1]; ++at) {
        const People *feature = poses.features + ROTATION * tables.pose_joint[at];
        const float *directions = tables.pose_directions + static_cast<int64_t>(at) * AXES * ROTATION;
        for (int axis = 0; axis < AXES; ++axis)
            for (int k = 0; k < ROTATION; ++k) unposed[axis] += directions[ROTATION * axis + k] * feature[k];
    }
    People bone[BONE] = {};
    for (int32_t at = tables.weight_start[vertex]; at < tables.weight_start[vertex + 1]; ++at) {
        const People *one = poses.bones[tables.weight_joint[at]];
        for (int k = 0; k < BONE; ++k) bone[k] += tables.weight[at] * one[k];
    }
    for (int row = 0; row < AXES; ++row) {
        const People *turn = bone + 4 * row;
        placed[row] = turn[3] + turn[0] * unposed[0] + turn[1] * unposed[1] + turn[2] * unposed[2];
    }
}

}  // namespace

// People: betas [N, 10], rotations [N, 24, 3, 3], joints [N, 24, 3], world [N, 24, 3, 3], rest [N, 24, 3] as in
// Skeletons (icl_mesh/body/posing.py), translation [N, 3] -> placed [N, V, 3], m.
ICL_EXPORT ICL_CLONES void icl_place_surfaces(
    int64_t vertices, const float *rest, const float *shape_directions, const int32_t *pose_start,
    const uint8_t *pose_joint, const float *pose_directions, const int32_t *weight_start, const uint8_t *weight_joint,
    const float *weight, int64_t people, const float *betas, const float *rotations, const float *joints,
    const float *world, const float *rest_joints, const double *translation, float *placed) {
    const Tables tables = {rest,         shape_directions, pose_start, pose_joint, pose_directions,
                           weight_start, weight_joint,     weight};
    for (int64_t first = 0; first < people; first += PEOPLE) {
        const int present = static_cast<int>(people - first < PEOPLE ? people - first : PEOPLE);
        Poses poses = {};
        for (int lane = 0; lane < present; ++lane) {
            const int64_t n = first + lane;
            pack(poses, lane, betas + n * BETAS, rotations + n * JOINTS * 9, joints + n * JOINTS * 3,
                 world + n * JOINTS * 9, rest_joints + n * JOINTS * 3, translation + n * 3);
        }
        for (int64_t vertex = 0; vertex < vertices; vertex += TILE) {
            const int64_t size = vertices - vertex < TILE ? vertices - vertex : TILE;
            People tile[TILE * AXES];
            for (int64_t k = 0; k < size; ++k) place(tables, poses, vertex + k, tile + AXES * k);
            for (int lane = 0; lane < present; ++lane) {
                float *to = placed + ((first + lane) * vertices + vertex) * AXES;
                for (int64_t k = 0; k < size * AXES; ++k) to[k] = tile[k][lane];
            }
        }
    }
}
