// What the kernels share. Each kernel's parameters are, in this order: the tensors it reads, the one it writes, whole
// numbers of which the first is `count`, the number of threads that have work; fractional numbers. All tensors are
// contiguous f32 of fewer than 2^31 numbers (src/launch.rs checks), so that indices are int.
//
// One thread does one piece of work alone: no shared memory, no barriers. This keeps the kernels short and lets the tests
// run the same sources on a CPU, thread after thread (src/emulator).
#pragma once

#define KERNEL extern "C" __global__ void

__device__ __forceinline__ int thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// Where one sample reads an image: four pixels, and the position between them.
struct Tap {
    // Index of the top left pixel; may be outside, see the flags.
    int corner;
    // Which columns and rows are inside the image; none of them for a sample that sees nothing.
    bool left, right, top, bottom;
    // Fractions of a pixel from the top left pixel.
    float a, b;
};

__device__ __forceinline__ Tap tap_at(float x, float y, int height, int width) {
    Tap tap = {0, false, false, false, false, 0.0f, 0.0f};
    // NaN fails the comparisons; what passes is small enough for the conversions below.
    if (!(x >= -1.0f && x < width && y >= -1.0f && y < height)) return tap;
    float left = floorf(x), top = floorf(y);
    int column = (int)left, row = (int)top;
    tap.corner = row * width + column;
    tap.left = column >= 0;
    tap.right = column + 1 < width;
    tap.top = row >= 0;
    tap.bottom = row + 1 < height;
    tap.a = x - left;
    tap.b = y - top;
    return tap;
}

// The values around a sample: top left, top right, bottom left, bottom right; 0 outside.
struct Corners {
    float p, q, r, s;
};

__device__ __forceinline__ Corners read(const Tap& tap, const float* plane, int width) {
    Corners c;
    c.p = tap.top && tap.left ? plane[tap.corner] : 0.0f;
    c.q = tap.top && tap.right ? plane[tap.corner + 1] : 0.0f;
    c.r = tap.bottom && tap.left ? plane[tap.corner + width] : 0.0f;
    c.s = tap.bottom && tap.right ? plane[tap.corner + width + 1] : 0.0f;
    return c;
}

__device__ __forceinline__ float blend(const Tap& tap, const Corners& c) {
    return (c.p * (1.0f - tap.a) + c.q * tap.a) * (1.0f - tap.b) + (c.r * (1.0f - tap.a) + c.s * tap.a) * tap.b;
}

// Derivatives of `blend` by the sample's position; at whole numbers those to the right and downwards.
__device__ __forceinline__ float slope_x(const Tap& tap, const Corners& c) {
    return (c.q - c.p) * (1.0f - tap.b) + (c.s - c.r) * tap.b;
}
__device__ __forceinline__ float slope_y(const Tap& tap, const Corners& c) {
    return (c.r - c.p) * (1.0f - tap.a) + (c.s - c.q) * tap.a;
}

// The transpose of `blend(read(…))`: adds to the pixels around a sample. Samples may share a pixel.
__device__ __forceinline__ void scatter(const Tap& tap, float* plane, int width, float value) {
    if (tap.top && tap.left) atomicAdd(plane + tap.corner, value * (1.0f - tap.a) * (1.0f - tap.b));
    if (tap.top && tap.right) atomicAdd(plane + tap.corner + 1, value * tap.a * (1.0f - tap.b));
    if (tap.bottom && tap.left) atomicAdd(plane + tap.corner + width, value * (1.0f - tap.a) * tap.b);
    if (tap.bottom && tap.right) atomicAdd(plane + tap.corner + width + 1, value * tap.a * tap.b);
}
