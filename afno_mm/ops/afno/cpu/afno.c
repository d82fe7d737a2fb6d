/* AFNO on CPUs, float32.
 *
 * Forward, for tokens x (B, H, W, C) in k blocks of C / k channels, with complex weights:
 *     z = RFFT2(x),    output = IRFFT2(S_lambda(relu(z w1 + b1) w2 + b2)), + x if residual.
 * relu and the soft shrinkage S_lambda act on real and imaginary parts separately. A frequency
 * filter g adds g z to the result of S_lambda (filter.h). z has the K1 and K2 frequencies kept along
 * H and W.
 *
 * Three passes over memory:
 *   1. row_pass.h, each row of tokens:     real FFT along W
 *   2. column_pass.h and gemm.h, each job: FFT along H, block MLP, inverse FFT along H. A job is a
 *      group of columns of one image and one block.
 *   3. row_pass.h, each row of tokens:     inverse real FFT along W, residual
 * Backward makes the same passes with the adjoint of each step. For backward, forward saves the
 * spectrum and the hidden layer. The hidden layer must not be negative: its sign bits store the
 * shrinkage mask, see column_pass.h.
 *
 * To change the MLP: activate() in gemm.h computes relu and S_lambda, layer_tile() adds the biases.
 * save_hidden_and_mask() and load_hidden_and_mask() store and apply the slope of S_lambda, which
 * must be 0 or 1. operator.py calls the functions below by ctypes without a check of arguments:
 * change both together. tests/ops/test_afno_backends.py compares all backends with ops/naive.py.
 *
 * Layout: between the passes, the half spectrum is in `workspace` (B, H, K2, 2, C). Channels are
 * the lanes of vectors (simd.h). Weights are (2, k, inputs, outputs), biases (2, k, outputs), real
 * parts first. The caller's arrays are contiguous and have no padding: load() and store() handle
 * channels that do not fill a vector. Only the matrices of pass 2 are padded. */
#include "row_pass.h"
#include "column_pass.h"
#include "filter.h"

/* Writes output and, unless both are NULL, spectrum and hidden for backward (see column_pass.h).
 * filter may be NULL. filter_weight is NULL if the filter is full (see filter.h). */
void afno_forward(const Shape *s, const float *x, const float *w1, const float *b1,
                  const float *w2, const float *b2, const float *filter,
                  const float *filter_weight, float *output, float *workspace, float *spectrum,
                  float *hidden) {
    Plan plan = new_plan(s);
    advise_huge_pages(workspace, 2 * s->batch * s->height * s->columns * s->channels);
    advise_huge_pages(output, s->batch * s->height * s->width * s->channels);
    advise_huge_pages(spectrum, 2 * s->batch * s->channels * s->spectrum_rows);
    advise_huge_pages(hidden, 2 * s->batch * s->blocks * s->columns * s->rows * s->hidden);
    Weights layer1 = pack(s, w1, b1, plan.block_size, s->hidden);
    Weights layer2 = pack(s, w2, b2, s->hidden, plan.block_size);
    Filter factors = new_filter(s, filter, filter_weight, plan.block_size);
    /* One thread takes the same job of all images, so that it computes the filter once. If this
     * leaves too few jobs for the threads, each image is a job of its own. */
    int64_t jobs = s->batch * plan.groups * s->blocks;
    int64_t together = filter && plan.groups * s->blocks >= 2 * s->threads ? s->batch : 1;
    FftPlan fft_plan = new_fft_plan(s->height);
    rows_to_columns(s, x, workspace, s->forward_scale, 0);
#pragma omp parallel num_threads(s->threads)
    {
        cvec *buffer = (cvec *)alloc_floats(4 * s->height * LANES);
        Matrix z = new_matrix(plan.job_rows, plan.block_width, plan.chunk_rows);
        Matrix hidden_chunk = new_matrix(plan.chunk_rows, plan.hidden_width, plan.chunk_rows);
        Matrix filtered = {0}, g = {0};
        float *basis = alloc_zeros(plan.job_rows * factors.width);
        if (filter) filtered = new_matrix(plan.chunk_rows, plan.block_width, 0);
        if (filter) g = new_matrix(plan.job_rows, plan.block_width, 0);
#pragma omp for schedule(dynamic)
        for (int64_t first = 0; first < jobs / together; first++)
        for (int64_t number = first; number < jobs; number += jobs / together) {
            Job job = new_job(s, &plan, number);
            if (filter && number == first)
                filter_of_job(s, &factors, &job, plan.block_size, basis, g);
            gather(s, &plan, &fft_plan, workspace, &job, buffer, z);
            if (spectrum) save_spectrum(s, &job, spectrum, z);
            for (int64_t row = 0; row < job.rows; row += plan.chunk_rows) {
                int64_t rows = minimum(plan.chunk_rows, round_up(job.rows - row, TILE_ROWS));
                int64_t filled = minimum(rows, job.rows - row); /* without padding */
                Matrix chunk = from_row(z, row);
                chunk.combined = z.combined;
                combine(chunk, chunk.combined, 1, rows);
                if (filter) multiply_filter(from_row(g, row), 1, chunk, filtered, filled);
                layer(&layer1, job.block, chunk, hidden_chunk, rows, (Activation){RELU});
                layer(&layer2, job.block, hidden_chunk, chunk, rows,
                      (Activation){SHRINK, .lambda = s->shrink});
                if (hidden)
                    save_hidden_and_mask(s, hidden + 2 * (job.hidden_row + row) * s->hidden,
                                         hidden_chunk, chunk, filled);
                if (filter) add_rows(chunk, filtered, filled);
            }
            scatter(s, &plan, &fft_plan, z, &job, buffer, workspace);
        }
        free(buffer), free(z.re), free(hidden_chunk.re), free(filtered.re);
        free(basis), free(g.re);
    }
    columns_to_rows(s, workspace, s->residual ? x : NULL, output, s->inverse_scale, 0);
    free(layer1.data), free(layer1.bias), free(layer2.data), free(layer2.bias);
    free(fft_plan.roots), free(factors.weight), free(factors.adjoint);
}

static Gradient new_gradient(const Shape *s, int64_t inputs, int64_t outputs) {
    float *products = alloc_zeros(3 * s->blocks * product_size(inputs, outputs));
    float *bias = alloc_zeros(2 * s->blocks * round_up(outputs, LANES));
    return (Gradient){inputs, outputs, products, bias};
}

/* Number of threads for backward. All their buffers for weight gradients together fit 256 MB. */
static int gradient_threads(const Shape *s, int64_t block_size) {
    int64_t floats = product_size(block_size, s->hidden) + product_size(s->hidden, block_size);
    int64_t fitting = (1 << 28) / (4 * 3 * s->blocks * floats);
    return fitting < 1 ? 1 : minimum(fitting, s->threads);
}

/* Add one thread's gradient to grad_w (2, k, inputs, outputs) and grad_b (2, k, outputs), and free
 * its buffers. Real part p + q, imaginary part p + r (see gemm.h). NULL buffers add nothing. */
static void add_gradient(const Shape *s, Gradient g, float *grad_w, float *grad_b) {
    if (!g.products) return;
    int64_t width = round_up(g.outputs, LANES), size = product_size(g.inputs, g.outputs);
#pragma omp parallel for num_threads(s->threads)
    for (int64_t row = 0; row < s->blocks * g.inputs; row++) {
        float *p = g.products + 3 * (row / g.inputs) * size + row % g.inputs * width;
        float *q = p + size, *r = q + size;
        float *re = grad_w + row * g.outputs, *im = re + s->blocks * g.inputs * g.outputs;
        for (int64_t o = 0; o < g.outputs; o++) re[o] += p[o] + q[o], im[o] += p[o] + r[o];
    }
    for (int64_t i = 0; i < 2 * s->blocks; i++) {
        float *to = grad_b + (i % 2 * s->blocks + i / 2) * g.outputs;
        for (int64_t o = 0; o < g.outputs; o++) to[o] += g.bias[i * width + o];
    }
    free(g.products), free(g.bias);
}

/* Gradients of afno_forward, from the spectrum and hidden layer that it saved. Writes grad_input
 * and grad_filter (filter.h). Adds to grad_w1, grad_b1, grad_w2, grad_b2 and grad_filter_weight.
 * grad_input may be NULL, grad_filter may be NULL, and the four weight gradients may all be NULL. */
void afno_backward(const Shape *s, const float *grad_output, const float *spectrum,
                   const float *hidden, const float *w1, const float *w2, const float *filter,
                   const float *filter_weight, float *grad_input, float *workspace, float *grad_w1,
                   float *grad_b1, float *grad_w2, float *grad_b2, float *grad_filter,
                   float *grad_filter_weight) {
    Plan plan = new_plan(s);
    advise_huge_pages(workspace, 2 * s->batch * s->height * s->columns * s->channels);
    advise_huge_pages(grad_input, s->batch * s->height * s->width * s->channels);
    Weights layer1_adjoint = pack(s, w1, NULL, s->hidden, plan.block_size);
    Weights layer2_adjoint = pack(s, w2, NULL, plan.block_size, s->hidden);
    Filter factors = new_filter(s, filter, filter_weight, plan.block_size);
    FftPlan fft_plan = new_fft_plan(s->height);
    rows_to_columns(s, grad_output, workspace, s->inverse_scale, 1);
    /* Jobs go to threads in a fixed order, and sums are added in a fixed order. So results repeat
     * bit by bit if the number of threads is the same. */
    int threads = gradient_threads(s, plan.block_size);
    /* All images share the filter. So one thread takes the same job of all images. */
    int64_t jobs = s->batch * plan.groups * s->blocks, together = filter ? s->batch : 1;
    Gradient(*grads)[2] = calloc(threads, sizeof *grads); /* of both layers, for each thread */
    float **filter_grads = calloc(threads, sizeof *filter_grads);
#pragma omp parallel num_threads(threads)
    {
        cvec *buffer = (cvec *)alloc_floats(4 * s->height * LANES);
        Matrix z = new_matrix(plan.chunk_rows, plan.block_width, plan.chunk_rows);
        Matrix grad_job = new_matrix(plan.job_rows, plan.block_width, plan.chunk_rows);
        Matrix hidden_chunk = new_matrix(plan.chunk_rows, plan.hidden_width, plan.chunk_rows);
        Matrix grad_hidden = new_matrix(plan.chunk_rows, plan.hidden_width, plan.chunk_rows);
        float *difference = alloc_floats(plan.chunk_rows * (plan.block_width + plan.hidden_width));
        Matrix filtered = {0}, g = {0}, grad_g = {0};
        float *basis = alloc_zeros(plan.job_rows * factors.width);
        float *grad_basis = alloc_floats(plan.job_rows * round_up(factors.rank, LANES));
        if (filter) filtered = new_matrix(plan.chunk_rows, plan.block_width, 0);
        if (filter) g = new_matrix(plan.job_rows, plan.block_width, 0);
        if (grad_filter) grad_g = new_matrix(plan.job_rows, plan.block_width, 0);
        float *of_weight = NULL;
        if (grad_filter && factors.basis)
            of_weight = alloc_zeros(filter_gradient_size(s, plan.block_size));
        filter_grads[omp_get_thread_num()] = of_weight;
        Gradient *grad = grads[omp_get_thread_num()];
        if (grad_w1) {
            grad[0] = new_gradient(s, plan.block_size, s->hidden);
            grad[1] = new_gradient(s, s->hidden, plan.block_size);
        }
#pragma omp for schedule(static)
        for (int64_t first = 0; first < jobs / together; first++)
        for (int64_t number = first; number < jobs; number += jobs / together) {
            Job job = new_job(s, &plan, number);
            if (filter && number == first)
                filter_of_job(s, &factors, &job, plan.block_size, basis, g);
            gather(s, &plan, &fft_plan, workspace, &job, buffer, grad_job);
            for (int64_t row = 0; row < job.rows; row += plan.chunk_rows) {
                int64_t rows = minimum(plan.chunk_rows, round_up(job.rows - row, TILE_ROWS));
                int64_t filled = minimum(rows, job.rows - row); /* without padding */
                Matrix grad_chunk = from_row(grad_job, row);
                grad_chunk.combined = grad_job.combined;
                if (grad_w1 || grad_filter) load_spectrum(s, &job, spectrum, z, row, filled);
                if (grad_filter)
                    filter_gradient(from_row(grad_g, row), z, grad_chunk, filled, job.image > 0);
                if (grad_input && filter)
                    multiply_filter(from_row(g, row), -1, grad_chunk, filtered, filled);
                load_hidden_and_mask(s, hidden + 2 * (job.hidden_row + row) * s->hidden,
                                     hidden_chunk, grad_chunk, filled);
                combine(grad_chunk, grad_chunk.combined, 1, rows);
                if (grad_w1)
                    add_weight_gradient(grad + 1, job.block, hidden_chunk, grad_chunk, difference,
                                        rows);
                layer(&layer2_adjoint, job.block, grad_chunk, grad_hidden, rows,
                      (Activation){RELU_GRADIENT, .relu = hidden_chunk});
                if (grad_w1)
                    add_weight_gradient(grad, job.block, z, grad_hidden, difference, rows);
                if (grad_input) /* overwrites grad_chunk with the gradient of z */
                    layer(&layer1_adjoint, job.block, grad_hidden, grad_chunk, rows,
                          (Activation){LINEAR});
                if (grad_input && filter) add_rows(grad_chunk, filtered, filled);
            }
            if (grad_input) scatter(s, &plan, &fft_plan, grad_job, &job, buffer, workspace);
            if (grad_filter && number + jobs / together >= jobs)
                save_filter_gradient(s, &factors, &job, plan.block_size, basis, grad_g, grad_basis,
                                     grad_filter, of_weight);
        }
        free(buffer), free(z.re), free(grad_job.re);
        free(hidden_chunk.re), free(grad_hidden.re), free(difference), free(filtered.re);
        free(basis), free(grad_basis), free(g.re), free(grad_g.re);
    }
    for (int thread = 0; thread < threads; thread++) {
        add_gradient(s, grads[thread][0], grad_w1, grad_b1);
        add_gradient(s, grads[thread][1], grad_w2, grad_b2);
        add_filter_weight_gradient(s, plan.block_size, filter_grads[thread], grad_filter_weight);
    }
    if (grad_input)
        columns_to_rows(s, workspace, s->residual ? grad_output : NULL, grad_input,
                        s->forward_scale, 1);
    free(layer1_adjoint.data), free(layer2_adjoint.data), free(fft_plan.roots), free(grads);
    free(factors.weight), free(factors.adjoint), free(filter_grads);
}
