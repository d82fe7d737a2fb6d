/* What is transformed, and the first and the last sweep: real FFTs along W. */
#include "fourier.h"

typedef struct {
    int64_t batch, height, width, channels, blocks, hidden, rows, columns;
    int64_t spectrum_rows; /* kept of an image and block: kept_before all columns */
    int64_t residual, threads;
    double shrink, forward_scale, inverse_scale;
} Shape;

static int own_mirror(int64_t frequency, int64_t size) {
    return frequency == 0 || 2 * frequency == size;
}

/* Real FFT along W, two groups of lanes at once as real and imaginary part of one transform.
 * The adjoint of the inverse counts interior columns, which stand for +-k, twice. */
static void rows_to_columns(const Shape *s, const float *x, float *t, double scale, int adjoint) {
    int64_t W = s->width, C = s->channels, K = s->columns;
    Plan p = plan(W);
#pragma omp parallel num_threads(s->threads)
    {
        cvec *buffer = (cvec *)floats(4 * W * LANES);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < s->batch * s->height; row++)
            for (int64_t c = 0; c < C; c += 2 * LANES) {
                const float *in = x + row * W * C + c;
                float *out = t + row * K * 2 * C + c;
                int64_t left = C - c;
                const float *next_in = x + (row + 1) * W * C + c * W;
                const float *next_out = t + (row + 1) * K * 2 * C + c * 2 * K;
                for (int64_t w = 0; w < W; w++) {
                    fetch(next_in + w * 2 * LANES, 2 * LANES, 0);
                    buffer[w] = (cvec){load(in + w * C, left),
                                       load(in + w * C + LANES, left - LANES)};
                }
                cvec *z = fft(&p, buffer, buffer + W, 1);
                for (int64_t k = 0; k < K; k++, out += 2 * C) {
                    fetch(next_out + k * 4 * LANES, 4 * LANES, 1);
                    float half = scale * (adjoint && !own_mirror(k, W) ? 1 : .5);
                    cvec a = z[k], b = z[k ? W - k : 0];
                    store(out, half * (a.re + b.re), left);
                    store(out + LANES, half * (a.im + b.im), left - LANES);
                    store(out + C, half * (a.im - b.im), left);
                    store(out + C + LANES, half * (b.re - a.re), left - LANES);
                }
            }
        free(buffer);
    }
    free(p.root);
}

/* Inverse real FFT along W, plus a residual. Of columns that are their own mirror image only
 * the real part counts. The adjoint of the forward transform counts the others half. */
static void columns_to_rows(const Shape *s, const float *t, const float *residual, float *y,
                            double scale, int adjoint) {
    int64_t W = s->width, C = s->channels, K = s->columns;
    Plan p = plan(W);
#pragma omp parallel num_threads(s->threads)
    {
        cvec *buffer = (cvec *)floats(4 * W * LANES);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < s->batch * s->height; row++)
            for (int64_t c = 0; c < C; c += 2 * LANES) {
                const float *in = t + row * K * 2 * C + c;
                int64_t left = C - c, at = row * W * C + c;
                const float *next_in = t + (row + 1) * K * 2 * C + c * 2 * K;
                int64_t next = (row + 1) * W * C + c * W;
                if (K < W / 2 + 1) memset(buffer, 0, sizeof(cvec) * W);
                for (int64_t k = 0; k < K; k++, in += 2 * C) {
                    fetch(next_in + k * 4 * LANES, 4 * LANES, 0);
                    int mirror = own_mirror(k, W);
                    float factor = scale * (adjoint && !mirror ? .5 : 1);
                    cvec a = {load(in, left), load(in + C, left)};
                    cvec b = {load(in + LANES, left - LANES), load(in + C + LANES, left - LANES)};
                    if (mirror) {
                        buffer[k] = (cvec){factor * a.re, factor * b.re};
                    } else {
                        buffer[k] = (cvec){factor * (a.re - b.im), factor * (a.im + b.re)};
                        buffer[W - k] = (cvec){factor * (a.re + b.im), factor * (b.re - a.im)};
                    }
                }
                cvec *z = fft(&p, buffer, buffer + W, -1);
                for (int64_t w = 0; w < W; w++, at += C) {
                    fetch(y + next + w * 2 * LANES, 2 * LANES, 1);
                    if (residual) {
                        fetch(residual + next + w * 2 * LANES, 2 * LANES, 0);
                        z[w].re += load(residual + at, left);
                        z[w].im += load(residual + at + LANES, left - LANES);
                    }
                    store(y + at, z[w].re, left);
                    store(y + at + LANES, z[w].im, left - LANES);
                }
            }
        free(buffer);
    }
    free(p.root);
}
