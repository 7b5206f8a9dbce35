// SIMD helpers of all kernels. The module is compiled once per CPU level (src/CMakeLists.txt), with lanes as wide as the
// level's registers.
#pragma once

#include <cstdint>
#include <cstring>

// For functions that are called per number or pixel.
#define ICL_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int64_t LANES = 16;
#elif defined(__AVX__)
constexpr int64_t LANES = 8;
#else
constexpr int64_t LANES = 4;  // SSE2 of every x86-64 CPU, NEON of every 64-bit ARM
#endif

// A vector of LANES numbers. Anywhere: unaligned in memory.
typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef float Anywhere __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

ICL_INLINE const Anywhere& lanes_at(const float* numbers) { return *reinterpret_cast<const Anywhere*>(numbers); }
ICL_INLINE Anywhere& lanes_at(float* numbers) { return *reinterpret_cast<Anywhere*>(numbers); }

// 1 for NaN and infinity, else 0; a loop over it vectorises.
ICL_INLINE int32_t not_finite(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7f800000) == 0x7f800000;
}

ICL_INLINE bool all_finite(const float* values, int64_t count) {
  int32_t broken = 0;
  for (int64_t i = 0; i < count; ++i) broken |= not_finite(values[i]);
  return !broken;
}
