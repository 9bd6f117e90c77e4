// A multi-layer perceptron. Rows lie side by side in the lanes of vectors, and one block of rows passes through all
// layers while it stays in the first-level cache. Arrays are dense and row-major: x (N, D), logits (N, K), weights
// (outputs, inputs).

#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "simd.h"

struct Activation {
    int64_t is_silu;  // otherwise (leaky) ReLU
    double slope;

    // Replaces n vectors z by their activations and calls `derivative(i, d)` with the derivative at each.
    template <class F, class Derivative>
    void apply(int64_t n, typename F::Vector* z, const Derivative& derivative) const {
        typedef typename F::Vector Vector;
        const Vector zero = {}, one = zero + typename F::T(1), negative = zero + typename F::T(slope);
        if (is_silu) {
            for (int64_t i = 0; i < n; i++) {
                const Vector s = one / (one + exponential<F>(-z[i]));
                z[i] *= s;
                derivative(i, s + z[i] * (one - s));
            }
        } else {
            for (int64_t i = 0; i < n; i++) {
                const Vector s = z[i] > zero ? one : negative;
                z[i] *= s;
                derivative(i, s);
            }
        }
    }

    template <class F>
    void apply(int64_t n, typename F::Vector* z) const {
        apply<F>(n, z, [](int64_t, const typename F::Vector&) {});
    }
};

template <class F>
struct MLP {
    typedef typename F::T T;
    typedef typename F::Vector Vector;
    static constexpr int64_t W = BYTES / sizeof(T), ROWS = 2 * W;  // a block has ROWS rows: [feature][2 vectors]

    int64_t layers;
    const int64_t* widths;  // of the input, the hidden layers and the logits
    const T *const *weights, *const *biases;
    Activation activation;

    // Copies rows n, n + 1, ... of (N, D) into a block; the last row fills the remaining lanes.
    static void load(const T* rows, int64_t n, int64_t N, int64_t D, Vector* block) {
        for (int64_t w = 0; w < ROWS; w++) {
            const T* row = rows + (n + w < N ? n + w : N - 1) * D;
            for (int64_t d = 0; d < D; d++) block[2 * d + w / W][w % W] = row[d];
        }
    }

    static void store(const Vector* block, int64_t n, int64_t N, int64_t D, T* rows) {
        for (int64_t w = 0; w < ROWS && n + w < N; w++)
            for (int64_t d = 0; d < D; d++) rows[(n + w) * D + d] = block[2 * d + w / W][w % W];
    }

    static Vector* vectors(T* numbers) { return reinterpret_cast<Vector*>(numbers); }
    static const Vector* vectors(const T* numbers) { return reinterpret_cast<const Vector*>(numbers); }

    // out[j] = bias[j] + sum_k w[j * row + k * column] in[k] for J outputs, whose sums stay in registers.
    template <int J>
    __attribute__((noinline)) static void tile(const T* w, int64_t row, int64_t column, int64_t K, const T* bias,
                                               const Vector* in, Vector* out) {
        if (K < 1) __builtin_unreachable();  // without it the compiler spills the sums
        Vector sum[J][2] = {};
        for (int64_t k = 0; k < K; k++, w += column)
            for (int j = 0; j < J; j++) {
                sum[j][0] += w[j * row] * in[2 * k];
                sum[j][1] += w[j * row] * in[2 * k + 1];
            }
        for (int j = 0; j < J; j++) {
            const T start = bias ? bias[j] : T(0);
            out[2 * j] = sum[j][0] + start;
            out[2 * j + 1] = sum[j][1] + start;
        }
    }

    static void product(const T* w, int64_t row, int64_t column, int64_t J, int64_t K, const T* bias, const Vector* in,
                        Vector* out) {
        const int64_t whole = J / 6 * 6;
        for (int64_t j = 0; j < whole; j += 6)
            tile<6>(w + j * row, row, column, K, bias ? bias + j : bias, in, out + 2 * j);
        w += whole * row, out += 2 * whole, bias = bias ? bias + whole : bias;
        if (J % 6 == 5) tile<5>(w, row, column, K, bias, in, out);
        if (J % 6 == 4) tile<4>(w, row, column, K, bias, in, out);
        if (J % 6 == 3) tile<3>(w, row, column, K, bias, in, out);
        if (J % 6 == 2) tile<2>(w, row, column, K, bias, in, out);
        if (J % 6 == 1) tile<1>(w, row, column, K, bias, in, out);
    }

    // The linear map of one layer, and its transpose.
    void forward(int64_t l, const Vector* in, Vector* out) const {
        product(weights[l], widths[l], 1, widths[l + 1], widths[l], biases[l], in, out);
    }

    void backward(int64_t l, const Vector* in, Vector* out) const {
        product(weights[l], 1, widths[l], widths[l], widths[l + 1], nullptr, in, out);
    }

    // Replaces the K logits of a block by their softmax.
    static void softmax(int64_t K, Vector* block) {
        for (int v = 0; v < 2; v++) {
            Vector max = block[v], sum = {};
            for (int64_t k = 1; k < K; k++) max = block[2 * k + v] > max ? block[2 * k + v] : max;
            for (int64_t k = 0; k < K; k++) sum += block[2 * k + v] = exponential<F>(block[2 * k + v] - max);
            for (int64_t k = 0; k < K; k++) block[2 * k + v] /= sum;
        }
    }

    int64_t total_width() const { return std::accumulate(widths, widths + layers + 1, int64_t(0)); }
    int64_t max_width() const { return *std::max_element(widths, widths + layers + 1); }
};
