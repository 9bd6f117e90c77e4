// A pass that autograd watches: up through a stack, with or without batch norms behind all layers but the last, and back
// down to the gradients of its rows and of all that it learns. What the way back needs of a layer is kept in arrays (N, J):
// the numbers before its activation and behind it, which may be one array where these tell enough.

#pragma once

#include <algorithm>

#include "between.h"
#include "matrices.h"
#include "norms.h"

template <class F>
struct Watched {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    typedef Matrices<F> M;

    const Stack<F>& stack;
    const Norms<F>* norms;  // or none
    int64_t N;
    // Of each layer but the last, one after the other: its own sums, what the next is given, and `Between`'s.
    T *sums, *outputs, *means, *scales;

    void forth(const T* x, T* logits) const {
        M matrices;
        for (int64_t l = 0; l < stack.layers; l++) {
            const int64_t K = stack.widths[l], J = stack.widths[l + 1];
            const bool last = l == stack.layers - 1;
            T *const z = sums + N * stack.before(l + 1), *const out = outputs + N * stack.before(l + 1);
            const auto rows = M::rows(given(l, x), K), weights = M::turned(stack.weights[l], K);
            if (last || norms)
                matrices.multiply(N, J, K, rows, weights, stack.biases[l], last ? logits : z);
            else
                matrices.multiply(N, J, K, rows, weights, stack.biases[l], out,
                                  [&](int64_t at, int64_t count, Lanes& y) {
                                      if (z != out) put<F>(y, count, z + at);
                                      stack.act.template apply<F>(1, &y);
                                  });
            if (norms && !last)
                between(l).forth(z, norms->running_means[l], norms->running_variances[l], norms->seen[l],
                                 norms->epsilon, norms->momentum, out);
        }
    }

    // Gradients of logits -> those of x, and of weights, biases, factors and terms; each that is asked for. `room` is for
    // two arrays of the widest layer.
    void back(const T* x, const T* of_logits, T* of_x, T* const* of_weights, T* const* of_biases, T* const* of_factors,
              T* const* of_terms, T* room) const {
        M matrices;
        T *behind = room, *before = room + N * stack.widest();
        const T* g = of_logits;
        for (int64_t l = stack.layers - 1; l >= 0; l--) {
            const int64_t K = stack.widths[l], J = stack.widths[l + 1];
            if (T* found = of_weights[l])
                matrices.multiply(J, K, N, M::turned(g, J), M::rows(given(l, x), K), nullptr, found);
            if (T* found = of_biases[l]) {
                std::fill(found, found + J, T(0));
                for (int64_t n = 0; n < N; n++)
                    for (int64_t j = 0; j < J; j++) found[j] += g[n * J + j];
            }
            if (l == 0 && !of_x) break;
            const auto rows = M::rows(g, J), weights = M::rows(stack.weights[l], K);
            const T* const z = l ? sums + N * stack.before(l) : nullptr;
            if (l == 0) {
                matrices.multiply(N, K, J, rows, weights, nullptr, of_x);
            } else if (norms) {
                matrices.multiply(N, K, J, rows, weights, nullptr, behind);
                between(l - 1).back(z, behind, before, of_factors[l - 1], of_terms[l - 1]);
                g = before;
            } else {
                matrices.multiply(N, K, J, rows, weights, nullptr, before, [&](int64_t at, int64_t count, Lanes& y) {
                    stack.act.template pull<F>(some<F>(z + at, count), y);
                });
                g = before;
                std::swap(before, behind);
            }
        }
    }

  private:
    Between<F> between(int64_t l) const {
        const int64_t J = stack.widths[l + 1], begin = stack.before(l + 1);
        return {N, J, norms->factors[l], norms->terms[l], stack.act, means + begin, scales + begin};
    }

    const T* given(int64_t l, const T* x) const { return l ? outputs + N * stack.before(l) : x; }
};
