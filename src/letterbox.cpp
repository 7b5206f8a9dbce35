// A camera image -> the network's input, in one pass: letterboxed (icl_mesh/geometry/letterbox.py), normalised, in planes.
//
// Every new pixel is a weighted mean of old ones: of those that it covers where an axis shrinks, of its two neighbours
// where it grows. The first pass is vertical, over whole rows, which vectorises. The second is horizontal, one pixel at
// a time: 3 channels and an unused number fill a SIMD register. Both passes process a few new rows together, so that
// the intermediate rows stay in the cache.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels.hpp"
#include "simd.hpp"

namespace {

constexpr int64_t CHANNELS = 3;
constexpr int64_t ROWS = 4;          // new rows per block: they share the loaded weights of the columns
constexpr int64_t BLOCK = 1024;      // numbers of a row that are summed together
constexpr int64_t MOST_BYTES = 257;  // the sum of so many bytes fits 16 bits
constexpr int64_t CACHE_LINE = 64;   // bytes

// A pixel's channels in memory order, and an unused number.
typedef float Pixel __attribute__((vector_size(16)));

// The old rows (or columns) of which a new one is the mean: `count` whole ones from `begin` on have the weight `share`;
// the ones before and after are covered in part, or have weight 0 and may lie outside the image.
struct Mean {
  int64_t begin, count;
  float share, before, after;
};

// The new one covers [index, index + 1) * from / to of the old ones; counted in whole numbers, as 1 / to of an old one.
Mean area_mean(int64_t index, int64_t from, int64_t to) {
  const int64_t start = index * from, stop = start + from;
  const int64_t begin = (start + to - 1) / to, end = stop / to;
  const float part = 1.0f / static_cast<float>(from);
  return {begin, end - begin, static_cast<float>(to) * part, static_cast<float>(begin * to - start) * part,
          static_cast<float>(stop - end * to) * part};
}

// Between the centres of two old ones; beyond the first and the last centre these are repeated (cv2.INTER_LINEAR).
Mean linear_mean(int64_t index, int64_t from, int64_t to) {
  const double centre = (static_cast<double>(index) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
  const double inside = std::min(std::max(centre, 0.0), static_cast<double>(from - 1));
  const int64_t first = static_cast<int64_t>(inside);
  const float after = static_cast<float>(inside - static_cast<double>(first));
  return {first + 1, 0, 0.0f, 1.0f - after, after};
}

std::vector<Mean> means(int64_t from, int64_t to) {
  std::vector<Mean> result(static_cast<size_t>(to));
  for (int64_t index = 0; index < to; ++index)
    result[index] = from < to ? linear_mean(index, from, to) : area_mean(index, from, to);
  return result;
}

// The same of columns, written out: weights [w, taps] of the old ones from begin [w] on, all inside of the image.
struct Columns {
  int64_t taps;
  std::vector<int64_t> begin;
  std::vector<float> weights;
};

Columns columns_of(int64_t from, int64_t to) {
  Columns columns = {1, {}, {}};
  const std::vector<Mean> all = means(from, to);
  for (const Mean& mean : all) columns.taps = std::max(columns.taps, mean.count + (mean.before > 0) + (mean.after > 0));
  columns.begin.resize(all.size());
  columns.weights.resize(all.size() * static_cast<size_t>(columns.taps));
  float* weights = columns.weights.data();
  for (size_t x = 0; x < all.size(); ++x, weights += columns.taps) {
    const Mean& mean = all[x];
    const int64_t begin = std::min(mean.begin - (mean.before > 0), from - columns.taps);
    columns.begin[x] = begin;
    std::fill_n(weights + (mean.begin - begin), mean.count, mean.share);
    if (mean.before > 0) weights[mean.begin - 1 - begin] = mean.before;
    if (mean.after > 0) weights[mean.begin + mean.count - begin] = mean.after;
  }
  return columns;
}

// Sums [n] of 1 to 257 rows of bytes; three at a time, to load and store the sums less often.
ICL_INLINE void add_rows(const uint8_t* rows, int64_t stride, int64_t count, int64_t n, uint16_t* __restrict sums) {
  const uint8_t *first = rows, *second = rows + stride, *third = second + stride;
  int64_t done = (count - 1) % 3 + 1;
  if (done == 3) {
    for (int64_t i = 0; i < n; ++i) sums[i] = static_cast<uint16_t>(first[i] + second[i] + third[i]);
  } else if (done == 2) {
    for (int64_t i = 0; i < n; ++i) sums[i] = static_cast<uint16_t>(first[i] + second[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) sums[i] = first[i];
  }
  for (; done < count; done += 3) {
    first = rows + done * stride, second = first + stride, third = second + stride;
    for (int64_t i = 0; i < n; ++i) sums[i] = static_cast<uint16_t>(sums[i] + first[i] + second[i] + third[i]);
  }
}

// A new row downwards: bytes [n] of each old row -> floats [n], 0 to 255.
ICL_INLINE void mean_of_rows(const uint8_t* image, int64_t stride, const Mean& mean, int64_t n, float* __restrict row) {
  const float share = mean.share, at_before = mean.before, at_after = mean.after;
  for (int64_t start = 0; start < n; start += BLOCK) {
    const int64_t length = std::min(BLOCK, n - start), count = std::min(mean.count, MOST_BYTES);
    float* __restrict target = row + start;
    const uint8_t* whole = image + mean.begin * stride + start;
    const uint8_t *before = whole - stride, *after = whole + mean.count * stride;
    uint16_t sums[BLOCK];
    if (count > 0) {
      add_rows(whole, stride, count, length, sums);
    } else {
      std::memset(sums, 0, sizeof sums);
    }
    if (at_before > 0 && at_after > 0) {
      for (int64_t i = 0; i < length; ++i) target[i] = share * sums[i] + at_before * before[i] + at_after * after[i];
    } else if (at_before > 0) {
      for (int64_t i = 0; i < length; ++i) target[i] = share * sums[i] + at_before * before[i];
    } else if (at_after > 0) {
      for (int64_t i = 0; i < length; ++i) target[i] = share * sums[i] + at_after * after[i];
    } else {
      for (int64_t i = 0; i < length; ++i) target[i] = share * sums[i];
    }
    for (int64_t done = count; done < mean.count; done += MOST_BYTES) {
      add_rows(whole + done * stride, stride, std::min(mean.count - done, MOST_BYTES), length, sums);
      for (int64_t i = 0; i < length; ++i) target[i] += share * sums[i];
    }
  }
}

// Prefetch during computation: so many cache lines at each of the first `steps` steps.
struct Fetch {
  const uint8_t* from;
  int64_t steps, lines;
};

// Prefetches the rows of new rows [first, last] in n steps. Nothing for small images, and for rows far apart in memory,
// where it does not pay.
ICL_INLINE Fetch fetch_rows(const uint8_t* image, int64_t stride, int64_t width, const Mean& first, const Mean& last,
                            int64_t n) {
  const int64_t row = std::abs(stride), begin = first.begin - (first.before > 0);
  const int64_t count = last.begin + last.count + (last.after > 0) - begin;
  if (width < n || row > 2 * CHANNELS * width) return {image, 0, 0};
  const int64_t lines = count * row / CACHE_LINE, at_once = (lines + n - 1) / n;
  const int64_t lowest = stride > 0 ? begin : begin + count - 1;
  return {image + lowest * stride, at_once > 0 ? lines / at_once : 0, at_once};
}

ICL_INLINE Pixel load(const float* from) {
  Pixel pixel;
  std::memcpy(&pixel, from, sizeof pixel);
  return pixel;
}

// New rows across: floats [ROWS, length] -> normalised pixels [ROWS, w, 4]. TAPS: the columns' taps, 0: any.
template <int64_t TAPS>
ICL_INLINE void mean_of_columns(const float* rows, int64_t length, const Columns& columns, Pixel scale, Pixel shift,
                                const Fetch& fetch, float* __restrict pixels) {
  const int64_t taps = TAPS > 0 ? TAPS : columns.taps, n = static_cast<int64_t>(columns.begin.size());
  const int64_t *begin = columns.begin.data(), steps = fetch.steps, lines = fetch.lines;
  const float* weights = columns.weights.data();
  const uint8_t* from = fetch.from;
  for (int64_t x = 0; x < n; ++x) {
    if (x < steps)
      for (int64_t line = 0; line < lines; ++line) __builtin_prefetch(from + (x * lines + line) * CACHE_LINE, 0, 2);
    const float* column = rows + CHANNELS * begin[x];
    Pixel sums[ROWS] = {};
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t row = 0; row < ROWS; ++row)
        sums[row] += weights[x * taps + tap] * load(column + row * length + CHANNELS * tap);
    for (int64_t row = 0; row < ROWS; ++row) {
      const Pixel normalised = sums[row] * scale + shift;
      std::memcpy(pixels + 4 * (row * n + x), &normalised, sizeof normalised);
    }
  }
}

ICL_INLINE void mean_of_columns(const float* rows, int64_t length, const Columns& columns, Pixel scale, Pixel shift,
                                const Fetch& fetch, float* __restrict pixels) {
  switch (columns.taps) {
    case 1: return mean_of_columns<1>(rows, length, columns, scale, shift, fetch, pixels);
    case 2: return mean_of_columns<2>(rows, length, columns, scale, shift, fetch, pixels);
    case 3: return mean_of_columns<3>(rows, length, columns, scale, shift, fetch, pixels);
    case 4: return mean_of_columns<4>(rows, length, columns, scale, shift, fetch, pixels);
    case 5: return mean_of_columns<5>(rows, length, columns, scale, shift, fetch, pixels);
    default: return mean_of_columns<0>(rows, length, columns, scale, shift, fetch, pixels);
  }
}

// Where the image goes: planes [size, size] in the order of its channels, from number `start` on; how it is normalised.
struct Window {
  float* planes[CHANNELS];
  int64_t size, start;
  Pixel scale, shift;
};

void fill_window(const uint8_t* image, int64_t stride, int64_t image_width, const std::vector<Mean>& rows,
                            const Columns& columns, const Window& window) {
  const int64_t height = static_cast<int64_t>(rows.size()), width = static_cast<int64_t>(columns.begin.size());
  const int64_t numbers = CHANNELS * image_width, length = numbers + 1;  // one behind the last pixel
  std::vector<float> means(static_cast<size_t>(ROWS * length)), pixels(static_cast<size_t>(ROWS * width * 4));
  for (int64_t y = 0; y < height; y += ROWS) {
    const int64_t count = std::min(ROWS, height - y), next = y + count;
    for (int64_t row = 0; row < count; ++row)
      mean_of_rows(image, stride, rows[y + row], numbers, means.data() + row * length);
    Fetch fetch = {};
    if (next < height)
      fetch = fetch_rows(image, stride, image_width, rows[next], rows[std::min(next + ROWS, height) - 1], width);
    mean_of_columns(means.data(), length, columns, window.scale, window.shift, fetch, pixels.data());
    for (int64_t row = 0; row < count; ++row) {
      const float* from = pixels.data() + row * width * 4;
      const int64_t at = window.start + (y + row) * window.size;
      float *__restrict first = window.planes[0] + at, *__restrict second = window.planes[1] + at;
      float* __restrict third = window.planes[2] + at;
      for (int64_t x = 0; x < width; ++x) {
        first[x] = from[4 * x];
        second[x] = from[4 * x + 1];
        third[x] = from[4 * x + 2];
      }
    }
  }
}

// Fills the padding around the window [height, width] at (left, top) of a plane [size, size].
void fill_padding(float* plane, int64_t size, int64_t width, int64_t height, int64_t left, int64_t top, float value) {
  std::fill(plane, plane + top * size, value);
  for (float* row = plane + top * size; width < size && row < plane + (top + height) * size; row += size) {
    std::fill(row, row + left, value);
    std::fill(row + left + width, row + size, value);
  }
  std::fill(plane + (top + height) * size, plane + size * size, value);
}

}  // namespace

void letterbox(const uint8_t* image, int64_t stride, int64_t width, int64_t height, bool backwards, float* planes,
               int64_t size, int64_t inner_width, int64_t inner_height, int64_t left, int64_t top, const float* tones) {
  Window window = {{}, size, top * size + left, {}, {}};
  for (int64_t channel = 0; channel < CHANNELS; ++channel) {
    float* plane = planes + channel * size * size;
    fill_padding(plane, size, inner_width, inner_height, left, top, tones[2 * CHANNELS + channel]);
    const int64_t stored = backwards ? CHANNELS - 1 - channel : channel;
    window.planes[stored] = plane;
    window.scale[stored] = tones[channel];
    window.shift[stored] = tones[CHANNELS + channel];
  }
  fill_window(image, stride, width, means(height, inner_height), columns_of(width, inner_width), window);
}
