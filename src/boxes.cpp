// Boxes around bodies in a pinhole's image: the projection of Camera.project_bodies (icl_mesh/camera.py), of which
// only the ends are kept.
#include "native.hpp"

#include <algorithm>
#include <limits>

// vertices [N, V, 3], m, of which index [P] are looked at, or all where it is null (P = V). root_depth [N], m: no depth
// is taken for less than `ratio` of it. Camera in px. boxes [N, 4]: x0 y0 x1 y1, px, clipped to the image's pixels.
ICL_EXPORT void icl_boxes(int64_t people, int64_t vertices, const float *vertex, int64_t points, const int64_t *index,
                          const double *root_depth, double ratio, double fx, double fy, double cx, double cy,
                          int64_t width, int64_t height, float *boxes) {
    constexpr double far = std::numeric_limits<double>::infinity();
    const double right = static_cast<double>(width - 1), bottom = static_cast<double>(height - 1);
    for (int64_t n = 0; n < people; ++n) {
        const double nearest = ratio * root_depth[n];
        double x0 = far, y0 = far, x1 = -far, y1 = -far;
        for (int64_t k = 0; k < points; ++k) {
            const float *point = vertex + 3 * (n * vertices + (index ? index[k] : k));
            const double inverse = 1 / std::max(static_cast<double>(point[2]), nearest);
            const double x = fx * point[0] * inverse + cx, y = fy * point[1] * inverse + cy;
            x0 = std::min(x0, x), x1 = std::max(x1, x);
            y0 = std::min(y0, y), y1 = std::max(y1, y);
        }
        const double box[4] = {x0, y0, x1, y1};
        for (int side = 0; side < 4; ++side)
            boxes[4 * n + side] = static_cast<float>(std::clamp(box[side], 0.0, side % 2 ? bottom : right));
    }
}
