/* Complex matrix products of the block MLP, and their gradients.
 *
 * Gauss' product: a complex product takes three real ones. For a + ib and c + id,
 *     p = (a + b) c,    q = b * -(c + d),    r = a (d - c);    result (p + q) + i (p + r).
 * A Matrix holds the left factors a + b (`combined`), b (`im`) and a (`re`). Packed weights hold
 * the right factors c, -(c + d) and d - c. `combined` is valid only after combine(), or after a
 * layer() with RELU or RELU_GRADIENT. It holds one chunk of rows, see column_pass.h.
 *
 * Matrix: real and imaginary parts are separate row-major arrays. `stride`, the distance of rows,
 * is the number of columns rounded up to whole vectors. The number of rows is rounded up to whole
 * tiles. Padding columns are 0 in weights and biases, so they stay 0.
 *
 * Weights: for each block, three real matrices, cut into panels of PANEL_VECTORS vectors of outputs
 * (the last may have one). A panel is contiguous: its vectors for input 0, then input 1, ... */
#pragma once
#include "shape.h"
#include "simd.h"

typedef struct { float *re, *im, *combined; int64_t stride; } Matrix;
typedef struct {
    int64_t inputs, outputs, size; /* size of one real matrix */
    float *data, *bias;            /* bias: (k, 2, outputs), padded to vectors with 0, or NULL */
} Weights;

static Matrix from_row(Matrix m, int64_t row) {
    int64_t skip = row * m.stride;
    return (Matrix){m.re + skip, m.im + skip, m.combined ? m.combined + skip : NULL, m.stride};
}

/* to = re + sign im, for `count` rows. */
static void combine(Matrix m, float *to, float sign, int64_t count) {
    for (int64_t i = 0; i < count * m.stride; i += LANES)
        *(vec *)(to + i) = *(vec *)(m.re + i) + sign * *(vec *)(m.im + i);
}

static float *real_matrix(const Weights *w, int64_t block, int which) {
    return w->data + (3 * block + which) * w->size;
}

/* Pack weights (2, k, inputs, outputs) and biases (2, k, outputs). Without biases, pack the
 * conjugate transpose of weights (2, k, outputs, inputs). */
static Weights pack(const Shape *s, const float *weights, const float *bias, int64_t inputs,
                    int64_t outputs) {
    int64_t padded = round_up(outputs, LANES);
    Weights packed = {inputs, outputs, inputs * padded, NULL, NULL};
    packed.data = alloc_floats(3 * s->blocks * packed.size);
    if (bias) packed.bias = alloc_zeros(2 * s->blocks * padded);
    for (int64_t i = 0; bias && i < 2 * s->blocks; i++)
        memcpy(packed.bias + i * padded, bias + (i % 2 * s->blocks + i / 2) * outputs, 4 * outputs);
    int64_t panels = (outputs + PANEL - 1) / PANEL;
#pragma omp parallel for num_threads(s->threads)
    for (int64_t number = 0; number < s->blocks * panels; number++) {
        int64_t block = number / panels, start = number % panels * PANEL;
        int64_t width = minimum(PANEL, padded - start);
        const float *re = weights + block * inputs * outputs;
        const float *im = re + s->blocks * inputs * outputs;
        for (int64_t input = 0; input < inputs; input++)
            for (int64_t lane = 0; lane < width; lane++) {
                int64_t output = start + lane, to = start * inputs + input * width + lane;
                int64_t from = bias ? input * outputs + output : output * inputs + input;
                float c = output < outputs ? re[from] : 0, d = output < outputs ? im[from] : 0;
                if (!bias) d = -d;
                real_matrix(&packed, block, 0)[to] = c;
                real_matrix(&packed, block, 1)[to] = -(c + d);
                real_matrix(&packed, block, 2)[to] = d - c;
            }
    }
    return packed;
}

/* acc += a * panel: TILE_ROWS rows of `a`, `depth` inputs, 1 or 2 `vectors` of outputs. */
INLINE void multiply(vec acc[TILE_ROWS][PANEL_VECTORS], const float *a, int64_t a_stride,
                     const float *panel, int64_t depth, const int vectors) {
    const float *row_group[TILE_ROWS / 3]; /* one pointer for three rows saves registers */
    for (int r = 0; r < TILE_ROWS / 3; r++) row_group[r] = a + 3 * r * a_stride;
    for (int64_t k = 0; k < depth; k++, panel += vectors * LANES) {
        vec b0 = *(const vec *)panel, b1 = vectors > 1 ? *(const vec *)(panel + LANES) : b0;
#pragma GCC unroll 12
        for (int r = 0; r < TILE_ROWS; r++) {
            float value = row_group[r / 3][r % 3 * a_stride + k];
            acc[r][0] += value * b0;
            if (vectors > 1) acc[r][1] += value * b1;
        }
    }
}

/* acc += a^T b over `depth` rows, for TILE_ROWS columns of `a` and 1 or 2 `vectors` of `b`. */
INLINE void multiply_transposed(vec acc[TILE_ROWS][PANEL_VECTORS], const float *a,
                                int64_t a_stride, const float *b, int64_t b_stride, int64_t depth,
                                const int vectors) {
    for (int64_t k = 0; k < depth; k++, a += a_stride, b += b_stride) {
        vec b0 = *(const vec *)b, b1 = vectors > 1 ? *(const vec *)(b + LANES) : b0;
#pragma GCC unroll 12
        for (int r = 0; r < TILE_ROWS; r++) {
            acc[r][0] += a[r] * b0;
            if (vectors > 1) acc[r][1] += a[r] * b1;
        }
    }
}

/* Pack a real matrix (inputs, outputs) into panels like those of Weights. Its elements are
 * `input_step` and `output_step` floats apart. */
static void pack_real(const float *from, int64_t input_step, int64_t output_step, int64_t inputs,
                      int64_t outputs, float *to) {
    for (int64_t start = 0; start < outputs; start += PANEL) {
        int64_t width = minimum(PANEL, round_up(outputs - start, LANES));
        for (int64_t input = 0; input < inputs; input++)
            for (int64_t o = start; o < start + width; o++)
                *to++ = o < outputs ? from[input * input_step + o * output_step] : 0;
    }
}

/* out = a w, or out += a w if `add`, for real w from pack_real() and `count` rows, a multiple of
 * TILE_ROWS. */
static void real_product(const float *a, int64_t a_stride, const float *w, int64_t inputs,
                         int64_t outputs, float *out, int64_t out_stride, int64_t count, int add) {
    for (int64_t start = 0; start < outputs; start += PANEL)
        for (int64_t row = 0; row < count; row += TILE_ROWS) {
            const float *from = a + row * a_stride, *panel = w + start * inputs;
            int two = outputs - start > LANES;
            vec acc[TILE_ROWS][PANEL_VECTORS] = {0};
            if (two) multiply(acc, from, a_stride, panel, inputs, 2);
            else multiply(acc, from, a_stride, panel, inputs, 1);
            for (int r = 0; r < TILE_ROWS; r++)
                for (int v = 0; v <= two; v++) {
                    vec *to = (vec *)(out + (row + r) * out_stride + start + v * LANES);
                    if (add) acc[r][v] += *to;
                    *to = acc[r][v];
                }
        }
}

/* RELU and SHRINK (soft shrinkage by lambda) keep NaN. RELU_GRADIENT sets to 0 where `relu`, the
 * result of the ReLU, is 0. load_hidden_and_mask() applies the gradient of SHRINK. */
typedef struct {
    enum { RELU, SHRINK, RELU_GRADIENT, LINEAR } kind;
    float lambda;
    Matrix relu;
} Activation;

INLINE vec activate(Activation f, vec v, const float *relu, int64_t at) {
    vec zero = {0}, limit = broadcast(f.lambda);
    if (f.kind == RELU) return zero_unless(~(v < zero), v);
    if (f.kind == RELU_GRADIENT) return zero_unless(*(const vec *)(relu + at) > zero, v);
    if (f.kind == LINEAR || f.lambda == 0) return v;
    vec step = (vec)(((bits)limit & (v > limit)) | ((bits)-limit & (v < -limit)));
    return zero_unless(~((v >= -limit) & (v <= limit)), v - step);
}

/* out = f(a w + bias) for TILE_ROWS rows and the panel that starts at column `start`. */
INLINE void layer_tile(const Weights *w, int64_t block, int64_t start, Matrix a, Matrix out,
                       Activation f, const int vectors) {
    vec acc[TILE_ROWS][PANEL_VECTORS] = {0};
    vec p[TILE_ROWS][PANEL_VECTORS], re[TILE_ROWS][PANEL_VECTORS];
    int64_t skip = start * w->inputs;
    multiply(acc, a.combined, a.stride, real_matrix(w, block, 0) + skip, w->inputs, vectors);
    memcpy(p, acc, sizeof p);
    multiply(acc, a.im, a.stride, real_matrix(w, block, 1) + skip, w->inputs, vectors);
    memcpy(re, acc, sizeof re);
    memcpy(acc, p, sizeof p);
    multiply(acc, a.re, a.stride, real_matrix(w, block, 2) + skip, w->inputs, vectors);
    for (int v = 0; v < vectors; v++) {
        int64_t column = start + v * LANES;
        const float *bias = w->bias ? w->bias + 2 * block * out.stride + column : NULL;
        vec bias_re = bias ? *(const vec *)bias : (vec){0};
        vec bias_im = bias ? *(const vec *)(bias + out.stride) : (vec){0};
        for (int r = 0; r < TILE_ROWS; r++) {
            int64_t at = r * out.stride + column;
            vec x = activate(f, re[r][v] + bias_re, f.relu.re, at);
            vec y = activate(f, acc[r][v] + bias_im, f.relu.im, at);
            *(vec *)(out.re + at) = x;
            *(vec *)(out.im + at) = y;
            if (f.kind == RELU || f.kind == RELU_GRADIENT)
                *(vec *)(out.combined + at) = x + y; /* left factor of the next product */
        }
    }
}

/* out = f(a w + bias) for `count` rows, a multiple of TILE_ROWS. `out` must not be `a`. */
INLINE void layer(const Weights *w, int64_t block, Matrix a, Matrix out, int64_t count,
                  Activation f) {
    int64_t width = round_up(w->outputs, LANES);
    for (int64_t start = 0; start < width; start += PANEL)
        for (int64_t r = 0; r < count; r += TILE_ROWS) {
            Matrix a_tile = from_row(a, r), out_tile = from_row(out, r);
            Activation f_tile = f;
            if (f.relu.re) f_tile.relu = from_row(f.relu, r);
            if (width - start > LANES) layer_tile(w, block, start, a_tile, out_tile, f_tile, 2);
            else layer_tile(w, block, start, a_tile, out_tile, f_tile, 1);
        }
}

/* One thread's gradient of a layer: for each block the sums of the products p, q and r, each
 * (inputs, outputs) padded to whole tiles, and the bias (k, 2, outputs) padded to vectors. */
typedef struct { int64_t inputs, outputs; float *products, *bias; } Gradient;

static int64_t product_size(int64_t inputs, int64_t outputs) {
    return round_up(inputs, TILE_ROWS) * round_up(outputs, LANES);
}

/* sum += a^T b over `count` rows of a (count, inputs) and b (count, outputs). `sum` is padded to
 * product_size(). */
static void add_transposed_product(float *sum, const float *a, int64_t a_stride, const float *b,
                                   int64_t b_stride, int64_t inputs, int64_t outputs,
                                   int64_t count) {
    int64_t width = round_up(outputs, LANES);
    for (int64_t start = 0; start < width; start += PANEL)
        for (int64_t input = 0; input < inputs; input += TILE_ROWS) {
            float *to = sum + input * width + start;
            int two = width - start > LANES;
            vec acc[TILE_ROWS][PANEL_VECTORS];
            for (int r = 0; r < TILE_ROWS; r++) {
                acc[r][0] = *(vec *)(to + r * width);
                acc[r][1] = two ? *(vec *)(to + r * width + LANES) : acc[r][0];
            }
            if (two) multiply_transposed(acc, a + input, a_stride, b + start, b_stride, count, 2);
            else multiply_transposed(acc, a + input, a_stride, b + start, b_stride, count, 1);
            for (int r = 0; r < TILE_ROWS; r++) {
                *(vec *)(to + r * width) = acc[r][0];
                if (two) *(vec *)(to + r * width + LANES) = acc[r][1];
            }
        }
}

/* Add dW = a^H g and db = sum of g over `count` rows to `to`. Gauss' product with a^H =
 * (a.re - i a.im)^T:
 *     p = (a.re - a.im)^T g.re,    q = a.im^T (g.re + g.im),    r = a.re^T (g.im - g.re).
 * g.combined must be re + im. Overwrites a.combined, and `g_difference`, a buffer as large as g. */
static void add_weight_gradient(Gradient *to, int64_t block, Matrix a, Matrix g,
                                float *g_difference, int64_t count) {
    combine(a, a.combined, -1, count);
    combine((Matrix){g.im, g.re, NULL, g.stride}, g_difference, -1, count);
    int64_t width = round_up(to->outputs, LANES), size = product_size(to->inputs, to->outputs);
    const float *left[3] = {a.combined, a.im, a.re};
    const float *right[3] = {g.re, g.combined, g_difference};
    for (int which = 0; which < 3; which++)
        add_transposed_product(to->products + (3 * block + which) * size, left[which], a.stride,
                               right[which], g.stride, to->inputs, to->outputs, count);
    for (int part = 0; part < 2; part++) {
        float *sum = to->bias + (2 * block + part) * width;
        for (int64_t r = 0; r < count; r++)
            for (int64_t c = 0; c < width; c += LANES)
                *(vec *)(sum + c) += *(vec *)((part ? g.im : g.re) + r * g.stride + c);
    }
}
