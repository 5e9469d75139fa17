// The elementwise parts of a gated recurrent unit; equations in src/gates/mod.rs. One thread per number; all tensors have
// one length, but for the gradients' `out`, which holds the gradients one after another.
#include "common.cuh"

// σ(a)∘h.
KERNEL gru_reset(const float* a, const float* h, float* out, int count) {
    int i = thread_number();
    if (i < count) out[i] = sigmoid(a[i]) * h[i];
}

// Gradients of a and h.
KERNEL gru_reset_grad(const float* a, const float* h, const float* grad, float* out, int count) {
    int i = thread_number();
    if (i >= count) return;
    float r = sigmoid(a[i]);
    out[i] = grad[i] * h[i] * r * (1.0f - r);
    out[count + i] = grad[i] * r;
}

// h + σ(z)∘(tanh(q) − h).
KERNEL gru_blend(const float* z, const float* q, const float* h, float* out, int count) {
    int i = thread_number();
    if (i < count) out[i] = h[i] + sigmoid(z[i]) * (tanhf(q[i]) - h[i]);
}

// Gradients of z, q and h.
KERNEL gru_blend_grad(const float* z, const float* q, const float* h, const float* grad, float* out, int count) {
    int i = thread_number();
    if (i >= count) return;
    float gate = sigmoid(z[i]), candidate = tanhf(q[i]);
    out[i] = grad[i] * (candidate - h[i]) * gate * (1.0f - gate);
    out[count + i] = grad[i] * gate * (1.0f - candidate * candidate);
    out[2 * count + i] = grad[i] * (1.0f - gate);
}
