// The entropy's gradient in VERA: what a generator g makes of samples h' = h + eta * noise near the h that made x, and the
// mean of (x - g(h')) / sigma^2 under the weights exp(-|x - g(h')|^2 / (2 sigma^2) - |h'|^2 / 2 + |noise|^2 / 2).

#pragma once

#include "norms.h"

// h and noise are (N, D) and (S, N, D), eta (D), x and found (N, K); `products` have room for S times the blocks of N rows.
template <class F, class Products>
void posterior(const Stack<F>& stack, const Norms<F>& norms, int64_t N, int64_t S, const typename F::T* h,
               const typename F::T* noise, const typename F::T* eta, const typename F::T* x, double precision,
               Products& products, typename F::T* found) {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    constexpr int64_t W = Stack<F>::W, ROWS = Stack<F>::ROWS;
    const int64_t D = stack.widths[0], K = stack.widths[stack.layers], blocks = (N + ROWS - 1) / ROWS;
    std::vector<Lanes> target(2 * K), away(S * 2 * K), logarithm(2 * S * blocks);
    rise(
        stack, norms, S * blocks, S * N, products,
        // Samples of the same rows follow each other.
        [&](int64_t b, Lanes* block) {
            const int64_t n = b / S * ROWS, s = b % S;
            alignas(BYTES) T odds[ROWS] = {};
            for (int64_t w = 0; w < ROWS; w++) {
                const int64_t row = std::min(n + w, N - 1);
                const T *centre = h + row * D, *from = noise + (s * N + row) * D;
                for (int64_t d = 0; d < D; d++) {
                    const T near = centre[d] + eta[d] * from[d];
                    block[2 * d + w / W][w % W] = near;
                    odds[w] += from[d] * from[d] - near * near;
                }
            }
            for (int v = 0; v < 2; v++) logarithm[2 * b + v] = *stack.lanes(odds + v * W) * T(0.5);
            return std::min(ROWS, N - n);
        },
        [&](int64_t b, const Lanes* block) {
            const int64_t n = b / S * ROWS, s = b % S;
            if (s == 0) stack.load(x, n, N, K, target.data());
            Lanes *log = &logarithm[2 * (b - s)], *differences = &away[2 * K * s], far[2] = {};
            for (int64_t i = 0; i < 2 * K; i++) {
                differences[i] = block[i] - target[i];
                far[i % 2] += differences[i] * differences[i];
            }
            for (int v = 0; v < 2; v++) log[2 * s + v] -= far[v] * T(0.5 * precision);
            if (s < S - 1) return;
            stack.softmax(S, log);
            // What is left of the least is nothing; some processors would take a hundred times as long over it.
            for (int64_t i = 0; i < 2 * S; i++) log[i] = log[i] < T(1e-30) ? Lanes{} : log[i];
            for (int64_t i = 0; i < 2 * K; i++) {
                Lanes mean = {};
                for (int64_t t = 0; t < S; t++) mean += log[2 * t + i % 2] * away[2 * K * t + i];
                target[i] = mean * T(-precision);
            }
            stack.store(target.data(), n, N, K, found);
        });
}
