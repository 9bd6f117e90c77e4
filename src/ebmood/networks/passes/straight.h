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
    // What each layer is given, of x and of u, the first of which are x and u themselves; and the gradients of the logit
    // behind each layer but the last.
    T *const *values, *const *slopes, *const *below;

    void forth(T* value, T* slope) const {
        M matrices;
        const int64_t L = stack.layers, *widths = stack.widths;
        for (int64_t l = 0; l < L; l++) {
            const auto rows = M::rows(values[l], widths[l]), weights = M::turned(stack.weights[l], widths[l]);
            if (l == L - 1)
                matrices.multiply(N, 1, widths[l], rows, weights, stack.biases[l], value);
            else
                matrices.multiply(N, widths[l + 1], widths[l], rows, weights, stack.biases[l], values[l + 1],
                                  [&](int64_t, int64_t, Lanes& y) { stack.act.template apply<F>(1, &y); });
        }
        for (int64_t l = L - 1; l >= 0; l--) {
            const int64_t K = widths[l], J = widths[l + 1];
            if (l == L - 1) {  // the logit's own gradient is one
                for (int64_t n = 0; n < N; n++)
                    for (int64_t k = 0; k < K; k++) below[l - 1][n * K + k] = stack.weights[l][k];
                pull(N * K, values[l], below[l - 1]);
            } else if (l) {
                matrices.multiply(N, K, J, M::rows(below[l], J), M::rows(stack.weights[l], K), nullptr, below[l - 1],
                                  [&](int64_t at, int64_t count, Lanes& y) { pull(values[l], at, count, y); });
            } else {
                matrices.multiply(N, K, J, M::rows(below[0], J), M::rows(stack.weights[0], K), nullptr, slopes[0]);
            }
        }
        for (int64_t l = 0; l < L; l++) {
            const auto rows = M::rows(slopes[l], widths[l]), weights = M::turned(stack.weights[l], widths[l]);
            if (l == L - 1)
                matrices.multiply(N, 1, widths[l], rows, weights, nullptr, slope);
            else
                matrices.multiply(N, widths[l + 1], widths[l], rows, weights, nullptr, slopes[l + 1],
                                  [&](int64_t at, int64_t count, Lanes& y) { pull(values[l + 1], at, count, y); });
        }
    }

    // Gradients of value (or none) and slope, both (N), -> those of weights and of biases, each that is asked for; `room`
    // is for an array of the widest layer.
    void back(const T* of_value, const T* of_slope, T* const* of_weights, T* const* of_biases, T* room) const {
        M matrices;
        const std::vector<T> ones(N, T(1));
        for (int64_t l = 0; l < stack.layers; l++) {
            const int64_t K = stack.widths[l], J = stack.widths[l + 1];
            const auto behind = M::turned(l == stack.layers - 1 ? ones.data() : below[l], J);
            for (int64_t n = 0; n < N; n++)
                for (int64_t k = 0; k < K; k += M::W) {
                    const int64_t at = n * K + k;
                    Lanes y = M::some(slopes[l] + at, K - k) * of_slope[n];
                    if (of_value) y += M::some(values[l] + at, K - k) * of_value[n];
                    M::store(y, K - k, room + at);
                }
            if (of_weights[l]) matrices.multiply(J, K, N, behind, M::rows(room, K), nullptr, of_weights[l]);
            if (!of_biases[l]) continue;
            if (of_value)
                matrices.multiply(J, 1, N, behind, M::rows(of_value, 1), nullptr, of_biases[l]);
            else
                std::fill(of_biases[l], of_biases[l] + J, T(0));
        }
    }

  private:
    // A gradient times the slope of the activation that gave `out`, whose sign tells it.
    void pull(const T* out, int64_t at, int64_t count, Lanes& y) const {
        Lanes a = M::some(out + at, count);
        stack.act.template apply<F>(1, &a, [&](int64_t, const Lanes& slope) { y *= slope; });
    }

    void pull(int64_t n, const T* out, T* g) const {
        for (int64_t i = 0; i < n; i += M::W) {
            Lanes y = M::some(g + i, n - i);
            pull(out, i, n - i, y);
            M::store(y, n - i, g + i);
        }
    }
};
