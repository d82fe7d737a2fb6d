/* The middle pass: its jobs, the FFT along H, and what it saves for backward.
 *
 * A job is a group of columns (frequencies along W) of one image and one block of channels. It
 * stays in the cache. gather() makes its kept frequencies the rows of a Matrix: row c * K1 + f is
 * frequency f of the group's column c. So the block MLP is two matrix products. Frequencies along H
 * are 0 .. (K1 - 1) / 2, then the negative ones.
 *
 * Saved for backward:
 *   spectrum (B, k, spectrum_rows, 2, C / k): input of the MLP. The DC and Nyquist columns store
 *       frequencies 0 .. K1 / 2. Their other frequencies are conjugates of these.
 *   hidden (B, k, K2, K1, 2, h): hidden layer after the ReLU. It is not negative, so its sign bits
 *       are free: the sign bit of unit c stores the shrinkage mask of output c. So h >= C / k. The
 *       mask is 1 where the gradient passes: where the output is not 0, or everywhere without
 *       shrinkage. A shrinkage with other slopes than 0 and 1 needs an array of its own. */
#pragma once
#include "fft.h"
#include "gemm.h"
#include "shape.h"

/* Choose how many columns form a group: their rows fill tiles well and keep all threads busy. */
static int64_t columns_per_group(const Shape *s) {
    int64_t best = 1;
    double least = INFINITY;
    for (int64_t n = 1; n <= 8 && (n == 1 || n * s->rows <= 22 * TILE_ROWS); n++) {
        int64_t jobs = s->batch * s->blocks * ((s->columns + n - 1) / n);
        int64_t rounds = (jobs + s->threads - 1) / s->threads;
        double cost = (double)rounds * round_up(n * s->rows, TILE_ROWS);
        if (n * s->rows < 48) cost *= 2;
        if (cost < .99 * least) least = cost, best = n;
    }
    return best;
}

/* Sizes of jobs and chunks. The MLP works on one chunk of a job's rows at a time. Widths count
 * floats and are rounded up to whole vectors. Numbers of rows are rounded up to whole tiles. */
typedef struct {
    int64_t block_size, block_width, hidden_width, group_columns, groups, job_rows, chunk_rows;
} Plan;

static Plan new_plan(const Shape *s) {
    Plan plan = {.block_size = s->channels / s->blocks};
    plan.block_width = round_up(plan.block_size, LANES);
    plan.hidden_width = round_up(s->hidden, LANES);
    plan.group_columns = columns_per_group(s);
    plan.groups = (s->columns + plan.group_columns - 1) / plan.group_columns;
    plan.job_rows = round_up(plan.group_columns * s->rows, TILE_ROWS);
    /* A chunk fits 512 KB of cache, unless this gives too few rows for each read of the weights. */
    int64_t rows = (1 << 19) / (4 * 3 * (plan.block_width + plan.hidden_width));
    if (rows < plan.block_width / 4) rows = plan.block_width / 4;
    plan.chunk_rows = minimum(plan.job_rows, round_up(rows, TILE_ROWS));
    return plan;
}

typedef struct {
    int64_t image, block, first_column, columns, rows;
    int64_t offset;     /* of the job's first number in the half spectrum (B, H, K2, 2, C) */
    int64_t hidden_row; /* of the job's first row in the saved hidden layer (B, k, K2, K1) */
} Job;

static Job new_job(const Shape *s, const Plan *plan, int64_t number) {
    Job job = {.block = number % s->blocks,
               .first_column = number / s->blocks % plan->groups * plan->group_columns};
    job.image = number / s->blocks / plan->groups;
    job.columns = minimum(plan->group_columns, s->columns - job.first_column);
    job.rows = job.columns * s->rows;
    job.offset = (job.image * s->height * s->columns + job.first_column) * 2 * s->channels +
                 job.block * plan->block_size;
    int64_t column = (job.image * s->blocks + job.block) * s->columns + job.first_column;
    job.hidden_row = column * s->rows;
    return job;
}

/* FFT along H of a job's columns. The kept frequencies become the rows of `to`. Padding rows become
 * 0. `buffer` holds 2 H cvecs. */
static void gather(const Shape *s, const Plan *plan, const FftPlan *fft_plan,
                   const float *half_spectrum, const Job *job, cvec *buffer, Matrix to) {
    int64_t H = s->height, K1 = s->rows, C = s->channels, step = s->columns * 2 * C;
    for (int64_t column = 0; column < job->columns; column++)
        for (int64_t c = 0; c < plan->block_size; c += LANES) {
            const float *in = half_spectrum + job->offset + column * 2 * C + c;
            int64_t left = plan->block_size - c;
            const float *next = left > LANES ? in + LANES : in - c + 2 * C;
            for (int64_t h = 0; h < H; h++) {
                prefetch(next + h * step, LANES, 0);
                prefetch(next + h * step + C, LANES, 0);
                buffer[h] = (cvec){load(in + h * step, left), load(in + h * step + C, left)};
            }
            cvec *z = fft(fft_plan, buffer, buffer + H, 1);
            for (int64_t k = 0; k < K1; k++) {
                int64_t at = (column * K1 + k) * to.stride + c;
                cvec value = z[k < (K1 + 1) / 2 ? k : H - K1 + k];
                *(vec *)(to.re + at) = value.re;
                *(vec *)(to.im + at) = value.im;
            }
        }
    int64_t padding = plan->job_rows - job->rows;
    memset(to.re + job->rows * to.stride, 0, 4 * padding * to.stride);
    memset(to.im + job->rows * to.stride, 0, 4 * padding * to.stride);
}

/* Inverse FFT along H of a job's rows, back into the half spectrum. */
static void scatter(const Shape *s, const Plan *plan, const FftPlan *fft_plan, Matrix from,
                    const Job *job, cvec *buffer, float *half_spectrum) {
    int64_t H = s->height, K1 = s->rows, C = s->channels, step = s->columns * 2 * C;
    for (int64_t column = 0; column < job->columns; column++)
        for (int64_t c = 0; c < plan->block_size; c += LANES) {
            float *out = half_spectrum + job->offset + column * 2 * C + c;
            int64_t left = plan->block_size - c;
            if (K1 < H) memset(buffer, 0, sizeof(cvec) * H);
            for (int64_t k = 0; k < K1; k++) {
                int64_t at = (column * K1 + k) * from.stride + c;
                buffer[k < (K1 + 1) / 2 ? k : H - K1 + k] =
                    (cvec){*(vec *)(from.re + at), *(vec *)(from.im + at)};
            }
            cvec *z = fft(fft_plan, buffer, buffer + H, -1);
            for (int64_t h = 0; h < H; h++) {
                store(out + h * step, z[h].re, left);
                store(out + h * step + C, z[h].im, left);
            }
        }
}

/* Number of saved frequencies of a column, and (second function) of all columns before it. */
static int64_t stored_rows(const Shape *s, int64_t column) {
    return is_dc_or_nyquist(column, s->width) ? s->rows / 2 + 1 : s->rows;
}

static int64_t stored_rows_before(const Shape *s, int64_t column) {
    int64_t symmetric = (column > 0) + (s->width % 2 == 0 && column > s->width / 2);
    return column * s->rows - symmetric * (s->rows - stored_rows(s, 0));
}

/* Offset of a job's row in the saved spectrum. Sets `conjugate` if the conjugate is saved there. */
static int64_t saved_offset(const Shape *s, const Job *job, int64_t row, int *conjugate) {
    int64_t column = job->first_column + row / s->rows, k = row % s->rows;
    *conjugate = k >= stored_rows(s, column);
    int64_t before =
        (job->image * s->blocks + job->block) * s->spectrum_rows + stored_rows_before(s, column);
    return (before + (*conjugate ? s->rows - k : k)) * 2 * (s->channels / s->blocks);
}

static void save_spectrum(const Shape *s, const Job *job, float *saved, Matrix z) {
    int64_t size = s->channels / s->blocks;
    for (int64_t row = 0; row < job->rows; row++) {
        int conjugate;
        float *to = saved + saved_offset(s, job, row, &conjugate);
        if (conjugate) continue;
        memcpy(to, z.re + row * z.stride, 4 * size);
        memcpy(to + size, z.im + row * z.stride, 4 * size);
    }
}

/* Read `count` rows of a job's spectrum, from `first_row` on, into the first rows of `z`. */
static void load_spectrum(const Shape *s, const Job *job, const float *saved, Matrix z,
                          int64_t first_row, int64_t count) {
    int64_t size = s->channels / s->blocks;
    for (int64_t row = 0; row < count; row++) {
        int conjugate;
        const float *from = saved + saved_offset(s, job, first_row + row, &conjugate);
        float *im = z.im + row * z.stride;
        memcpy(z.re + row * z.stride, from, 4 * size), memcpy(im, from + size, 4 * size);
        for (int64_t c = 0; conjugate && c < size; c++) im[c] = -im[c];
    }
}

/* Save `count` rows of the hidden layer, with the shrinkage mask of `out` in its sign bits. */
static void save_hidden_and_mask(const Shape *s, float *saved, Matrix hidden, Matrix out,
                                 int64_t count) {
    bits all = s->shrink == 0 ? ~(bits){0} : (bits){0};
    for (int64_t r = 0; r < 2 * count; r++, saved += s->hidden) { /* real and imaginary rows */
        float *from = (r % 2 ? hidden.im : hidden.re) + r / 2 * hidden.stride;
        float *result = (r % 2 ? out.im : out.re) + r / 2 * out.stride;
        for (int64_t c = 0; c < s->hidden; c += LANES) {
            vec v = *(vec *)(from + c);
            if (c < out.stride)
                v = (vec)((bits)v | ((all | (*(vec *)(result + c) != 0)) & INT32_MIN));
            store(saved + c, v, s->hidden - c);
        }
    }
}

/* Read `count` rows of the hidden layer. Set the output's `gradient` to 0 where the mask is 0. */
static void load_hidden_and_mask(const Shape *s, const float *saved, Matrix hidden,
                                 Matrix gradient, int64_t count) {
    for (int64_t r = 0; r < 2 * count; r++, saved += s->hidden) {
        float *to = (r % 2 ? hidden.im : hidden.re) + r / 2 * hidden.stride;
        float *g = (r % 2 ? gradient.im : gradient.re) + r / 2 * gradient.stride;
        for (int64_t c = 0; c < s->hidden; c += LANES) {
            bits word = (bits)load(saved + c, s->hidden - c);
            *(vec *)(to + c) = (vec)(word & INT32_MAX);
            if (c < gradient.stride)
                *(vec *)(g + c) = zero_unless(word >> 31, *(vec *)(g + c)); /* sign bit to all */
        }
    }
}

static void add_rows(Matrix to, Matrix from, int64_t count) {
    for (int64_t i = 0; i < count * to.stride; i += LANES) {
        *(vec *)(to.re + i) += *(vec *)(from.re + i);
        *(vec *)(to.im + i) += *(vec *)(from.im + i);
    }
}

/* A matrix of zeros, with `combined` for a chunk of its rows. free(m.re) frees it. */
static Matrix new_matrix(int64_t rows, int64_t stride, int64_t chunk_rows) {
    float *data = alloc_zeros((2 * rows + chunk_rows) * stride);
    return (Matrix){data, data + rows * stride, data + 2 * rows * stride, stride};
}

