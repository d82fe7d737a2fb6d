/* The first and the last pass: real FFTs along W, one row of tokens at a time.
 *
 * Layout: tokens (B, H, W, C), half spectrum (B, H, K2, 2, C). Channels are the lanes of vectors.
 * Two real transforms take one complex FFT: LANES channels `a` are the real part and the next LANES
 * channels `b` the imaginary part. Let X, Y and Z be the FFTs of a, b and a + i b. Then
 *     X[k] = (Z[k] + conj Z[W - k]) / 2,    Y[k] = (Z[k] - conj Z[W - k]) / 2i,
 * and for the inverse Z[k] = X[k] + i Y[k], Z[W - k] = conj X[k] + i conj Y[k].
 *
 * Adjoints: let A be the real FFT along W as a real matrix, and D the diagonal matrix with 1 for
 * the DC and Nyquist columns and 2 for the others, each of which stands for frequencies k and -k.
 * Without scaling, the inverse is A^T D. So its adjoint is D A (rows_to_columns with adjoint = 1),
 * and the adjoint of the forward transform is A^T (columns_to_rows with adjoint = 1). */
#pragma once
#include "fft.h"
#include "shape.h"

/* half_spectrum = scale A tokens, or scale D A tokens if `adjoint`. */
static void rows_to_columns(const Shape *s, const float *tokens, float *half_spectrum,
                            double scale, int adjoint) {
    int64_t W = s->width, C = s->channels, K2 = s->columns;
    FftPlan plan = new_fft_plan(W);
#pragma omp parallel num_threads(s->threads)
    {
        cvec *buffer = (cvec *)alloc_floats(4 * W * LANES); /* two buffers of W cvecs */
#pragma omp for schedule(static)
        for (int64_t row = 0; row < s->batch * s->height; row++)
            for (int64_t c = 0; c < C; c += 2 * LANES) {
                const float *in = tokens + row * W * C + c;
                float *out = half_spectrum + row * K2 * 2 * C + c;
                int64_t left = C - c;
                /* All iterations over c together prefetch the next row, in memory order. */
                const float *next_in = tokens + (row + 1) * W * C + c * W;
                const float *next_out = half_spectrum + (row + 1) * K2 * 2 * C + c * 2 * K2;
                for (int64_t w = 0; w < W; w++) {
                    prefetch(next_in + w * 2 * LANES, 2 * LANES, 0);
                    buffer[w] = (cvec){load(in + w * C, left),
                                       load(in + w * C + LANES, left - LANES)};
                }
                cvec *z = fft(&plan, buffer, buffer + W, 1);
                for (int64_t k = 0; k < K2; k++, out += 2 * C) {
                    prefetch(next_out + k * 4 * LANES, 4 * LANES, 1);
                    float half = scale * (adjoint && !is_dc_or_nyquist(k, W) ? 1 : .5);
                    cvec a = z[k], b = z[k ? W - k : 0];
                    store(out, half * (a.re + b.re), left);
                    store(out + LANES, half * (a.im + b.im), left - LANES);
                    store(out + C, half * (a.im - b.im), left);
                    store(out + C + LANES, half * (b.re - a.re), left - LANES);
                }
            }
        free(buffer);
    }
    free(plan.roots);
}

/* output = scale A^T D half_spectrum, or scale A^T half_spectrum if `adjoint`; plus residual
 * (tokens, or NULL). Ignores the imaginary part of the DC and Nyquist columns, as irfft does. */
static void columns_to_rows(const Shape *s, const float *half_spectrum, const float *residual,
                            float *output, double scale, int adjoint) {
    int64_t W = s->width, C = s->channels, K2 = s->columns;
    FftPlan plan = new_fft_plan(W);
#pragma omp parallel num_threads(s->threads)
    {
        cvec *buffer = (cvec *)alloc_floats(4 * W * LANES);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < s->batch * s->height; row++)
            for (int64_t c = 0; c < C; c += 2 * LANES) {
                const float *in = half_spectrum + row * K2 * 2 * C + c;
                int64_t left = C - c, out = row * W * C + c;
                const float *next_in = half_spectrum + (row + 1) * K2 * 2 * C + c * 2 * K2;
                int64_t next_out = (row + 1) * W * C + c * W;
                if (K2 < W / 2 + 1) memset(buffer, 0, sizeof(cvec) * W);
                for (int64_t k = 0; k < K2; k++, in += 2 * C) {
                    prefetch(next_in + k * 4 * LANES, 4 * LANES, 0);
                    int single = is_dc_or_nyquist(k, W);
                    float factor = scale * (adjoint && !single ? .5 : 1);
                    cvec a = {load(in, left), load(in + C, left)};
                    cvec b = {load(in + LANES, left - LANES), load(in + C + LANES, left - LANES)};
                    if (single) {
                        buffer[k] = (cvec){factor * a.re, factor * b.re};
                    } else {
                        buffer[k] = (cvec){factor * (a.re - b.im), factor * (a.im + b.re)};
                        buffer[W - k] = (cvec){factor * (a.re + b.im), factor * (b.re - a.im)};
                    }
                }
                cvec *z = fft(&plan, buffer, buffer + W, -1);
                for (int64_t w = 0; w < W; w++, out += C) {
                    prefetch(output + next_out + w * 2 * LANES, 2 * LANES, 1);
                    if (residual) {
                        prefetch(residual + next_out + w * 2 * LANES, 2 * LANES, 0);
                        z[w].re += load(residual + out, left);
                        z[w].im += load(residual + out + LANES, left - LANES);
                    }
                    store(output + out, z[w].re, left);
                    store(output + out + LANES, z[w].im, left - LANES);
                }
            }
        free(buffer);
    }
    free(plan.roots);
}
