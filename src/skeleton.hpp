// A posed skeleton by forward kinematics, and the keypoints that its bones carry.
#pragma once

#include "constants.hpp"
#include "simd.hpp"

// Of a body model.
struct BodyTables {
  const float* rest;             // [24, 3], joints of the mean shape
  const float* rest_directions;  // [10, 24, 3]
  const int64_t* parents;        // [24]; a parent comes before its children
  const int64_t* keypoint_joint;  // [17]
  const int64_t* keypoint_bone;   // [17]
  const float* keypoint_offset;   // [17, 3]
};

// Of one person: joints [24, 3] and world rotations [24, 3, 3] of bones, joints at rest [24, 3].
struct Skeleton {
  float *joints, *world, *rest;
};

ICL_INLINE void rotate(const float* matrix, const float* vector, float* result) {
  for (int row = 0; row < 3; ++row) {
    const float* of = matrix + 3 * row;
    result[row] = of[0] * vector[0] + of[1] * vector[1] + of[2] * vector[2];
  }
}

// betas [10], rotations [24, 3, 3] relative to the parent.
ICL_INLINE void pose_skeleton(const BodyTables& body, const float* betas, const float* rotations, Skeleton posed) {
  for (int64_t i = 0; i < 3 * JOINTS; ++i) posed.rest[i] = body.rest[i];
  for (int64_t beta = 0; beta < BETAS; ++beta) {
    const float* direction = body.rest_directions + beta * 3 * JOINTS;
    for (int64_t i = 0; i < 3 * JOINTS; ++i) posed.rest[i] += betas[beta] * direction[i];
  }
  for (int i = 0; i < 9; ++i) posed.world[i] = rotations[i];
  for (int i = 0; i < 3; ++i) posed.joints[i] = posed.rest[i];
  for (int64_t joint = 1; joint < JOINTS; ++joint) {
    const int64_t parent = body.parents[joint];
    const float *above = posed.world + 9 * parent, *rotation = rotations + 9 * joint;
    float bone[3], step[3];
    for (int axis = 0; axis < 3; ++axis) bone[axis] = posed.rest[3 * joint + axis] - posed.rest[3 * parent + axis];
    rotate(above, bone, step);
    for (int axis = 0; axis < 3; ++axis) posed.joints[3 * joint + axis] = posed.joints[3 * parent + axis] + step[axis];
    for (int row = 0; row < 3; ++row) {
      for (int column = 0; column < 3; ++column) {
        posed.world[9 * joint + 3 * row + column] = above[3 * row] * rotation[column] +
            above[3 * row + 1] * rotation[3 + column] + above[3 * row + 2] * rotation[6 + column];
      }
    }
  }
}

// Joints, then keypoints of a skeleton, relative to its root [24 + 17, 3].
ICL_INLINE void body_points(const BodyTables& body, Skeleton posed, float* points) {
  for (int64_t i = 0; i < JOINTS; ++i) {
    for (int axis = 0; axis < 3; ++axis) points[3 * i + axis] = posed.joints[3 * i + axis] - posed.joints[axis];
  }
  for (int64_t i = 0; i < KEYPOINTS; ++i) {
    float* point = points + 3 * (JOINTS + i);
    rotate(posed.world + 9 * body.keypoint_bone[i], body.keypoint_offset + 3 * i, point);
    for (int axis = 0; axis < 3; ++axis) point[axis] += points[3 * body.keypoint_joint[i] + axis];
  }
}
