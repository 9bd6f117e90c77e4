// The logits f of an MLP, and the gradient of logsumexp f or of chosen logits with respect to the rows, block by block.

#pragma once

#include "mlp.h"

// `classes` (N) chooses a logit for each row; null for logsumexp f. Writes logits (N, K) and gradient (N, D).
template <class F>
void value_and_grad(const MLP<F>& mlp, int64_t N, const typename F::T* x, const int64_t* classes, typename F::T* logits,
                    typename F::T* gradient) {
    typedef typename F::Vector Vector;
    constexpr int64_t W = MLP<F>::W, ROWS = MLP<F>::ROWS;
    const int64_t *widths = mlp.widths, layers = mlp.layers, K = widths[layers];
    std::vector<Vector> one(2 * mlp.max_width()), two(2 * mlp.max_width()), derivatives(2 * mlp.total_width());
    for (int64_t n = 0; n < N; n += ROWS) {
        Vector *in = one.data(), *out = two.data(), *derivative = derivatives.data();
        mlp.load(x, n, N, widths[0], in);
        for (int64_t l = 0; l < layers; l++) {
            mlp.forward(l, in, out);
            std::swap(in, out);
            if (l == layers - 1) break;
            mlp.activation.template apply<F>(2 * widths[l + 1], in, [&](int64_t i, Vector d) { derivative[i] = d; });
            derivative += 2 * widths[l + 1];
        }
        mlp.store(in, n, N, K, logits);
        if (classes) {
            for (int64_t i = 0; i < 2 * K; i++) in[i] = Vector{};
            for (int64_t w = 0; w < ROWS && n + w < N; w++) in[2 * classes[n + w] + w / W][w % W] = 1;
        } else {
            mlp.softmax(K, in);
        }
        for (int64_t l = layers - 1; l >= 0; l--) {
            mlp.backward(l, in, out);
            std::swap(in, out);
            if (l == 0) break;
            derivative -= 2 * widths[l];
            for (int64_t i = 0; i < 2 * widths[l]; i++) in[i] *= derivative[i];
        }
        mlp.store(in, n, N, widths[0], gradient);
    }
}
