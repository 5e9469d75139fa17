// Bilinear samples of an image at pixel coordinates, zero outside; equation in src/grid_sample/mod.rs.
//
// image [n, channels, height, width], coords [n, samples, 2], out and grad [n, channels, samples].
#include "common.cuh"

// One thread per sample and channel.
KERNEL grid_sample_forward(const float* image, const float* coords, float* out, int count, int channels, int height,
                           int width, int samples) {
    int i = thread_number();
    if (i >= count) return;
    int plane = i / samples, sample = plane / channels * samples + i % samples;
    Tap tap = tap_at(coords[2 * sample], coords[2 * sample + 1], height, width);
    out[i] = blend(tap, read(tap, image + plane * height * width, width));
}

// One thread per sample and channel; `out` is the image's gradient and starts at zero.
KERNEL grid_sample_grad_image(const float* coords, const float* grad, float* out, int count, int channels, int height,
                              int width, int samples) {
    int i = thread_number();
    if (i >= count) return;
    int plane = i / samples, sample = plane / channels * samples + i % samples;
    Tap tap = tap_at(coords[2 * sample], coords[2 * sample + 1], height, width);
    scatter(tap, out + plane * height * width, width, grad[i]);
}

// One thread per sample; `out` is the coordinates' gradient.
KERNEL grid_sample_grad_coords(const float* image, const float* coords, const float* grad, float* out, int count,
                               int channels, int height, int width, int samples) {
    int i = thread_number();
    if (i >= count) return;
    int first = i / samples * channels;
    Tap tap = tap_at(coords[2 * i], coords[2 * i + 1], height, width);
    float x = 0.0f, y = 0.0f;
    for (int plane = first; plane < first + channels; ++plane) {
        Corners corners = read(tap, image + plane * height * width, width);
        float g = grad[plane * samples + i % samples];
        x += g * slope_x(tap, corners);
        y += g * slope_y(tap, corners);
    }
    out[2 * i] = x;
    out[2 * i + 1] = y;
}
