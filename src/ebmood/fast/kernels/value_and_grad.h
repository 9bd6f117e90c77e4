// What chains ask of a stack: its logits, and their gradients at rows; block by block.

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
        stack.up(from, to, derivative);
        stack.store(from, n, N, K, logits);
        if (chosen) {
            for (int64_t i = 0; i < 2 * K; i++) from[i] = Lanes{};
            for (int64_t w = 0; w < ROWS && n + w < N; w++) from[2 * chosen[n + w] + w / W][w % W] = 1;
        } else {
            stack.softmax(K, from);
        }
        stack.down(from, to, derivative);
        stack.store(from, n, N, widths[0], out);
    }
}
