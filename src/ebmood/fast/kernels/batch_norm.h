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

// Layers' products, of one block after the other, each of which waits in `room` until the next layer reads it, since that
// needs all rows' moments; `room` is for all blocks, each of the widest layer.
template <class F>
class Products {
    typedef typename F::Lanes Lanes;
    const Stack<F>& stack;
    Lanes* room;
    int64_t apart;
    std::vector<Lanes> given, logits;

  public:
    static constexpr int64_t LAG = 0;  // how many blocks further `rise` is when it asks for a product

    Products(const Stack<F>& stack, typename F::T* room)
        : stack(stack),
          room(stack.lanes(room)),
          apart(2 * stack.widest()),
          given(apart),
          logits(2 * stack.widths[stack.layers]) {}

    // Where a block's input to the first layer is to be put; then it is ready.
    Lanes* input(int64_t) { return given.data(); }
    void ready(int64_t) {}

    // Its product by a layer.
    const Lanes* forth(int64_t l, int64_t b) {
        Lanes* out = l < stack.layers - 1 ? room + b * apart : logits.data();
        stack.forth(l, given.data(), out);
        return out;
    }

    // The product has been seen, and may wait.
    void wait(int64_t, int64_t) {}

    // What waits for a layer is normalised and activated, and so is ready.
    void ready(int64_t l, int64_t b, const Moments<F>& moments) {
        const Lanes* z = room + b * apart;
        for (int64_t i = 0; i < 2 * stack.widths[l]; i++)
            given[i] = z[i] * moments.scale[i / 2] + moments.offset[i / 2];
        stack.act.template apply<F>(2 * stack.widths[l], given.data());
    }
};

// All blocks up through all layers. `give` fills a block of rows and says how many there are; `take` has the logits, in the
// order of blocks; `rows` counts them all.
template <class F, class Products, class Give, class Take>
void rise(const Stack<F>& stack, const Norms<F>& norms, int64_t blocks, int64_t rows, Products& products,
          const Give& give, const Take& take) {
    typedef typename F::Lanes Lanes;
    constexpr int64_t LAG = Products::LAG;
    std::vector<int64_t> inside(blocks);
    Moments<F> moments(stack.widest() + 1), next(stack.widest() + 1);  // products of pairs may ask for one more
    for (int64_t l = 0; l < stack.layers; l++) {
        const bool last = l == stack.layers - 1;
        // There and back, so that the blocks that a layer ends with are still near when the next begins with them.
        const auto block_at = [&](int64_t t) { return (stack.layers - l) % 2 ? t : blocks - 1 - t; };
        const Lanes* found[LAG + 1];
        next.begin();
        for (int64_t t = 0; t < blocks + 2 * LAG; t++) {
            if (t < blocks) {
                const int64_t b = block_at(t);
                if (l == 0) {
                    inside[b] = give(b, products.input(b));
                    products.ready(b);
                } else {
                    products.ready(l, b, moments);
                }
            }
            if (LAG <= t && t < blocks + LAG) found[(t - LAG) % (LAG + 1)] = products.forth(l, block_at(t - LAG));
            if (t < 2 * LAG) continue;
            const int64_t b = block_at(t - 2 * LAG);
            const Lanes* z = found[(t - 2 * LAG) % (LAG + 1)];
            if (last) {
                take(b, z);
            } else {
                next.add(stack.widths[l + 1], z, inside[b], t == 2 * LAG);
                products.wait(l, b);
            }
        }
        if (!last) next.end(stack.widths[l + 1], norms, l, rows);
        std::swap(moments, next);
    }
}

// Rows x up to logits f; `room` is for all rows, whole blocks of them, of the widest layer.
template <class F>
void normalised(const Stack<F>& stack, const Norms<F>& norms, int64_t N, const typename F::T* x, typename F::T* room,
                typename F::T* f) {
    typedef typename F::Lanes Lanes;
    constexpr int64_t ROWS = Stack<F>::ROWS;
    const int64_t *widths = stack.widths, K = widths[stack.layers];
    Products<F> products(stack, room);
    rise(
        stack, norms, (N + ROWS - 1) / ROWS, N, products,
        [&](int64_t b, Lanes* block) {
            stack.load(x, b * ROWS, N, widths[0], block);
            return std::min(ROWS, N - b * ROWS);
        },
        [&](int64_t b, const Lanes* block) { stack.store(block, b * ROWS, N, K, f); });
}
