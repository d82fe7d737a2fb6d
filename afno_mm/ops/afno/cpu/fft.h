/* Complex FFT of any length n, one transform per lane.
 *
 * X[k] = sum_j x[j] exp(-sign 2 pi i j k / n), without scaling; sign = 1 is the forward transform
 * and -1 the inverse.
 *
 * Stockham's algorithm: out of place, results in natural order. n is split into factors 4, 2 and
 * odd primes. Each pass handles one factor: it reads one of two buffers of n cvecs and writes the
 * other. A prime factor p costs n p operations, so large primes are slow. */
#pragma once
#include "simd.h"

typedef struct {
    int64_t length, num_factors, factors[64];
    float (*roots)[2]; /* roots[j] = exp(-2 pi i j / length) as (re, im) */
} FftPlan;

static FftPlan new_fft_plan(int64_t length) {
    FftPlan plan = {.length = length, .roots = (float(*)[2])alloc_floats(2 * length)};
    for (int64_t rest = length, factor = 4; rest > 1;) {
        if (rest % factor == 0) plan.factors[plan.num_factors++] = factor, rest /= factor;
        else if (factor % 2 == 0) factor = factor == 4 ? 2 : 3;
        else factor = factor * factor > rest ? rest : factor + 2;
    }
    for (int64_t i = 0; i < length; i++) {
        plan.roots[i][0] = cos(2 * M_PI * i / length);
        plan.roots[i][1] = -sin(2 * M_PI * i / length);
    }
    return plan;
}

INLINE cvec add(cvec a, cvec b) { return (cvec){a.re + b.re, a.im + b.im}; }
INLINE cvec subtract(cvec a, cvec b) { return (cvec){a.re - b.re, a.im - b.im}; }
INLINE cvec times_root(cvec a, const float *root, float sign) {
    float re = root[0], im = sign * root[1];
    return (cvec){a.re * re - a.im * im, a.re * im + a.im * re};
}
INLINE cvec times_i(cvec a, float sign) { return (cvec){-sign * a.im, sign * a.re}; }

/* One butterfly of odd length `radix`. Reads in[0], in[in_stride], ... and overwrites them. Writes
 * out[0], out[out_stride], ...; result k is multiplied by the twiddle factor roots[k * twiddle].
 * Inputs j and radix - j have the same cosine and sines of opposite sign, so the loops work on
 * their sums and differences. */
static void odd_butterfly(const FftPlan *plan, int64_t radix, cvec *in, int64_t in_stride,
                          cvec *out, int64_t out_stride, int64_t twiddle, float sign) {
    cvec first = in[0], total = first;
    for (int64_t j = 1; j <= radix / 2; j++) {
        cvec a = in[j * in_stride], b = in[(radix - j) * in_stride];
        in[j * in_stride] = add(a, b), in[(radix - j) * in_stride] = subtract(a, b);
        total = add(total, in[j * in_stride]);
    }
    out[0] = total;
    for (int64_t k = 1; k <= radix / 2; k++) {
        cvec even = first, odd = {0};
        for (int64_t j = 1, angle = 0; j <= radix / 2; j++) {
            angle += k * (plan->length / radix); /* j k / radix of a turn, modulo 1 */
            if (angle >= plan->length) angle -= plan->length;
            cvec sum = in[j * in_stride], difference = in[(radix - j) * in_stride];
            float cosine = plan->roots[angle][0], sine = plan->roots[angle][1];
            even.re += sum.re * cosine, even.im += sum.im * cosine;
            odd.re += difference.re * sine, odd.im += difference.im * sine;
        }
        odd = times_i(odd, sign);
        int64_t l = radix - k;
        out[k * out_stride] = times_root(add(even, odd), plan->roots[k * twiddle], sign);
        out[l * out_stride] = times_root(subtract(even, odd), plan->roots[l * twiddle], sign);
    }
}

/* Transform `x`, with `other` as the second buffer. Returns the buffer that holds the result.
 *
 * Before each pass, `stride` is the product of the factors done, n = length / stride, and the data
 * are `stride` interleaved transforms of length n: element p of transform q is x[q + stride p]. */
static cvec *fft(const FftPlan *plan, cvec *x, cvec *other, float sign) {
    int64_t n = plan->length, stride = 1;
    for (int f = 0; f < plan->num_factors; f++) {
        int64_t radix = plan->factors[f], m = n / radix, in_stride = stride * m;
        for (int64_t i = 0; i < m; i++) {
            int64_t twiddle = stride * i;
            cvec *in = x + stride * i, *out = other + stride * radix * i;
            const float *root = plan->roots[twiddle];
            if (radix == 4) {
                const float *root2 = plan->roots[2 * twiddle], *root3 = plan->roots[3 * twiddle];
                for (int64_t q = 0; q < stride; q++) {
                    cvec a = in[q], b = in[q + in_stride];
                    cvec c = in[q + 2 * in_stride], d = in[q + 3 * in_stride];
                    cvec ac_sum = add(a, c), ac_diff = subtract(a, c), bd_sum = add(b, d);
                    cvec bd_diff = times_i(subtract(b, d), -sign); /* forward: -i (b - d) */
                    out[q] = add(ac_sum, bd_sum);
                    out[q + stride] = times_root(add(ac_diff, bd_diff), root, sign);
                    out[q + 2 * stride] = times_root(subtract(ac_sum, bd_sum), root2, sign);
                    out[q + 3 * stride] = times_root(subtract(ac_diff, bd_diff), root3, sign);
                }
            } else if (radix == 2) {
                for (int64_t q = 0; q < stride; q++) {
                    cvec a = in[q], b = in[q + in_stride];
                    out[q] = add(a, b);
                    out[q + stride] = times_root(subtract(a, b), root, sign);
                }
            } else {
                for (int64_t q = 0; q < stride; q++)
                    odd_butterfly(plan, radix, in + q, in_stride, out + q, stride, twiddle, sign);
            }
        }
        cvec *swap = x;
        x = other, other = swap;
        n = m, stride *= radix;
    }
    return x;
}
