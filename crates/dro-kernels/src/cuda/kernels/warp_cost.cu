// The feature-metric cost in one pass: projection, bilinear samples, squared differences, mean over neighbours; equation
// in src/warp_cost/mod.rs.
//
// features [batch + pairs, channels, height, width] (the targets, then the neighbours, batch-major), inverse
// [batch, height, width], projection [pairs, 3, 4], out and grad [maps, channels, height, width], where a map is the mean
// over `per_map` neighbours in a row: all of a batch element's, or one.
#include "common.cuh"

// Channels of a pixel that one thread works on: projection and position are computed once for them.
#define GROUP 8
// As in dro_vision::project_depth and depth_from_inverse.
#define MIN_Z 1e-5f
#define MIN_INVERSE 1e-6f

__device__ __forceinline__ float depth_of(float inverse) {
    return inverse > 0.0f ? 1.0f / fmaxf(inverse, MIN_INVERSE) : 0.0f;
}

// A pixel's point in the neighbour's homogeneous pixels.
struct Seen {
    // (x, y, z) = depth · ray + the projection's last column.
    float ray_x, ray_y, ray_z, z;
    // Where it is seen, z bounded from below.
    float bounded, u, v;
};

__device__ __forceinline__ Seen project(const float* m, int row, int column, float depth) {
    Seen s;
    s.ray_x = m[0] * column + m[1] * row + m[2];
    s.ray_y = m[4] * column + m[5] * row + m[6];
    s.ray_z = m[8] * column + m[9] * row + m[10];
    s.z = s.ray_z * depth + m[11];
    s.bounded = fmaxf(s.z, MIN_Z);
    s.u = (s.ray_x * depth + m[3]) / s.bounded;
    s.v = (s.ray_y * depth + m[7]) / s.bounded;
    return s;
}

// One thread per map, group of channels and pixel.
KERNEL warp_cost_forward(const float* features, const float* inverse, const float* projection, float* out, int count,
                         int batch, int neighbours, int per_map, int channels, int height, int width, float scale,
                         float shift) {
    int i = thread_number();
    if (i >= count) return;
    int plane = height * width, groups = (channels + GROUP - 1) / GROUP;
    int pixel = i % plane, start = i / plane % groups * GROUP, map = i / plane / groups;
    int element = map * per_map / neighbours;
    float depth = depth_of(inverse[element * plane + pixel] * scale + shift);
    const float* target = features + (element * channels + start) * plane + pixel;
    float sums[GROUP] = {0.0f};
    for (int pair = map * per_map; pair < (map + 1) * per_map; ++pair) {
        Seen seen = project(projection + 12 * pair, pixel / width, pixel % width, depth);
        Tap tap = tap_at(seen.u, seen.v, height, width);
        const float* image = features + ((batch + pair) * channels + start) * plane;
#pragma unroll
        for (int c = 0; c < GROUP; ++c) {
            if (start + c >= channels) break;
            float difference = target[c * plane] - blend(tap, read(tap, image + c * plane, width));
            sums[c] += difference * difference;
        }
    }
#pragma unroll
    for (int c = 0; c < GROUP; ++c) {
        if (start + c >= channels) break;
        out[(map * channels + start + c) * plane + pixel] = sums[c] / per_map;
    }
}

// One thread per batch element, channel and pixel; `out` is the features' gradient and starts at zero.
KERNEL warp_cost_grad_features(const float* features, const float* inverse, const float* projection, const float* grad,
                               float* out, int count, int batch, int neighbours, int per_map, int channels, int height,
                               int width, float scale, float shift) {
    int i = thread_number();
    if (i >= count) return;
    int plane = height * width;
    int pixel = i % plane, channel = i / plane % channels, element = i / plane / channels;
    float depth = depth_of(inverse[element * plane + pixel] * scale + shift);
    float target = features[i], sum = 0.0f;
    for (int pair = element * neighbours; pair < (element + 1) * neighbours; ++pair) {
        Seen seen = project(projection + 12 * pair, pixel / width, pixel % width, depth);
        Tap tap = tap_at(seen.u, seen.v, height, width);
        int image = ((batch + pair) * channels + channel) * plane;
        float difference = target - blend(tap, read(tap, features + image, width));
        float g = grad[(pair / per_map * channels + channel) * plane + pixel] * 2.0f * difference / per_map;
        sum += g;
        scatter(tap, out + image, width, -g);
    }
    out[i] = sum;
}

// One thread per pair and pixel; `out` is the gradient of the point in the neighbour's homogeneous pixels,
// [pairs, 3, height, width].
KERNEL warp_cost_grad_point(const float* features, const float* inverse, const float* projection, const float* grad,
                            float* out, int count, int batch, int neighbours, int per_map, int channels, int height,
                            int width, float scale, float shift) {
    int i = thread_number();
    if (i >= count) return;
    int plane = height * width;
    int pixel = i % plane, pair = i / plane, element = pair / neighbours;
    Seen seen = project(projection + 12 * pair, pixel / width, pixel % width,
                        depth_of(inverse[element * plane + pixel] * scale + shift));
    Tap tap = tap_at(seen.u, seen.v, height, width);
    float u = 0.0f, v = 0.0f;
    for (int channel = 0; channel < channels; ++channel) {
        Corners corners = read(tap, features + ((batch + pair) * channels + channel) * plane, width);
        float difference = features[(element * channels + channel) * plane + pixel] - blend(tap, corners);
        float g = grad[(pair / per_map * channels + channel) * plane + pixel] * -2.0f * difference / per_map;
        u += g * slope_x(tap, corners);
        v += g * slope_y(tap, corners);
    }
    out += 3 * pair * plane + pixel;
    out[0] = u / seen.bounded;
    out[plane] = v / seen.bounded;
    // Where z is bounded it has no influence. (The sample itself may be far away there: its slopes are 0.)
    out[2 * plane] = seen.z > MIN_Z ? -(u * seen.u + v * seen.v) / seen.bounded : 0.0f;
}

// One thread per batch element and pixel; `point` is the gradient of the points, `out` that of the unscaled inverse
// depth, [batch, height, width].
KERNEL warp_cost_grad_inverse(const float* point, const float* inverse, const float* projection, float* out, int count,
                              int neighbours, int height, int width, float scale, float shift) {
    int i = thread_number();
    if (i >= count) return;
    int plane = height * width;
    int pixel = i % plane, element = i / plane;
    float x = inverse[i] * scale + shift, sum = 0.0f;
    for (int pair = element * neighbours; pair < (element + 1) * neighbours; ++pair) {
        Seen seen = project(projection + 12 * pair, pixel / width, pixel % width, 0.0f);
        const float* g = point + 3 * pair * plane + pixel;
        sum += g[0] * seen.ray_x + g[plane] * seen.ray_y + g[2 * plane] * seen.ray_z;
    }
    out[i] = x > MIN_INVERSE ? -sum / (x * x) * scale : 0.0f;
}

// One thread per pair, row of its matrix and chunk of pixels (chunk, chunk + chunks, …), in place of a reduction over
// blocks: `out` is [pairs, 3, 4, chunks], to be summed over the last axis.
KERNEL warp_cost_grad_projection(const float* point, const float* inverse, float* out, int count, int neighbours,
                                 int height, int width, int chunks, float scale, float shift) {
    int i = thread_number();
    if (i >= count) return;
    int plane = height * width;
    int chunk = i % chunks, row = i / chunks, element = row / 3 / neighbours;
    float sums[4] = {0.0f};
    for (int pixel = chunk; pixel < plane; pixel += chunks) {
        float g = point[row * plane + pixel];
        float scaled = g * depth_of(inverse[element * plane + pixel] * scale + shift);
        sums[0] += scaled * (pixel % width);
        sums[1] += scaled * (pixel / width);
        sums[2] += scaled;
        sums[3] += g;
    }
    for (int column = 0; column < 4; ++column) out[(4 * row + column) * chunks + chunk] = sums[column];
}
