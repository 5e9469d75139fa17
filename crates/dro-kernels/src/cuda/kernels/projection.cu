// From a pose and a camera to the 3x4 matrix that takes (d·x, d·y, d, 1) to the neighbour's homogeneous pixels; equation
// in src/projection/mod.rs. pose [n, 6], k [n, 3, 3], out and grad [n, 3, 4]. One thread per matrix: n is a handful.
#include "common.cuh"

// Rx·Ry·Rz.
__device__ __forceinline__ void rotation(const float* pose, float r[3][3]) {
    float sx = sinf(pose[3]), sy = sinf(pose[4]), sz = sinf(pose[5]);
    float cx = cosf(pose[3]), cy = cosf(pose[4]), cz = cosf(pose[5]);
    r[0][0] = cy * cz;
    r[0][1] = -cy * sz;
    r[0][2] = sy;
    r[1][0] = sx * sy * cz + cx * sz;
    r[1][1] = cx * cz - sx * sy * sz;
    r[1][2] = -sx * cy;
    r[2][0] = sx * sz - cx * sy * cz;
    r[2][1] = cx * sy * sz + sx * cz;
    r[2][2] = cx * cy;
}

KERNEL projection_forward(const float* pose, const float* k, float* out, int count) {
    int i = thread_number();
    if (i >= count) return;
    pose += 6 * i;
    k += 9 * i;
    out += 12 * i;
    float r[3][3];
    rotation(pose, r);
    for (int row = 0; row < 3; ++row) {
        float turned[3];
        for (int column = 0; column < 3; ++column)
            turned[column] =
                k[3 * row] * r[0][column] + k[3 * row + 1] * r[1][column] + k[3 * row + 2] * r[2][column];
        // Times K⁻¹, which is known in closed form.
        out[4 * row] = turned[0] / k[0];
        out[4 * row + 1] = turned[1] / k[4];
        out[4 * row + 2] = turned[2] - turned[0] * k[2] / k[0] - turned[1] * k[5] / k[4];
        out[4 * row + 3] = k[3 * row] * pose[0] + k[3 * row + 1] * pose[1] + k[3 * row + 2] * pose[2];
    }
}

// `out` is the pose's gradient, [n, 6].
KERNEL projection_grad_pose(const float* pose, const float* k, const float* grad, float* out, int count) {
    int i = thread_number();
    if (i >= count) return;
    pose += 6 * i;
    k += 9 * i;
    grad += 12 * i;
    out += 6 * i;
    // Back through K⁻¹ on the right and K on the left: to [R | t].
    float g[3][4] = {{0.0f}};
    for (int row = 0; row < 3; ++row) {
        const float* by = grad + 4 * row;
        float turned[4] = {(by[0] - by[2] * k[2]) / k[0], (by[1] - by[2] * k[5]) / k[4], by[2], by[3]};
        for (int inner = 0; inner < 3; ++inner)
            for (int column = 0; column < 4; ++column) g[inner][column] += k[3 * row + inner] * turned[column];
    }
    float r[3][3];
    rotation(pose, r);
    float sx = sinf(pose[3]), sy = sinf(pose[4]), sz = sinf(pose[5]);
    float cx = cosf(pose[3]), cy = cosf(pose[4]), cz = cosf(pose[5]);
    float by_y[3][3] = {
        {-sy * cz, sy * sz, cy}, {sx * cy * cz, -sx * cy * sz, sx * sy}, {-cx * cy * cz, cx * cy * sz, -cx * sy}};
    float x = 0.0f, y = 0.0f, z = 0.0f;
    for (int j = 0; j < 3; ++j) {
        // Turning about x exchanges the last two rows, about z the first two columns.
        x += g[2][j] * r[1][j] - g[1][j] * r[2][j];
        z += g[j][0] * r[j][1] - g[j][1] * r[j][0];
        for (int column = 0; column < 3; ++column) y += g[j][column] * by_y[j][column];
    }
    out[0] = g[0][3];
    out[1] = g[1][3];
    out[2] = g[2][3];
    out[3] = x;
    out[4] = y;
    out[5] = z;
}
