/* SIMD vectors of float32, and memory for them.
 *
 * A vec holds LANES consecutive channels. GCC's vector extension maps it to the registers of the
 * machine. Vectors need no alignment. Matrix products work on tiles of TILE_ROWS rows by
 * PANEL_VECTORS vectors: the sums of a tile stay in registers (12 x 2 of 32 with AVX-512, 6 x 2 of
 * 16 with AVX or SSE). */
#pragma once
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__AVX512F__)
enum { LANES = 16, TILE_ROWS = 12 };
#elif defined(__AVX__)
enum { LANES = 8, TILE_ROWS = 6 };
#else
enum { LANES = 4, TILE_ROWS = 6 };
#endif
enum { PANEL_VECTORS = 2, PANEL = PANEL_VECTORS * LANES };

/* bits is a vec as integers. Comparing two vecs gives all ones where true, 0 elsewhere. */
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef struct { vec re, im; } cvec;

#define INLINE static inline __attribute__((always_inline))

static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
static int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }

/* Load or store the first `count` lanes; count may be < 0 or > LANES. load() zeros other lanes. */
INLINE vec load(const float *from, int64_t count) {
    if (count >= LANES) return *(const vec *)from;
    vec v = {0};
    if (count > 0) memcpy(&v, from, 4 * count);
    return v;
}

INLINE void store(float *to, vec v, int64_t count) {
    if (count >= LANES) *(vec *)to = v;
    else if (count > 0) memcpy(to, &v, 4 * count);
}

/* Prefetch `count` floats. Hardware prefetchers do not follow the long strides used here. */
INLINE void prefetch(const float *from, int64_t count, const int for_write) {
    for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(from + i, for_write, 2);
}

INLINE vec broadcast(float value) { return value - (vec){0}; }
INLINE vec zero_unless(bits condition, vec v) { return (vec)((bits)v & condition); }

/* Align to 64 bytes. Add TILE_ROWS floats, because multiply_transposed() reads beyond the end. */
static float *alloc_floats(int64_t count) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, 4 * (count + TILE_ROWS))) {
        fprintf(stderr, "AFNO: no memory for %lld numbers\n", (long long)count);
        abort();
    }
    return memory;
}

static float *alloc_zeros(int64_t count) { return memset(alloc_floats(count), 0, 4 * count); }

/* Ask for huge pages for a large new array. First writes then cause fewer page faults. */
static void advise_huge_pages(float *array, int64_t count) {
#ifdef MADV_HUGEPAGE
    uintptr_t page = 1 << 21, start = round_up((uintptr_t)array, page);
    uintptr_t end = (uintptr_t)(array + count);
    if (array && end > start + page) madvise((void *)start, (end - start) & -page, MADV_HUGEPAGE);
#endif
}
