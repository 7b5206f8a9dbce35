// What all kernels share. Every exported function takes plain pointers and sizes, keeps nothing, allocates
// little and never throws; its Python side (icl_mesh/native.py and whoever calls it) checks shapes and types.
#pragma once

#include <cstdint>
#include <cstring>

#define ICL_EXPORT extern "C" __attribute__((visibility("default")))

// Compiled for several generations of x86 CPUs; the loader takes the best that the machine has. Elsewhere the
// compiler's baseline is enough: 64-bit ARM always has NEON.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define ICL_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ICL_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define ICL_CLONES
#endif

// What a function with ICL_CLONES calls must become part of it, to be compiled for the same CPU.
#define ICL_INLINE static inline __attribute__((always_inline))

// Sixteen numbers at once; on CPUs with shorter registers the compiler splits them. Anywhere: as they lie in memory,
// which need not be aligned.
typedef float Lanes __attribute__((vector_size(64)));
typedef float Anywhere __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int64_t LANES = sizeof(Lanes) / sizeof(float);

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
