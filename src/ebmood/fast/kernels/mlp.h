// What passes through a stack of linear layers with an activation after each but the last are made of. Rows stand side by
// side in the lanes of vectors, a block of them is worked on while it is in the nearest cache, and what an activation does
// is done there too. Arrays are dense and row-major: x (N, D); logits (N, K); a layer's weights (outputs, inputs).

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "../lanes.h"

// As many numbers as there are lanes, or as many as are left.
template <class F>
typename F::Lanes some(const typename F::T* from, int64_t left) {
    constexpr int64_t W = BYTES / sizeof(typename F::T);
    typename F::Lanes lanes = {};
    if (left >= W)
        std::memcpy(&lanes, from, sizeof lanes);
    else
        for (int64_t w = 0; w < left; w++) lanes[w] = from[w];
    return lanes;
}

template <class F>
void put(const typename F::Lanes& lanes, int64_t left, typename F::T* to) {
    constexpr int64_t W = BYTES / sizeof(typename F::T);
    if (left >= W)
        std::memcpy(to, &lanes, sizeof lanes);
    else
        for (int64_t w = 0; w < left; w++) to[w] = lanes[w];
}

struct Activation {
    int64_t bends;  // SiLU; else a (leaky) ReLU
    double slope;

    // n vectors z -> what becomes of them; `see` is shown the derivative at each.
    template <class F, class See>
    void apply(int64_t n, typename F::Lanes* z, const See& see) const {
        typedef typename F::Lanes Lanes;
        const Lanes zero = {}, one = zero + typename F::T(1), below = zero + typename F::T(slope);
        if (bends) {
            for (int64_t i = 0; i < n; i++) {
                const Lanes s = one / (one + exponential<F>(-z[i]));
                z[i] *= s;
                see(i, s + z[i] * (one - s));
            }
        } else {
            for (int64_t i = 0; i < n; i++) {
                const Lanes s = z[i] > zero ? one : below;
                z[i] *= s;
                see(i, s);
            }
        }
    }

    template <class F>
    void apply(int64_t n, typename F::Lanes* z) const {
        apply<F>(n, z, [](int64_t, const typename F::Lanes&) {});
    }

    // The gradient behind it -> before it, at z: what went in, or came out where its sign tells the same.
    template <class F>
    void pull(typename F::Lanes z, typename F::Lanes& g) const {
        apply<F>(1, &z, [&](int64_t, const typename F::Lanes& derivative) { g *= derivative; });
    }
};

template <class F>
struct Stack {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    static constexpr int64_t W = BYTES / sizeof(T), ROWS = 2 * W;  // a block is two vectors wide: [feature][2]

    int64_t layers;
    const int64_t* widths;  // of inputs, hidden layers and logits
    const T *const *weights, *const *biases;
    Activation act;

    // Rows n, n + 1, ... of (N, D) into a block; the last row fills what is left over.
    static void load(const T* rows, int64_t n, int64_t N, int64_t D, Lanes* block) {
        for (int64_t w = 0; w < ROWS; w++) {
            const T* row = rows + (n + w < N ? n + w : N - 1) * D;
            for (int64_t d = 0; d < D; d++) block[2 * d + w / W][w % W] = row[d];
        }
    }

    static void store(const Lanes* block, int64_t n, int64_t N, int64_t D, T* rows) {
        for (int64_t w = 0; w < ROWS && n + w < N; w++)
            for (int64_t d = 0; d < D; d++) rows[(n + w) * D + d] = block[2 * d + w / W][w % W];
    }

    static Lanes* lanes(T* numbers) { return reinterpret_cast<Lanes*>(numbers); }
    static const Lanes* lanes(const T* numbers) { return reinterpret_cast<const Lanes*>(numbers); }

    // out[j] = start[j] + sum_k w[j * down + k * across] in[k], for J of them whose sums stay in registers
    template <int J>
    __attribute__((noinline)) static void tile(const T* w, int64_t down, int64_t across, int64_t K, const T* start,
                                               const Lanes* in, Lanes* out) {
        if (K < 1) __builtin_unreachable();  // or all sums would be saved in case
        Lanes sum[J][2] = {};
        for (int64_t k = 0; k < K; k++, w += across)
            for (int j = 0; j < J; j++) {
                sum[j][0] += w[j * down] * in[2 * k];
                sum[j][1] += w[j * down] * in[2 * k + 1];
            }
        for (int j = 0; j < J; j++) {
            const T from = start ? start[j] : T(0);
            out[2 * j] = sum[j][0] + from;
            out[2 * j + 1] = sum[j][1] + from;
        }
    }

    static void product(const T* w, int64_t down, int64_t across, int64_t J, int64_t K, const T* start,
                        const Lanes* in, Lanes* out) {
        const int64_t whole = J / 6 * 6;
        for (int64_t j = 0; j < whole; j += 6)
            tile<6>(w + j * down, down, across, K, start ? start + j : start, in, out + 2 * j);
        w += whole * down, out += 2 * whole, start = start ? start + whole : start;
        if (J % 6 == 5) tile<5>(w, down, across, K, start, in, out);
        if (J % 6 == 4) tile<4>(w, down, across, K, start, in, out);
        if (J % 6 == 3) tile<3>(w, down, across, K, start, in, out);
        if (J % 6 == 2) tile<2>(w, down, across, K, start, in, out);
        if (J % 6 == 1) tile<1>(w, down, across, K, start, in, out);
    }

    void forth(int64_t l, const Lanes* in, Lanes* out) const {
        product(weights[l], widths[l], 1, widths[l + 1], widths[l], biases[l], in, out);
    }

    void back(int64_t l, const Lanes* in, Lanes* out) const {
        product(weights[l], 1, widths[l], widths[l], widths[l + 1], nullptr, in, out);
    }

    // Logits -> their softmax.
    static void softmax(int64_t K, Lanes* block) {
        for (int v = 0; v < 2; v++) {
            Lanes most = block[v], sum = {};
            for (int64_t k = 1; k < K; k++) most = block[2 * k + v] > most ? block[2 * k + v] : most;
            for (int64_t k = 0; k < K; k++) sum += block[2 * k + v] = exponential<F>(block[2 * k + v] - most);
            for (int64_t k = 0; k < K; k++) block[2 * k + v] /= sum;
        }
    }

    // Units of all hidden layers before one, of which the first is 1: where its own begin in an array for all of them.
    int64_t before(int64_t layer) const { return std::accumulate(widths + 1, widths + layer, int64_t(0)); }

    int64_t all() const { return std::accumulate(widths, widths + layers + 1, int64_t(0)); }
    int64_t widest() const { return *std::max_element(widths, widths + layers + 1); }

    // A block of rows up through all layers, to logits.
    void up(Lanes*& from, Lanes*& to, Lanes*& derivative) const {
        for (int64_t l = 0; l < layers; l++) {
            forth(l, from, to);
            std::swap(from, to);
            if (l == layers - 1) break;
            act.template apply<F>(2 * widths[l + 1], from, [&](int64_t i, Lanes d) { derivative[i] = d; });
            derivative += 2 * widths[l + 1];
        }
    }

    // Derivatives by logits down to those by rows.
    void down(Lanes*& from, Lanes*& to, Lanes*& derivative) const {
        for (int64_t l = layers - 1; l >= 0; l--) {
            back(l, from, to);
            std::swap(from, to);
            if (l == 0) break;
            derivative -= 2 * widths[l];
            for (int64_t i = 0; i < 2 * widths[l]; i++) from[i] *= derivative[i];
        }
    }
};
