// Passes through an MLP with batch normalisation, in training mode, after every layer but the last. A batch norm needs
// all rows of a layer before the next layer can start, so blocks pass layer by layer. Moments are summed while a block
// is in the cache; the block is normalised when the next layer reads it.

#pragma once

#include <cmath>

#include "mlp.h"

template <class F>
struct BatchNorms {
    typedef typename F::T T;
    const T *const *weights, *const *biases;
    T *const *running_means, *const *running_variances;
    int64_t* const* batches_tracked;  // each may be null
    double epsilon, momentum;
};

// Sums over the blocks of a layer, and the resulting normalisation z * scale + offset.
template <class F>
struct Moments {
    typedef typename F::T T;
    typedef typename F::Vector Vector;
    std::vector<Vector> sums, squares;
    std::vector<T> origin, scale, offset;  // sums are relative to the first row, for precision

    explicit Moments(int64_t width) : sums(width), squares(width), origin(width), scale(width), offset(width) {}

    void reset() {
        std::fill(sums.begin(), sums.end(), Vector{});
        std::fill(squares.begin(), squares.end(), Vector{});
    }

    // Adds a block of J features, of which the first `rows` rows count.
    void add(int64_t J, const Vector* z, int64_t rows, bool first) {
        Vector counts[2] = {};
        for (int64_t w = 0; w < MLP<F>::ROWS; w++) counts[w / MLP<F>::W][w % MLP<F>::W] = w < rows;
        for (int64_t j = 0; j < J; j++) {
            if (first) origin[j] = z[2 * j][0];
            const Vector a = (z[2 * j] - origin[j]) * counts[0], b = (z[2 * j + 1] - origin[j]) * counts[1];
            sums[j] += a + b;
            squares[j] += a * a + b * b;
        }
    }

    // Computes the normalisation of layer l and updates its running statistics.
    void finish(int64_t J, const BatchNorms<F>& norms, int64_t l, double rows) {
        for (int64_t j = 0; j < J; j++) {
            const double shift = total(sums[j]) / rows, mean = origin[j] + shift;
            const double variance = std::max(total(squares[j]) / rows - shift * shift, 0.0);
            scale[j] = T(norms.weights[l][j] / std::sqrt(variance + norms.epsilon));
            offset[j] = T(norms.biases[l][j] - mean * scale[j]);
            T &running_mean = norms.running_means[l][j], &running_variance = norms.running_variances[l][j];
            running_mean += T(norms.momentum * (mean - running_mean));
            running_variance += T(norms.momentum * (variance * rows / (rows - 1) - running_variance));
        }
        if (norms.batches_tracked[l]) ++*norms.batches_tracked[l];
    }

    static double total(const Vector& vector) {
        double sum = 0;
        for (int64_t w = 0; w < MLP<F>::W; w++) sum += vector[w];
        return sum;
    }
};

// Passes all blocks through all layers. `input(b, block)` fills block b and returns its number of rows; `output(b,
// logits)` receives the logits in the order of blocks; `rows` is their total; `scratch` holds all blocks of the widest
// layer.
template <class F, class Input, class Output>
void forward_batch_norm(const MLP<F>& mlp, const BatchNorms<F>& norms, int64_t blocks, int64_t rows,
                        typename F::T* scratch, const Input& input, const Output& output) {
    typedef typename F::Vector Vector;
    const int64_t stride = 2 * mlp.max_width(), layers = mlp.layers, *widths = mlp.widths;
    std::vector<Vector> in(stride), logits(2 * widths[layers]);
    std::vector<int64_t> counts(blocks);
    Moments<F> moments(mlp.max_width()), next(mlp.max_width());
    for (int64_t l = 0; l < layers; l++) {
        const bool last = l == layers - 1;
        next.reset();
        for (int64_t t = 0; t < blocks; t++) {
            // The direction alternates: the last blocks of one layer are still in the cache when the next layer starts.
            const int64_t b = (layers - l) % 2 ? t : blocks - 1 - t;
            Vector* z = mlp.vectors(scratch) + b * stride;
            if (l == 0) {
                counts[b] = input(b, in.data());
            } else {
                for (int64_t i = 0; i < 2 * widths[l]; i++) in[i] = z[i] * moments.scale[i / 2] + moments.offset[i / 2];
                mlp.activation.template apply<F>(2 * widths[l], in.data());
            }
            if (last) z = logits.data();
            mlp.forward(l, in.data(), z);
            if (last)
                output(b, z);
            else
                next.add(widths[l + 1], z, counts[b], t == 0);
        }
        if (!last) next.finish(widths[l + 1], norms, l, rows);
        std::swap(moments, next);
    }
}
