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

/* One transform of an odd length from in[0], in[leap] ..., which it overwrites, to out[0],
 * out[stride] ...: x[j] and x[radix - j] share a cosine and, but for its sign, a sine. Result k is
 * turned by the k-th multiple of `turn`. */
static void odd_radix(const Plan *p, int64_t radix, cvec *in, int64_t leap, cvec *out,
                      int64_t stride, int64_t turn, float sign) {
    cvec first = in[0], sum = first;
    for (int64_t j = 1; j <= radix / 2; j++) {
        cvec a = in[j * leap], b = in[(radix - j) * leap];
        in[j * leap] = add(a, b), in[(radix - j) * leap] = subtract(a, b);
        sum = add(sum, in[j * leap]);
    }
    out[0] = sum;
    for (int64_t k = 1; k <= radix / 2; k++) {
        cvec even = first, odd = {0};
        for (int64_t j = 1, at = 0; j <= radix / 2; j++) {
            at += k * (p->n / radix);
            if (at >= p->n) at -= p->n;
            cvec s = in[j * leap], d = in[(radix - j) * leap];
            even.re += s.re * p->root[at][0], even.im += s.im * p->root[at][0];
            odd.re += d.re * p->root[at][1], odd.im += d.im * p->root[at][1];
        }
        odd = times_i(odd, sign);
        float *r = p->root[k * turn], *q = p->root[(radix - k) * turn];
        out[k * stride] = times(add(even, odd), r[0], sign * r[1]);
        out[(radix - k) * stride] = times(subtract(even, odd), q[0], sign * q[1]);
    }
}

/* sign 1 is the forward transform, -1 the inverse; unscaled. Returns where the result lies. */
static cvec *fft(const Plan *p, cvec *x, cvec *y, float sign) {
    int64_t n = p->n, stride = 1;
    for (int f = 0; f < p->factors; f++) {
        int64_t radix = p->factor[f], m = n / radix, leap = stride * m;
        for (int64_t i = 0; i < m; i++) {
            cvec *in = x + stride * i;
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
                for (int64_t q = 0; q < stride; q++)
                    odd_radix(p, radix, in + q, leap, out + q, stride, stride * i, sign);
            }
        }
        cvec *swap = x;
        x = y, y = swap;
        n = m, stride *= radix;
    }
    return x;
}
