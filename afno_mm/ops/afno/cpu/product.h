/* Complex products of tiles of rows with weights, and their gradients. */
#include "sweep.h"

/* acc += a b: ROWS rows of a, a panel of b of `vectors` vectors, packed row after row. */
INLINE void multiply(vec acc[ROWS][PANEL], const float *a, int64_t lda, const float *b,
                     int64_t depth, const int vectors) {
    const float *third[ROWS / 3];
    for (int r = 0; r < ROWS / 3; r++) third[r] = a + 3 * r * lda;
    for (int64_t k = 0; k < depth; k++, b += vectors * LANES) {
        vec b0 = *(const vec *)b, b1 = vectors > 1 ? *(const vec *)(b + LANES) : b0;
#pragma GCC unroll 12
        for (int r = 0; r < ROWS; r++) {
            float s = third[r / 3][r % 3 * lda + k];
            acc[r][0] += s * b0;
            if (vectors > 1) acc[r][1] += s * b1;
        }
    }
}

/* acc += a^T b over `depth` rows: ROWS columns of a, `vectors` vectors of columns of b. */
INLINE void multiply_transposed(vec acc[ROWS][PANEL], const float *a, int64_t lda, const float *b,
                                int64_t ldb, int64_t depth, const int vectors) {
    for (int64_t k = 0; k < depth; k++, a += lda, b += ldb) {
        vec b0 = *(const vec *)b, b1 = vectors > 1 ? *(const vec *)(b + LANES) : b0;
#pragma GCC unroll 12
        for (int r = 0; r < ROWS; r++) {
            acc[r][0] += a[r] * b0;
            if (vectors > 1) acc[r][1] += a[r] * b1;
        }
    }
}

/* Gauss' three real matrices of a complex one, in panels, for each block. */
typedef struct { int64_t in, out, block; float *data; } Weights;

static float *weight(const Weights *w, int64_t block, int which) {
    return w->data + (3 * block + which) * w->block;
}

/* From (2, k, in, out), or the conjugate transpose of (2, k, out, in). */
static Weights pack(const Shape *s, const float *from, int64_t in, int64_t out, int adjoint) {
    Weights w = {in, out, in * round_up(out, LANES), NULL};
    w.data = floats(3 * s->blocks * w.block);
    int64_t panels = round_up(out, PANEL * LANES) / (PANEL * LANES);
#pragma omp parallel for num_threads(s->threads)
    for (int64_t job = 0; job < s->blocks * panels; job++) {
        int64_t block = job / panels, start = job % panels * PANEL * LANES;
        int64_t wide = minimum(PANEL * LANES, round_up(out, LANES) - start);
        const float *re = from + block * in * out, *im = re + s->blocks * in * out;
        for (int64_t i = 0; i < in; i++)
            for (int64_t l = 0; l < wide; l++) {
                int64_t o = start + l, to = start * in + i * wide + l;
                int64_t at = adjoint ? o * in + i : i * out + o;
                float c = o < out ? re[at] : 0, d = o < out ? im[at] : 0;
                if (adjoint) d = -d;
                weight(&w, block, 0)[to] = c;
                weight(&w, block, 1)[to] = -(c + d);
                weight(&w, block, 2)[to] = d - c;
            }
    }
    return w;
}

/* Complex rows and what Gauss' product needs beside them: re + im as a factor. */
typedef struct { float *re, *im, *more; int64_t ld; } Rows;

static Rows at_row(Rows r, int64_t row) {
    int64_t skip = row * r.ld;
    return (Rows){r.re + skip, r.im + skip, r.more ? r.more + skip : NULL, r.ld};
}

typedef enum { HIDDEN, SHRINK, GATE, PLAIN } Finish;

/* out = finish(a w) for ROWS rows and one panel. */
INLINE void tile(const Weights *w, int64_t block, int64_t start, Rows a, Rows out, Finish finish,
                 const float *bias_re, const float *bias_im, Rows gate, float shrink,
                 const int vectors) {
    vec acc[ROWS][PANEL] = {0}, p[ROWS][PANEL], re[ROWS][PANEL];
    int64_t skip = start * w->in;
    multiply(acc, a.more, a.ld, weight(w, block, 0) + skip, w->in, vectors);
    memcpy(p, acc, sizeof p);
    multiply(acc, a.im, a.ld, weight(w, block, 1) + skip, w->in, vectors);
    memcpy(re, acc, sizeof re);
    memcpy(acc, p, sizeof p);
    multiply(acc, a.re, a.ld, weight(w, block, 2) + skip, w->in, vectors);
    for (int v = 0; v < vectors; v++) {
        int64_t column = start + v * LANES;
        vec zero = {0}, limit = splat(shrink);
        vec br = bias_re ? *(const vec *)(bias_re + column) : zero;
        vec bi = bias_im ? *(const vec *)(bias_im + column) : zero;
        for (int r = 0; r < ROWS; r++) {
            int64_t at = r * out.ld + column;
            vec x = re[r][v] + br, y = acc[r][v] + bi;
            if (finish == HIDDEN) {
                x = only(x, ~(x < zero)), y = only(y, ~(y < zero));
            } else if (finish == SHRINK) {
                bits in_x = (x >= -limit) & (x <= limit), in_y = (y >= -limit) & (y <= limit);
                vec to_x = (vec)(((bits)limit & (x > limit)) | ((bits)-limit & (x < -limit)));
                vec to_y = (vec)(((bits)limit & (y > limit)) | ((bits)-limit & (y < -limit)));
                if (shrink) x = only(x - to_x, ~in_x), y = only(y - to_y, ~in_y);
            } else if (finish == GATE) {
                x = only(x, *(vec *)(gate.re + at) > zero);
                y = only(y, *(vec *)(gate.im + at) > zero);
            }
            *(vec *)(out.re + at) = x;
            *(vec *)(out.im + at) = y;
            if (finish == HIDDEN || finish == GATE) *(vec *)(out.more + at) = x + y;
        }
    }
}

/* out = finish(a w) for `count` rows. */
INLINE void layer(const Weights *w, int64_t block, Rows a, Rows out, int64_t count, Finish finish,
                  const float *bias_re, const float *bias_im, Rows gate, float shrink) {
    int64_t width = round_up(w->out, LANES);
    for (int64_t start = 0; start < width; start += PANEL * LANES)
        for (int64_t r = 0; r < count; r += ROWS) {
            Rows g = gate.re ? at_row(gate, r) : gate;
            if (width - start > LANES)
                tile(w, block, start, at_row(a, r), at_row(out, r), finish, bias_re, bias_im, g,
                     shrink, 2);
            else
                tile(w, block, start, at_row(a, r), at_row(out, r), finish, bias_re, bias_im, g,
                     shrink, 1);
        }
}

/* Gradients of a layer's weights and biases, of one thread. */
typedef struct { int64_t in, out; float *product, *bias; } Gradient;

static int64_t product_size(int64_t in, int64_t out) {
    return round_up(in, ROWS) * round_up(out, LANES);
}

/* The three real products of a^H g, added up over all calls. a.more is re - im, g.more re + im;
 * `difference` is im - re of g. */
static void weight_gradient(Gradient *to, int64_t block, Rows a, Rows g, const float *difference,
                            int64_t count) {
    int64_t width = round_up(to->out, LANES), size = product_size(to->in, to->out);
    const float *left[3] = {a.more, a.im, a.re}, *right[3] = {g.re, g.more, difference};
    for (int which = 0; which < 3; which++)
        for (int64_t start = 0; start < width; start += PANEL * LANES)
            for (int64_t i = 0; i < to->in; i += ROWS) {
                float *sum = to->product + (3 * block + which) * size + i * width + start;
                int two = width - start > LANES;
                vec acc[ROWS][PANEL];
                for (int r = 0; r < ROWS; r++) {
                    acc[r][0] = *(vec *)(sum + r * width);
                    acc[r][1] = two ? *(vec *)(sum + r * width + LANES) : acc[r][0];
                }
                if (two) multiply_transposed(acc, left[which] + i, a.ld, right[which] + start,
                                             g.ld, count, 2);
                else multiply_transposed(acc, left[which] + i, a.ld, right[which] + start,
                                         g.ld, count, 1);
                for (int r = 0; r < ROWS; r++) {
                    *(vec *)(sum + r * width) = acc[r][0];
                    if (two) *(vec *)(sum + r * width + LANES) = acc[r][1];
                }
            }
    for (int part = 0; part < 2; part++) {
        float *sum = to->bias + (2 * block + part) * width;
        for (int64_t r = 0; r < count; r++)
            for (int64_t c = 0; c < width; c += LANES)
                *(vec *)(sum + c) += *(vec *)((part ? g.im : g.re) + r * g.ld + c);
    }
}
