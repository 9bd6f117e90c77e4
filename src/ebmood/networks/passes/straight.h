// One piecewise-linear logit at rows x, and its slope along its gradient there, u, held fixed; then the gradients of both
// by weights and biases (see taylor.py). Arrays are (N, J).

#pragma once

#include <algorithm>
#include <vector>

#include "matrices.h"

template <class F>
struct Straight {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    typedef Matrices<F> M;

    const Stack<F>& stack;
    int64_t N;
    T *x, *u;
    // Of each layer but the last, one after the other: what the next is given, of x and of u, and the logit's gradients
    // behind it.
    T *values, *slopes, *below;

    void forth(T* value, T* slope) const {
        M matrices;
        const int64_t L = stack.layers, *widths = stack.widths;
        for (int64_t l = 0; l < L; l++) {
            const auto rows = M::rows(value_of(l), widths[l]), weights = M::turned(stack.weights[l], widths[l]);
            if (l == L - 1)
                matrices.multiply(N, 1, widths[l], rows, weights, stack.biases[l], value);
            else
                matrices.multiply(N, widths[l + 1], widths[l], rows, weights, stack.biases[l], value_of(l + 1),
                                  [&](int64_t, int64_t, Lanes& y) { stack.act.template apply<F>(1, &y); });
        }
        for (int64_t l = L - 1; l >= 0; l--) {
            const int64_t K = widths[l], J = widths[l + 1];
            if (l == L - 1) {  // the logit's own gradient is one
                T* const g = below_of(l - 1);
                for (int64_t n = 0; n < N; n++) std::copy_n(stack.weights[l], K, g + n * K);
                for (int64_t at = 0; at < N * K; at += M::W) {
                    Lanes y = some<F>(g + at, N * K - at);
                    stack.act.template pull<F>(some<F>(value_of(l) + at, N * K - at), y);
                    put<F>(y, N * K - at, g + at);
                }
            } else if (l) {
                matrices.multiply(
                    N, K, J, M::rows(below_of(l), J), M::rows(stack.weights[l], K), nullptr, below_of(l - 1),
                    [&, out = value_of(l)](int64_t at, int64_t count, Lanes& y) {
                        stack.act.template pull<F>(some<F>(out + at, count), y);
                    });
            } else {
                matrices.multiply(N, K, J, M::rows(below, J), M::rows(stack.weights[0], K), nullptr, u);
            }
        }
        for (int64_t l = 0; l < L; l++) {
            const auto rows = M::rows(slope_of(l), widths[l]), weights = M::turned(stack.weights[l], widths[l]);
            if (l == L - 1)
                matrices.multiply(N, 1, widths[l], rows, weights, nullptr, slope);
            else
                matrices.multiply(
                    N, widths[l + 1], widths[l], rows, weights, nullptr, slope_of(l + 1),
                    [&, out = value_of(l + 1)](int64_t at, int64_t count, Lanes& y) {
                        stack.act.template pull<F>(some<F>(out + at, count), y);
                    });
        }
    }

    // Gradients of value (or none) and slope, both (N), -> those of weights, and of biases where there are any;
    // `room` is for an array of the widest layer.
    void back(const T* of_value, const T* of_slope, T* const* of_weights, T* const* of_biases, T* room) const {
        M matrices;
        const std::vector<T> ones(N, T(1));
        for (int64_t l = 0; l < stack.layers; l++) {
            const int64_t K = stack.widths[l], J = stack.widths[l + 1];
            const auto behind = M::turned(l == stack.layers - 1 ? ones.data() : below_of(l), J);
            const T *const a = slope_of(l), *const b = value_of(l);
            for (int64_t n = 0; n < N; n++)
                for (int64_t k = 0; k < K; k += M::W) {
                    const int64_t at = n * K + k;
                    Lanes y = some<F>(a + at, K - k) * of_slope[n];
                    if (of_value) y += some<F>(b + at, K - k) * of_value[n];
                    put<F>(y, K - k, room + at);
                }
            matrices.multiply(J, K, N, behind, M::rows(room, K), nullptr, of_weights[l]);
            if (!of_biases[l]) continue;
            if (of_value)
                matrices.multiply(J, 1, N, behind, M::rows(of_value, 1), nullptr, of_biases[l]);
            else
                std::fill(of_biases[l], of_biases[l] + J, T(0));
        }
    }

  private:
    T* value_of(int64_t l) const { return l ? values + N * stack.before(l) : x; }
    T* slope_of(int64_t l) const { return l ? slopes + N * stack.before(l) : u; }
    T* below_of(int64_t l) const { return below + N * stack.before(l + 1); }
};
