/* The frequency filter g, which pass 2 multiplies with the spectrum, and its gradient.
 *
 * The caller gives g in full, (2, K1, K2, C), or as factors: a basis (K1, K2, R) and a weight
 * (2, R + 1, C), with g = [basis, 1] weight for each part. A full filter is as large as the tokens
 * of one image. From factors each job computes its part of g in the cache, once for all images.
 *
 * Gradient for the rows of a job, with G = sum over images of conj(z) grad:
 *     of a full filter: G
 *     of factors:       [basis, 1]^T G for the weight, and G weight^T, summed over the parts, for
 *                       the basis. The caller sums the latter over the blocks. */
#pragma once
#include "column_pass.h"

typedef struct {
    const float *full, *basis; /* one of them is NULL */
    int64_t rank, width;       /* R, and the length of a row [basis, 1], padded to whole tiles */
    int64_t size, adjoint_size;
    float *weight, *adjoint;   /* for each block and part, the packed weight and its transpose */
} Filter;

static Filter new_filter(const Shape *s, const float *filter, const float *weight,
                         int64_t block_size) {
    if (!weight) return (Filter){.full = filter};
    int64_t rank = s->rank, inputs = rank + 1;
    Filter f = {.basis = filter, .rank = rank, .width = round_up(inputs, TILE_ROWS)};
    f.size = inputs * round_up(block_size, LANES);
    f.adjoint_size = block_size * round_up(rank, LANES);
    f.weight = alloc_floats(2 * s->blocks * f.size);
    f.adjoint = alloc_floats(2 * s->blocks * f.adjoint_size);
    for (int64_t i = 0; i < 2 * s->blocks; i++) {
        const float *from = weight + i % 2 * inputs * s->channels + i / 2 * block_size;
        pack_real(from, s->channels, 1, inputs, block_size, f.weight + i * f.size);
        pack_real(from, 1, s->channels, block_size, rank, f.adjoint + i * f.adjoint_size);
    }
    return f;
}

/* Index of a job's row in an array (K1, K2). */
static int64_t frequency(const Shape *s, const Job *job, int64_t row) {
    return row % s->rows * s->columns + job->first_column + row / s->rows;
}

/* Compute g for all rows of a job. For factors, also gather the rows [basis, 1], followed by
 * zeros; `basis` was 0 before the first job. */
static void filter_of_job(const Shape *s, const Filter *f, const Job *job, int64_t block_size,
                          float *basis, Matrix g) {
    int64_t step = s->columns * s->channels, plane = s->rows * step;
    for (int64_t row = 0; row < job->rows; row++) {
        int64_t at = frequency(s, job, row);
        if (f->full) {
            const float *from = f->full + at * s->channels + job->block * block_size;
            prefetch(from + 4 * step, block_size, 0);
            prefetch(from + 4 * step + plane, block_size, 0);
            memcpy(g.re + row * g.stride, from, 4 * block_size);
            memcpy(g.im + row * g.stride, from + plane, 4 * block_size);
        } else {
            memcpy(basis + row * f->width, f->basis + at * f->rank, 4 * f->rank);
            basis[row * f->width + f->rank] = 1;
        }
    }
    for (int part = 0; !f->full && part < 2; part++)
        real_product(basis, f->width, f->weight + (2 * job->block + part) * f->size, f->rank + 1,
                     block_size, part ? g.im : g.re, g.stride, round_up(job->rows, TILE_ROWS), 0);
}

/* to = g z, or conj(g) z if sign is -1, for `count` rows. */
static void multiply_filter(Matrix g, float sign, Matrix z, Matrix to, int64_t count) {
    for (int64_t i = 0; i < count * z.stride; i += LANES) {
        vec a = *(vec *)(g.re + i), b = sign * *(vec *)(g.im + i);
        vec re = *(vec *)(z.re + i), im = *(vec *)(z.im + i);
        *(vec *)(to.re + i) = a * re - b * im;
        *(vec *)(to.im + i) = a * im + b * re;
    }
}

/* sum = conj(z) grad for `count` rows, or sum += conj(z) grad if `add`. */
static void filter_gradient(Matrix sum, Matrix z, Matrix grad, int64_t count, int add) {
    for (int64_t i = 0; i < count * z.stride; i += LANES) {
        vec re = *(vec *)(z.re + i), im = *(vec *)(z.im + i), zero = {0};
        vec grad_re = *(vec *)(grad.re + i), grad_im = *(vec *)(grad.im + i);
        vec sum_re = add ? *(vec *)(sum.re + i) : zero, sum_im = add ? *(vec *)(sum.im + i) : zero;
        *(vec *)(sum.re + i) = sum_re + re * grad_re + im * grad_im;
        *(vec *)(sum.im + i) = sum_im + re * grad_im - im * grad_re;
    }
}

/* Number of floats of a thread's gradient of the weight: see add_transposed_product(). */
static int64_t filter_gradient_size(const Shape *s, int64_t block_size) {
    return 2 * s->blocks * product_size(s->rank + 1, block_size);
}

/* Save the gradients that follow from `g`: G for the rows of a job. Write to grad_filter G (full
 * filter), or the gradient of the basis for each block, (k, K1, K2, R). Add the weight's gradient
 * to `of_weight`. `buffer` holds as many rows as a job, of R floats padded to vectors. */
static void save_filter_gradient(const Shape *s, const Filter *f, const Job *job,
                                 int64_t block_size, const float *basis, Matrix g, float *buffer,
                                 float *grad_filter, float *of_weight) {
    int64_t plane = s->rows * s->columns, width = round_up(f->rank, LANES);
    for (int part = 0; !f->full && part < 2; part++) {
        int64_t which = 2 * job->block + part;
        const float *of_part = part ? g.im : g.re;
        add_transposed_product(of_weight + which * product_size(f->rank + 1, block_size), basis,
                               f->width, of_part, g.stride, f->rank + 1, block_size, job->rows);
        real_product(of_part, g.stride, f->adjoint + which * f->adjoint_size, block_size, f->rank,
                     buffer, width, round_up(job->rows, TILE_ROWS), part);
    }
    for (int64_t row = 0; row < job->rows; row++) {
        int64_t at = frequency(s, job, row);
        if (f->full) {
            float *to = grad_filter + at * s->channels + job->block * block_size;
            memcpy(to, g.re + row * g.stride, 4 * block_size);
            memcpy(to + plane * s->channels, g.im + row * g.stride, 4 * block_size);
        } else {
            memcpy(grad_filter + (job->block * plane + at) * f->rank, buffer + row * width,
                   4 * f->rank);
        }
    }
}

/* Add one thread's gradient to grad_weight (2, R + 1, C), and free it. NULL adds nothing. */
static void add_filter_weight_gradient(const Shape *s, int64_t block_size, float *of_weight,
                                       float *grad_weight) {
    int64_t inputs = s->rank + 1, width = round_up(block_size, LANES);
    for (int64_t i = 0; of_weight && i < 2 * s->blocks; i++)
        for (int64_t row = 0; row < inputs; row++) {
            const float *from = of_weight + i * product_size(inputs, block_size) + row * width;
            float *to = grad_weight + (i % 2 * inputs + row) * s->channels + i / 2 * block_size;
            for (int64_t c = 0; c < block_size; c++) to[c] += from[c];
        }
    free(of_weight);
}
