// A bias per channel. y and out [n, channels, plane], bias [channels]. One thread per number.
#include "common.cuh"

KERNEL bias_add(const float* y, const float* bias, float* out, int count, int channels, int plane) {
    int i = thread_number();
    if (i < count) out[i] = y[i] + bias[i / plane % channels];
}
