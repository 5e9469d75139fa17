// Upsampling by learned convex combinations; equation in src/convex_upsample/mod.rs.
//
// x [n, channels, height, width], logits [n, 9, ratio², height, width], out and grad [n, channels, ratio·height,
// ratio·width]. One thread per fine pixel, ordered as the logits are, so that these, the largest tensor, are read in a row.
#include "common.cuh"

// One fine pixel.
struct Fine {
    int n, plane, pixel, row, column;
    // Index of the first of its nine logits, and the step from one to the next.
    int logit, step;
    // Its place in a fine plane.
    int place;
};

__device__ __forceinline__ Fine fine_at(int i, int height, int width, int ratio) {
    Fine f;
    int fine = ratio * ratio;
    f.plane = height * width;
    f.pixel = i % f.plane;
    f.row = f.pixel / width;
    f.column = f.pixel % width;
    f.step = fine * f.plane;
    f.n = i / f.step;
    int sub = i / f.plane % fine;
    f.logit = f.n * 9 * f.step + sub * f.plane + f.pixel;
    f.place = (f.row * ratio + sub / ratio) * width * ratio + f.column * ratio + sub % ratio;
    return f;
}

__device__ __forceinline__ void softmax(const Fine& f, const float* logits, float weights[9]) {
    float peak = logits[f.logit], total = 0.0f;
    for (int k = 1; k < 9; ++k) peak = fmaxf(peak, logits[f.logit + k * f.step]);
    for (int k = 0; k < 9; ++k) total += weights[k] = expf(logits[f.logit + k * f.step] - peak);
    for (int k = 0; k < 9; ++k) weights[k] /= total;
}

// Index of coarse neighbour k in a plane, −1 outside.
__device__ __forceinline__ int around(const Fine& f, int k, int height, int width) {
    int row = f.row + k / 3 - 1, column = f.column + k % 3 - 1;
    return row >= 0 && row < height && column >= 0 && column < width ? row * width + column : -1;
}

KERNEL convex_upsample_forward(const float* x, const float* logits, float* out, int count, int channels, int height,
                               int width, int ratio) {
    int i = thread_number();
    if (i >= count) return;
    Fine f = fine_at(i, height, width, ratio);
    float weights[9];
    softmax(f, logits, weights);
    for (int c = f.n * channels; c < (f.n + 1) * channels; ++c) {
        float sum = 0.0f;
        for (int k = 0; k < 9; ++k) {
            int at = around(f, k, height, width);
            if (at >= 0) sum += weights[k] * x[c * f.plane + at];
        }
        out[c * f.step + f.place] = sum;
    }
}

// `out` is x's gradient and starts at zero.
KERNEL convex_upsample_grad_x(const float* logits, const float* grad, float* out, int count, int channels, int height,
                              int width, int ratio) {
    int i = thread_number();
    if (i >= count) return;
    Fine f = fine_at(i, height, width, ratio);
    float weights[9];
    softmax(f, logits, weights);
    for (int c = f.n * channels; c < (f.n + 1) * channels; ++c) {
        float g = grad[c * f.step + f.place];
        for (int k = 0; k < 9; ++k) {
            int at = around(f, k, height, width);
            if (at >= 0) atomicAdd(out + c * f.plane + at, weights[k] * g);
        }
    }
}

// `out` is the logits' gradient.
KERNEL convex_upsample_grad_logits(const float* x, const float* logits, const float* grad, float* out, int count,
                                   int channels, int height, int width, int ratio) {
    int i = thread_number();
    if (i >= count) return;
    Fine f = fine_at(i, height, width, ratio);
    float weights[9], by_weight[9] = {0.0f};
    softmax(f, logits, weights);
    for (int c = f.n * channels; c < (f.n + 1) * channels; ++c) {
        float g = grad[c * f.step + f.place];
        for (int k = 0; k < 9; ++k) {
            int at = around(f, k, height, width);
            if (at >= 0) by_weight[k] += g * x[c * f.plane + at];
        }
    }
    float mean = 0.0f;
    for (int k = 0; k < 9; ++k) mean += weights[k] * by_weight[k];
    for (int k = 0; k < 9; ++k) out[f.logit + k * f.step] = weights[k] * (by_weight[k] - mean);
}
