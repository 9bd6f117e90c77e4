// Passes through a stack where a batch norm, with the batch's own statistics, follows every layer but the last. It needs all
// rows of a layer before the next can change one, so that blocks go layer by layer. Sums are gathered while a block is near;
// then it is normalised when the next layer reads it.

#pragma once

#include "stack.h"

// Batch norms, of all layers but the last.
template <class F>
struct Norms {
    typedef typename F::T T;
    const T *const *factors, *const *terms;
    T *const *running_means, *const *running_variances;
    int64_t* const* seen;  // batches; each or none
    double epsilon, momentum;
};

// Sums over a layer's blocks, and what they make of its norm: z * scale + offset.
template <class F>
struct Moments {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    std::vector<Lanes> sums, squares;
    std::vector<T> about, scale, offset;  // sums are taken about the first row

    explicit Moments(int64_t widest) : sums(widest), squares(widest), about(widest), scale(widest), offset(widest) {}

    void begin() {
        std::fill(sums.begin(), sums.end(), Lanes{});
        std::fill(squares.begin(), squares.end(), Lanes{});
    }

    // A block of J features, of which the first `rows` rows count.
    void add(int64_t J, const Lanes* z, int64_t rows, bool first) {
        Lanes counts[2] = {};
        for (int64_t w = 0; w < Stack<F>::ROWS; w++) counts[w / Stack<F>::W][w % Stack<F>::W] = w < rows;
        for (int64_t j = 0; j < J; j++) {
            if (first) about[j] = z[2 * j][0];
            const Lanes one = (z[2 * j] - about[j]) * counts[0], two = (z[2 * j + 1] - about[j]) * counts[1];
            sums[j] += one + two;
            squares[j] += one * one + two * two;
        }
    }

    // The layer's scales; and its running statistics take in those of the batch.
    void end(int64_t J, const Norms<F>& norms, int64_t l, double rows) {
        for (int64_t j = 0; j < J; j++) {
            const double one = total(sums[j]) / rows, mean = about[j] + one;
            const double variance = std::max(total(squares[j]) / rows - one * one, 0.0);
            scale[j] = T(norms.factors[l][j] / std::sqrt(variance + norms.epsilon));
            offset[j] = T(norms.terms[l][j] - mean * scale[j]);
            T &running = norms.running_means[l][j], &spread = norms.running_variances[l][j];
            running += T(norms.momentum * (mean - running));
            spread += T(norms.momentum * (variance * rows / (rows - 1) - spread));
        }
        if (norms.seen[l]) ++*norms.seen[l];
    }

    static double total(const Lanes& lanes) {
        double sum = 0;
        for (int64_t w = 0; w < Stack<F>::W; w++) sum += lanes[w];
        return sum;
    }
};

// All blocks up through all layers. `give` fills a block of rows and says how many there are; `multiply` is a layer's
// product; `take` has the logits. `rows` counts them all, `room` has `apart` numbers for each block, which stands there
// while the next layer waits for all of them.
template <class F, class Give, class Multiply, class Take>
void rise(const Stack<F>& stack, const Norms<F>& norms, int64_t blocks, int64_t rows, typename F::T* room, int64_t apart,
          const Give& give, const Multiply& multiply, const Take& take) {
    typedef typename F::Lanes Lanes;
    const int64_t* widths = stack.widths;
    std::vector<Lanes> from(2 * stack.widest()), to(apart / Stack<F>::W);
    std::vector<int64_t> inside(blocks);
    Moments<F> moments(stack.widest());
    for (int64_t l = 0; l < stack.layers; l++) {
        const int64_t D = widths[l], J = widths[l + 1];
        const bool last = l == stack.layers - 1;
        moments.begin();
        for (int64_t b = 0; b < blocks; b++) {
            Lanes* z = stack.lanes(room + b * apart);
            if (l == 0) {
                inside[b] = give(b, from.data());
            } else {
                for (int64_t i = 0; i < 2 * D; i++) from[i] = z[i] * moments.scale[i / 2] + moments.offset[i / 2];
                stack.act.template apply<F>(2 * D, from.data(), to.data());
            }
            multiply(l, from.data(), last ? to.data() : z);
            if (last)
                take(b, to.data());
            else
                moments.add(J, z, inside[b], b == 0);
        }
        if (!last) moments.end(J, norms, l, rows);
    }
}

// Rows x up to logits f; `room` is for all rows, whole blocks of them, of the widest layer.
template <class F>
void normalised(const Stack<F>& stack, const Norms<F>& norms, int64_t N, const typename F::T* x, typename F::T* room,
                typename F::T* f) {
    typedef typename F::Lanes Lanes;
    constexpr int64_t ROWS = Stack<F>::ROWS;
    const int64_t *widths = stack.widths, K = widths[stack.layers];
    rise(
        stack, norms, (N + ROWS - 1) / ROWS, N, room, ROWS * stack.widest(),
        [&](int64_t b, Lanes* block) {
            stack.load(x, b * ROWS, N, widths[0], block);
            return std::min(ROWS, N - b * ROWS);
        },
        [&](int64_t l, const Lanes* in, Lanes* out) { stack.forth(l, in, out); },
        [&](int64_t b, const Lanes* block) { stack.store(block, b * ROWS, N, K, f); });
}
