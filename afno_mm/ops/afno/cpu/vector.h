/* Vectors of channels, and memory for them. */
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 12 };
#elif defined(__AVX__)
enum { LANES = 8, ROWS = 6 };
#else
enum { LANES = 4, ROWS = 6 };
#endif
enum { PANEL = 2, CHUNK_BYTES = 1 << 19, GRADIENT_BYTES = 1 << 28 };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef struct { vec re, im; } cvec;

#define INLINE static inline __attribute__((always_inline))

static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
static int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }

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

/* Ask for `count` floats that are needed later: strides as long as ours are not foreseen. */
INLINE void fetch(const float *p, int64_t count, const int write) {
    for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(p + i, write, 2);
}

INLINE vec splat(float s) { return s - (vec){0}; }
INLINE vec only(vec v, bits where) { return (vec)((bits)v & where); }

/* Memory for `count` floats, and for the tile that may be read beyond the last row. */
static float *floats(int64_t count) {
    void *p = NULL;
    if (posix_memalign(&p, 64, 4 * (count + ROWS))) {
        fprintf(stderr, "AFNO: no memory for %lld numbers\n", (long long)count);
        abort();
    }
    return p;
}

/* Fewer page faults: large arrays that nobody has touched yet. */
static void huge(void *p, int64_t bytes) {
#ifdef MADV_HUGEPAGE
    uintptr_t page = 1 << 21, start = round_up((uintptr_t)p, page), end = (uintptr_t)p + bytes;
    if (p && end > start + page) madvise((void *)start, (end - start) / page * page, MADV_HUGEPAGE);
#else
    (void)p, (void)bytes;
#endif
}
