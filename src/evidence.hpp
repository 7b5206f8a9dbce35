// Evidence: locations of joints and keypoints in heatmaps.
#pragma once

#include <cstdint>

// heatmaps [B, K, H, W] by `strides` (4, in elements), max-pooled to about search_cells per side;
// image [N]; points [N, K, 2] in square coordinates; spread [N]: the window's standard
// deviation there -> located [N, K, 2], score [N, K], NaN where a map is not finite. The steps: points from one person
// to the next.
void search_heatmaps(
    const float* heatmaps, const int64_t* strides, int64_t kinds, int64_t height, int64_t width, int64_t search_cells,
    const int64_t* image, const float* points, int64_t point_step, const float* spread, int64_t people, float* located,
    float* score, int64_t place_step);

// features [B, C, H, W] by `strides` (4, in elements); channels: centre, first of the 2 K offsets (y, x), log_extent;
// image [N], cell (x, y) [N, 2] of a map of half the size -> points [N, K, 2] in square coordinates, and one score
// for all of a person's. place_step: of both, from one person to the next.
void regressed_keypoints(
    const float* features, const int64_t* strides, int64_t height, int64_t width, const int64_t* channels,
    int64_t kinds, const int64_t* image, const int64_t* cell, int64_t people, float* points, float* score,
    int64_t place_step);
