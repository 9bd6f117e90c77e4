// The gradient of the entropy in VERA: a generator g maps proposals h' = h + eta * noise, and the result is the mean of
// (x - g(h')) / sigma^2 with weights exp(-|x - g(h')|^2 / (2 sigma^2) - |h'|^2 / 2 + |noise|^2 / 2).

#pragma once

#include "batch_norm.h"

// h (N, D), noise (S, N, D), eta (D), x and gradient (N, K); precision is 1 / sigma^2; `scratch` holds S times the
// blocks of N rows.
template <class F>
void entropy_gradient(const MLP<F>& mlp, const BatchNorms<F>& norms, int64_t N, int64_t S, const typename F::T* h,
                      const typename F::T* noise, const typename F::T* eta, const typename F::T* x, double precision,
                      typename F::T* scratch, typename F::T* gradient) {
    typedef typename F::T T;
    typedef typename F::Vector Vector;
    constexpr int64_t W = MLP<F>::W, ROWS = MLP<F>::ROWS;
    const int64_t D = mlp.widths[0], K = mlp.widths[mlp.layers], blocks = (N + ROWS - 1) / ROWS;
    std::vector<Vector> target(2 * K), differences(S * 2 * K), log_weights(2 * S * blocks);
    forward_batch_norm(
        mlp, norms, S * blocks, S * N, scratch,
        // Samples of the same rows follow each other.
        [&](int64_t b, Vector* block) {
            const int64_t n = b / S * ROWS, s = b % S;
            alignas(BYTES) T log_ratio[ROWS] = {};
            for (int64_t w = 0; w < ROWS; w++) {
                const int64_t row = std::min(n + w, N - 1);
                const T *centre = h + row * D, *epsilon = noise + (s * N + row) * D;
                for (int64_t d = 0; d < D; d++) {
                    const T proposal = centre[d] + eta[d] * epsilon[d];
                    block[2 * d + w / W][w % W] = proposal;
                    log_ratio[w] += epsilon[d] * epsilon[d] - proposal * proposal;
                }
            }
            for (int v = 0; v < 2; v++) log_weights[2 * b + v] = *mlp.vectors(log_ratio + v * W) * T(0.5);
            return std::min(ROWS, N - n);
        },
        [&](int64_t b, const Vector* mean) {
            const int64_t n = b / S * ROWS, s = b % S;
            if (s == 0) mlp.load(x, n, N, K, target.data());
            Vector *weights = &log_weights[2 * (b - s)], *difference = &differences[2 * K * s], square[2] = {};
            for (int64_t i = 0; i < 2 * K; i++) {
                difference[i] = target[i] - mean[i];
                square[i % 2] += difference[i] * difference[i];
            }
            for (int v = 0; v < 2; v++) weights[2 * s + v] -= square[v] * T(0.5 * precision);
            if (s < S - 1) return;
            mlp.softmax(S, weights);
            // Subnormal weights do not change the sum, and some processors are slow with them.
            for (int64_t i = 0; i < 2 * S; i++) weights[i] = weights[i] < T(1e-30) ? Vector{} : weights[i];
            for (int64_t i = 0; i < 2 * K; i++) {
                Vector sum = {};
                for (int64_t t = 0; t < S; t++) sum += weights[2 * t + i % 2] * differences[2 * K * t + i];
                target[i] = sum * T(precision);
            }
            mlp.store(target.data(), n, N, K, gradient);
        });
}
