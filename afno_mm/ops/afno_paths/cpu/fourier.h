/* Fourier transforms of vectors of lanes: Stockham's, any length. */
#include "vector.h"

typedef struct { int64_t n, factors, factor[64]; float (*root)[2]; } Plan;

static Plan plan(int64_t n) {
    Plan p = {.n = n, .root = (float(*)[2])floats(2 * n)};
    for (int64_t rest = n, r = 4; rest > 1;) {
        if (rest % r == 0) p.factor[p.factors++] = r, rest /= r;
        else r = r == 4 ? 2 : r == 2 ? 3 : r * r > rest ? rest : r + 2;
    }
    for (int64_t i = 0; i < n; i++) {
        p.root[i][0] = cos(2 * M_PI * i / n);
        p.root[i][1] = -sin(2 * M_PI * i / n);
    }
    return p;
}

INLINE cvec add(cvec a, cvec b) { return (cvec){a.re + b.re, a.im + b.im}; }
INLINE cvec subtract(cvec a, cvec b) { return (cvec){a.re - b.re, a.im - b.im}; }
INLINE cvec times(cvec a, float re, float im) {
    return (cvec){a.re * re - a.im * im, a.re * im + a.im * re};
}
INLINE cvec times_i(cvec a, float sign) { return (cvec){-sign * a.im, sign * a.re}; }

/* sign 1 is the forward transform, -1 the inverse; unscaled. Returns where the result lies. */
static cvec *fft(const Plan *p, cvec *x, cvec *y, float sign) {
    int64_t n = p->n, stride = 1;
    for (int f = 0; f < p->factors; f++) {
        int64_t radix = p->factor[f], m = n / radix, leap = stride * m;
        for (int64_t i = 0; i < m; i++) {
            const cvec *in = x + stride * i;
            cvec *out = y + stride * radix * i;
            if (radix == 4) {
                float *r1 = p->root[stride * i], *r2 = p->root[2 * stride * i],
                      *r3 = p->root[3 * stride * i];
                for (int64_t q = 0; q < stride; q++) {
                    cvec a = in[q], b = in[q + leap], c = in[q + 2 * leap], d = in[q + 3 * leap];
                    cvec s = add(a, c), t = subtract(a, c), u = add(b, d);
                    cvec v = times_i(subtract(b, d), -sign);
                    out[q] = add(s, u);
                    out[q + stride] = times(add(t, v), r1[0], sign * r1[1]);
                    out[q + 2 * stride] = times(subtract(s, u), r2[0], sign * r2[1]);
                    out[q + 3 * stride] = times(subtract(t, v), r3[0], sign * r3[1]);
                }
            } else if (radix == 2) {
                float *r1 = p->root[stride * i];
                for (int64_t q = 0; q < stride; q++) {
                    cvec a = in[q], b = in[q + leap];
                    out[q] = add(a, b);
                    out[q + stride] = times(subtract(a, b), r1[0], sign * r1[1]);
                }
            } else {
                for (int64_t k = 0; k < radix; k++)
                    for (int64_t q = 0; q < stride; q++) {
                        cvec sum = {0};
                        for (int64_t j = 0; j < radix; j++) {
                            float *r = p->root[(j * k % radix * (p->n / radix)
                                                + k * i * stride) % p->n];
                            sum = add(sum, times(in[q + j * leap], r[0], sign * r[1]));
                        }
                        out[q + k * stride] = sum;
                    }
            }
        }
        cvec *swap = x;
        x = y, y = swap;
        n = m, stride *= radix;
    }
    return x;
}
