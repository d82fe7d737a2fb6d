/* The middle sweep: its jobs, and the FFT along H that gathers and scatters their rows. */
#include "product.h"

/* Columns that are worked on together: so many that their rows fill tiles, and that the threads
 * end together. */
static int64_t columns_together(const Shape *s) {
    int64_t best = 1;
    double least = INFINITY;
    for (int64_t n = 1; n <= 8 && (n == 1 || n * s->rows <= 22 * ROWS); n++) {
        int64_t jobs = s->batch * s->blocks * ((s->columns + n - 1) / n);
        int64_t turns = (jobs + s->threads - 1) / s->threads;
        double cost = (double)turns * round_up(n * s->rows, ROWS) * (n * s->rows < 48 ? 2 : 1);
        if (cost < .99 * least) least = cost, best = n;
    }
    return best;
}

/* How the work of the middle sweep is cut: a job is a group of columns of a block of channels.
 * `rows` and `chunk` are whole tiles, widths whole vectors. */
typedef struct {
    int64_t block_size, width, hidden_width, together, groups, rows, chunk;
} Middle;

static Middle middle(const Shape *s) {
    Middle m = {.block_size = s->channels / s->blocks};
    m.width = round_up(m.block_size, LANES);
    m.hidden_width = round_up(s->hidden, LANES);
    m.together = columns_together(s);
    m.groups = (s->columns + m.together - 1) / m.together;
    m.rows = round_up(m.together * s->rows, ROWS);
    /* Rows that fit the cache, but enough of them to pay for a pass over the weights. */
    int64_t fit = CHUNK_BYTES / (4 * 3 * (m.width + m.hidden_width)), pay = m.width / 4;
    m.chunk = minimum(m.rows, round_up(fit > pay ? fit : pay, ROWS));
    return m;
}

typedef struct {
    int64_t image, block, column, columns, filled;
    int64_t at;        /* of the first number, in (B, H, K2, 2, C) */
    int64_t first_row; /* in (B, k, K2, K1) */
} Job;

static Job job(const Shape *s, const Middle *m, int64_t number) {
    Job j = {.block = number % s->blocks, .column = number / s->blocks % m->groups * m->together};
    j.image = number / s->blocks / m->groups;
    j.columns = minimum(m->together, s->columns - j.column);
    j.filled = j.columns * s->rows;
    j.at = (j.image * s->height * s->columns + j.column) * 2 * s->channels + j.block * m->block_size;
    j.first_row = ((j.image * s->blocks + j.block) * s->columns + j.column) * s->rows;
    return j;
}

/* Frequencies of a column that are kept. Those of a column that is its own mirror image come in
 * conjugate pairs, as tokens are real: half of them. */
static int64_t kept_rows(const Shape *s, int64_t column) {
    return own_mirror(column, s->width) ? s->rows / 2 + 1 : s->rows;
}

/* How many are kept of the columns before one. */
static int64_t kept_before(const Shape *s, int64_t column) {
    int64_t mirrors = (column > 0) + (s->width % 2 == 0 && column > s->width / 2);
    return column * s->rows - mirrors * (s->rows - kept_rows(s, 0));
}

/* FFT along H of a job's columns of (B, H, K2, 2, C); its kept frequencies become rows. */
static void gather(const Shape *s, const Middle *m, const Plan *p, const float *t, const Job *j,
                   cvec *buffer, Rows to) {
    int64_t H = s->height, K = s->rows, C = s->channels, step = s->columns * 2 * C;
    for (int64_t column = 0; column < j->columns; column++)
        for (int64_t c = 0; c < m->block_size; c += LANES) {
            const float *in = t + j->at + column * 2 * C + c;
            int64_t left = m->block_size - c;
            const float *next = left > LANES ? in + LANES : in - c + 2 * C;
            for (int64_t h = 0; h < H; h++) {
                fetch(next + h * step, LANES, 0);
                fetch(next + h * step + C, LANES, 0);
                buffer[h] = (cvec){load(in + h * step, left), load(in + h * step + C, left)};
            }
            cvec *z = fft(p, buffer, buffer + H, 1);
            for (int64_t k = 0; k < K; k++) {
                int64_t at = (column * K + k) * to.ld + c;
                cvec value = z[k < (K + 1) / 2 ? k : H - K + k];
                *(vec *)(to.re + at) = value.re;
                *(vec *)(to.im + at) = value.im;
            }
        }
    int64_t empty = m->rows - j->filled;
    memset(to.re + j->filled * to.ld, 0, 4 * empty * to.ld);
    memset(to.im + j->filled * to.ld, 0, 4 * empty * to.ld);
}

/* The inverse FFT along H of a job's rows, back into (B, H, K2, 2, C). */
static void scatter(const Shape *s, const Middle *m, const Plan *p, Rows from, const Job *j,
                    cvec *buffer, float *t) {
    int64_t H = s->height, K = s->rows, C = s->channels, step = s->columns * 2 * C;
    for (int64_t column = 0; column < j->columns; column++)
        for (int64_t c = 0; c < m->block_size; c += LANES) {
            float *out = t + j->at + column * 2 * C + c;
            int64_t left = m->block_size - c;
            if (K < H) memset(buffer, 0, sizeof(cvec) * H);
            for (int64_t k = 0; k < K; k++) {
                int64_t at = (column * K + k) * from.ld + c;
                buffer[k < (K + 1) / 2 ? k : H - K + k] =
                    (cvec){*(vec *)(from.re + at), *(vec *)(from.im + at)};
            }
            cvec *z = fft(p, buffer, buffer + H, -1);
            for (int64_t h = 0; h < H; h++) {
                store(out + h * step, z[h].re, left);
                store(out + h * step + C, z[h].im, left);
            }
        }
}

/* Where a job's row is in what is kept of the spectrum, and whether it is the conjugate of it. */
static int64_t kept_at(const Shape *s, const Job *j, int64_t row, int *mirrored) {
    int64_t column = j->column + row / s->rows, k = row % s->rows;
    *mirrored = k >= kept_rows(s, column);
    int64_t before = (j->image * s->blocks + j->block) * s->spectrum_rows + kept_before(s, column);
    return (before + (*mirrored ? s->rows - k : k)) * 2 * (s->channels / s->blocks);
}

/* Write a job's spectrum to what is kept for backward. */
static void keep_spectrum(const Shape *s, const Job *j, float *kept, Rows z) {
    int64_t b = s->channels / s->blocks;
    for (int64_t row = 0; row < j->filled; row++) {
        int mirrored;
        float *to = kept + kept_at(s, j, row, &mirrored);
        if (mirrored) continue;
        memcpy(to, z.re + row * z.ld, 4 * b), memcpy(to + b, z.im + row * z.ld, 4 * b);
    }
}

/* Read `count` rows of it, from `row` on. */
static void read_spectrum(const Shape *s, const Job *j, const float *kept, Rows z, int64_t row,
                          int64_t count) {
    int64_t b = s->channels / s->blocks;
    for (int64_t r = 0; r < count; r++) {
        int mirrored;
        const float *from = kept + kept_at(s, j, row + r, &mirrored);
        float *im = z.im + r * z.ld;
        memcpy(z.re + r * z.ld, from, 4 * b), memcpy(im, from + b, 4 * b);
        for (int64_t c = 0; mirrored && c < b; c++) im[c] = -im[c];
    }
}

/* Write `count` rows of the hidden layer. Its numbers are not negative, so that their signs are
 * free to tell which numbers of `out` survived the shrinkage: those that are not 0, or all. */
static void keep_hidden(const Shape *s, float *kept, Rows hidden, Rows out, int64_t count) {
    bits all = s->shrink == 0 ? ~(bits){0} : (bits){0};
    for (int64_t r = 0; r < 2 * count; r++, kept += s->hidden) {
        float *from = (r % 2 ? hidden.im : hidden.re) + r / 2 * hidden.ld;
        float *result = (r % 2 ? out.im : out.re) + r / 2 * out.ld;
        for (int64_t c = 0; c < s->hidden; c += LANES) {
            vec v = *(vec *)(from + c);
            if (c < out.ld)
                v = (vec)((bits)v | ((all | (*(vec *)(result + c) != 0)) & INT32_MIN));
            store(kept + c, v, s->hidden - c);
        }
    }
}

/* Read them, and set what did not survive in `gradient` of `out` to 0. */
static void read_hidden(const Shape *s, const float *kept, Rows hidden, Rows gradient,
                        int64_t count) {
    for (int64_t r = 0; r < 2 * count; r++, kept += s->hidden) {
        float *to = (r % 2 ? hidden.im : hidden.re) + r / 2 * hidden.ld;
        float *g = (r % 2 ? gradient.im : gradient.re) + r / 2 * gradient.ld;
        for (int64_t c = 0; c < s->hidden; c += LANES) {
            bits word = (bits)load(kept + c, s->hidden - c);
            *(vec *)(to + c) = (vec)(word & INT32_MAX);
            if (c < gradient.ld) *(vec *)(g + c) = only(*(vec *)(g + c), word >> 31);
        }
    }
}

static Rows new_rows(int64_t count, int64_t ld, int parts) {
    float *data = floats(parts * count * ld);
    memset(data, 0, 4 * parts * count * ld);
    return (Rows){data, data + count * ld, parts > 2 ? data + 2 * count * ld : NULL, ld};
}

/* more = re + sign im of `count` rows. */
static void combine(Rows r, float *more, float sign, int64_t count) {
    for (int64_t i = 0; i < count * r.ld; i += LANES)
        *(vec *)(more + i) = *(vec *)(r.re + i) + sign * *(vec *)(r.im + i);
}

static float *pad_bias(const Shape *s, const float *bias, int64_t size) {
    int64_t width = round_up(size, LANES);
    float *to = floats(2 * s->blocks * width);
    memset(to, 0, 4 * 2 * s->blocks * width);
    for (int64_t i = 0; i < 2 * s->blocks; i++) memcpy(to + i * width, bias + i * size, 4 * size);
    return to;
}
