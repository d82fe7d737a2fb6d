/* AFNO on CPUs in three sweeps over memory, float32.
 *
 *   1. for each row of tokens:       real FFT along W
 *   2. for each group of columns     FFT along H, block MLP, inverse FFT along H,
 *      and block of channels:        all of it in the cache
 *   3. for each row of tokens:       inverse real FFT along W, residual
 *
 * Backward is the same three sweeps with the adjoint of each step, from the spectrum and the
 * hidden layer that forward keeps.
 *
 * Tokens are (B, H, W, C). A half-spectrum is (B, K1, K2, 2, C), real and imaginary part apart,
 * so that channels are the lanes of every vector. The complex product by three real ones is
 * Gauss': with p = (a + b) c, (a + ib)(c + id) = p - b (c + d) + i (p + a (d - c)).
 */
#include "middle.h"

/* y = IRFFT2(shrink(w2 relu(w1 RFFT2(x) + b1) + b2)), + x if residual.
 * t: scratch (B, H, K2, 2, C). Kept for backward, or NULL: spectrum (B, k, spectrum_rows, 2, C / k)
 * and activation (B, k, K2, K1, 2, h), which is the hidden layer after its
 * ReLU, its signs being those of keep_hidden. h must not be less than C / k. */
void afno_forward(const Shape *s, const float *x, const float *w1, const float *b1,
                  const float *w2, const float *b2, float *y, float *t, float *spectrum,
                  float *activation) {
    Middle m = middle(s);
    int64_t scratch = s->batch * s->height * s->columns * 2 * s->channels;
    int64_t kept = s->batch * s->blocks * s->columns * s->rows * 2;
    huge(t, 4 * scratch), huge(y, 4 * s->batch * s->height * s->width * s->channels);
    huge(spectrum, 8 * s->batch * s->channels * s->spectrum_rows);
    huge(activation, 4 * kept * s->hidden);
    Weights first = pack(s, w1, m.block_size, s->hidden, 0);
    Weights second = pack(s, w2, s->hidden, m.block_size, 0);
    float *bias1 = pad_bias(s, b1, s->hidden), *bias2 = pad_bias(s, b2, m.block_size);
    Plan p = plan(s->height);
    rows_to_columns(s, x, t, s->forward_scale, 0);
#pragma omp parallel num_threads(s->threads)
    {
        cvec *buffer = (cvec *)floats(4 * s->height * LANES);
        Rows z = new_rows(m.rows, m.width, 2), hidden = new_rows(m.chunk, m.hidden_width, 3);
        float *sum = floats(m.chunk * m.width);
#pragma omp for schedule(dynamic)
        for (int64_t number = 0; number < s->batch * m.groups * s->blocks; number++) {
            Job j = job(s, &m, number);
            gather(s, &m, &p, t, &j, buffer, z);
            if (spectrum) keep_spectrum(s, &j, spectrum, z);
            for (int64_t row = 0; row < j.filled; row += m.chunk) {
                int64_t rows = minimum(m.chunk, round_up(j.filled - row, ROWS));
                Rows a = at_row(z, row), none = {0};
                a.more = sum;
                combine(a, sum, 1, rows);
                float *bias = bias1 + j.block * m.hidden_width;
                layer(&first, j.block, a, hidden, rows, HIDDEN, bias,
                      bias + s->blocks * m.hidden_width, none, 0);
                bias = bias2 + j.block * m.width;
                layer(&second, j.block, hidden, a, rows, SHRINK, bias, bias + s->blocks * m.width,
                      none, s->shrink);
                if (activation)
                    keep_hidden(s, activation + 2 * (j.first_row + row) * s->hidden, hidden, a,
                                minimum(rows, j.filled - row));
            }
            scatter(s, &m, &p, z, &j, buffer, t);
        }
        free(buffer), free(z.re), free(hidden.re), free(sum);
    }
    columns_to_rows(s, t, s->residual ? x : NULL, y, s->inverse_scale, 0);
    free(first.data), free(second.data), free(bias1), free(bias2), free(p.root);
}

static Gradient new_gradient(const Shape *s, int64_t in, int64_t out) {
    int64_t products = 3 * s->blocks * product_size(in, out);
    int64_t biases = 2 * s->blocks * round_up(out, LANES);
    Gradient g = {in, out, floats(products), floats(biases)};
    memset(g.product, 0, 4 * products), memset(g.bias, 0, 4 * biases);
    return g;
}

/* Threads whose gradients fit in GRADIENT_BYTES: each has its own. */
static int gradient_threads(const Shape *s, int64_t block_size) {
    int64_t floats = product_size(block_size, s->hidden) + product_size(s->hidden, block_size);
    int64_t fit = GRADIENT_BYTES / (4 * 3 * s->blocks * floats);
    return fit < 1 ? 1 : minimum(fit, s->threads);
}

/* Add one thread's gradient, if it has one, to (2, k, in, out) and (2, k, out). */
static void add_gradient(const Shape *s, Gradient g, float *w, float *b) {
    if (!g.product) return;
    int64_t width = round_up(g.out, LANES), size = product_size(g.in, g.out);
#pragma omp parallel for num_threads(s->threads)
    for (int64_t row = 0; row < s->blocks * g.in; row++) {
        float *p = g.product + 3 * (row / g.in) * size + row % g.in * width;
        float *q = p + size, *r = q + size;
        float *re = w + row * g.out, *im = re + s->blocks * g.in * g.out;
        for (int64_t o = 0; o < g.out; o++) re[o] += p[o] + q[o], im[o] += p[o] + r[o];
    }
    for (int64_t block = 0; block < s->blocks; block++)
        for (int64_t o = 0; o < g.out; o++) {
            b[block * g.out + o] += g.bias[2 * block * width + o];
            b[(s->blocks + block) * g.out + o] += g.bias[(2 * block + 1) * width + o];
        }
    free(g.product), free(g.bias);
}

/* Gradients of afno_forward from that of its result. t: scratch as there. dx or all four of
 * dw1, db1, dw2, db2 may be NULL; those are added to. */
void afno_backward(const Shape *s, const float *dy, const float *spectrum, const float *activation,
                   const float *w1, const float *w2, float *dx, float *t, float *dw1, float *db1,
                   float *dw2, float *db2) {
    Middle m = middle(s);
    int64_t scratch = s->batch * s->height * s->columns * 2 * s->channels;
    huge(t, 4 * scratch), huge(dx, 4 * s->batch * s->height * s->width * s->channels);
    Weights first_adjoint = pack(s, w1, s->hidden, m.block_size, 1);
    Weights second_adjoint = pack(s, w2, m.block_size, s->hidden, 1);
    Plan p = plan(s->height);
    rows_to_columns(s, dy, t, s->inverse_scale, 1);
    /* Work is shared out, and sums are added up, in a fixed order: equal calls, equal bits. */
    int threads = gradient_threads(s, m.block_size);
    Gradient(*grads)[2] = calloc(threads, sizeof *grads);
#pragma omp parallel num_threads(threads)
    {
        cvec *buffer = (cvec *)floats(4 * s->height * LANES);
        Rows z = new_rows(m.chunk, m.width, 3), g = new_rows(m.rows, m.width, 2);
        Rows hidden = new_rows(m.chunk, m.hidden_width, 3);
        Rows dhidden = new_rows(m.chunk, m.hidden_width, 3);
        float *more = floats(m.chunk * (m.width > m.hidden_width ? m.width : m.hidden_width));
        float *sum = floats(m.chunk * m.width);
        Gradient *grad = grads[omp_get_thread_num()];
        if (dw1) {
            grad[0] = new_gradient(s, m.block_size, s->hidden);
            grad[1] = new_gradient(s, s->hidden, m.block_size);
        }
#pragma omp for schedule(static)
        for (int64_t number = 0; number < s->batch * m.groups * s->blocks; number++) {
            Job j = job(s, &m, number);
            gather(s, &m, &p, t, &j, buffer, g);
            for (int64_t row = 0; row < j.filled; row += m.chunk) {
                int64_t rows = minimum(m.chunk, round_up(j.filled - row, ROWS));
                Rows dout = at_row(g, row), none = {0};
                int64_t filled = minimum(rows, j.filled - row);
                dout.more = sum;
                read_hidden(s, activation + 2 * (j.first_row + row) * s->hidden, hidden, dout,
                            filled);
                combine(dout, sum, 1, rows);
                if (dw1) {
                    Rows turned = {dout.im, dout.re, NULL, g.ld};
                    combine(turned, more, -1, rows);
                    combine(hidden, hidden.more, -1, rows);
                    weight_gradient(&grad[1], j.block, hidden, dout, more, rows);
                }
                layer(&second_adjoint, j.block, dout, dhidden, rows, GATE, NULL, NULL, hidden, 0);
                if (dw1) {
                    Rows turned = {dhidden.im, dhidden.re, NULL, dhidden.ld};
                    combine(turned, more, -1, rows);
                    read_spectrum(s, &j, spectrum, z, row, filled);
                    combine(z, z.more, -1, rows);
                    weight_gradient(&grad[0], j.block, z, dhidden, more, rows);
                }
                if (dx) layer(&first_adjoint, j.block, dhidden, dout, rows, PLAIN, NULL, NULL, none,
                              0);
            }
            if (dx) scatter(s, &m, &p, g, &j, buffer, t);
        }
        free(buffer), free(z.re), free(g.re), free(hidden.re), free(dhidden.re);
        free(more), free(sum);
    }
    for (int thread = 0; thread < threads; thread++) {
        add_gradient(s, grads[thread][0], dw1, db1);
        add_gradient(s, grads[thread][1], dw2, db2);
    }
    if (dx) columns_to_rows(s, t, s->residual ? dy : NULL, dx, s->forward_scale, 1);
    free(first_adjoint.data), free(second_adjoint.data);
    free(p.root), free(grads);
}
