// What chains and gradient penalties ask of a stack: its logits, and their gradients at rows; block by block.

#pragma once

#include "stack.h"

// The logits f at x, and the gradient of logsumexp f there, or of f[chosen] where there are such.
template <class F>
void gradient(const Stack<F>& stack, int64_t N, const typename F::T* x, const int64_t* chosen, typename F::T* logits,
              typename F::T* out) {
    typedef typename F::Lanes Lanes;
    constexpr int64_t W = Stack<F>::W, ROWS = Stack<F>::ROWS;
    const int64_t *widths = stack.widths, K = widths[stack.layers];
    std::vector<Lanes> one(2 * stack.widest()), two(2 * stack.widest()), derivatives(2 * stack.all());
    for (int64_t n = 0; n < N; n += ROWS) {
        Lanes *from = one.data(), *to = two.data(), *derivative = derivatives.data();
        stack.load(x, n, N, widths[0], from);
        stack.up(from, to, derivative, [](int64_t, const Lanes*) {});
        stack.store(from, n, N, K, logits);
        if (chosen) {
            for (int64_t i = 0; i < 2 * K; i++) from[i] = Lanes{};
            for (int64_t w = 0; w < ROWS && n + w < N; w++) from[2 * chosen[n + w] + w / W][w % W] = 1;
        } else {
            stack.softmax(K, from);
        }
        stack.down(from, to, derivative, [](int64_t, const Lanes*) {});
        stack.store(from, n, N, widths[0], out);
    }
}

// One piecewise-linear logit at x, and its slope along its gradient there, u, held fixed. In columns: `inputs` are what
// each layer is given, of both, (2, width, stride), the first of x and u; `below` the gradients behind each layer but
// the last.
template <class F>
void line(const Stack<F>& stack, int64_t N, const typename F::T* x, int64_t stride, typename F::T* const* inputs,
          typename F::T* const* below, typename F::T* value, typename F::T* slope) {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    const int64_t* widths = stack.widths;
    std::vector<Lanes> one(2 * stack.widest()), two(2 * stack.widest()), derivatives(2 * stack.all());
    for (int64_t n = 0; n < N; n += Stack<F>::ROWS) {
        Lanes *from = one.data(), *to = two.data(), *derivative = derivatives.data();
        const auto given = [&](int64_t l, int64_t stream, const Lanes* block) {
            stack.lay(block, n, widths[l], stride, inputs[l] + stream * widths[l] * stride);
        };
        stack.load(x, n, N, widths[0], from);
        given(0, 0, from);
        stack.up(from, to, derivative, [&](int64_t l, const Lanes* block) { given(l, 0, block); });
        stack.store(from, n, N, 1, value);
        for (int v = 0; v < 2; v++) from[v] = Lanes{} + T(1);
        stack.down(from, to, derivative,
                   [&](int64_t l, const Lanes* block) { stack.lay(block, n, widths[l], stride, below[l - 1]); });
        given(0, 1, from);
        for (int64_t l = 0; l < stack.layers; l++) {
            stack.product(stack.weights[l], widths[l], 1, widths[l + 1], widths[l], nullptr, from, to);
            std::swap(from, to);
            if (l == stack.layers - 1) break;
            for (int64_t i = 0; i < 2 * widths[l + 1]; i++) from[i] *= *derivative++;
            given(l + 1, 1, from);
        }
        stack.store(from, n, N, 1, slope);
    }
}
