/* Sizes and settings of one call. operator.py declares the same fields: change both together.
 *
 * Tokens are real, so the half spectrum with frequencies 0 .. W/2 along W holds everything. Column
 * 0 is the DC column; column W/2, if W is even, is the Nyquist column. These two are
 * Hermitian-symmetric along H: frequency -k is the conjugate of frequency k. */
#pragma once
#include <stdint.h>

typedef struct {
    int64_t batch, height, width, channels; /* B, H, W, C of the tokens */
    int64_t blocks;                         /* k: blocks of C / k channels */
    int64_t hidden;                         /* h: hidden units of a block, at least C / k */
    int64_t rows, columns;                  /* K1, K2: frequencies kept along H and W */
    int64_t spectrum_rows;                  /* saved per image and block: column_pass.h */
    int64_t rank;                           /* R of a filter's factors: filter.h */
    int64_t residual;                       /* whether to add the tokens to the result */
    int64_t threads;
    double shrink;                          /* lambda of the soft shrinkage, 0 for none */
    double forward_scale, inverse_scale;    /* factors of the transform and its inverse */
} Shape;

static int is_dc_or_nyquist(int64_t column, int64_t width) {
    return column == 0 || 2 * column == width;
}
