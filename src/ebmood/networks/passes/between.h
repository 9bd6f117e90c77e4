// What stands between two products where autograd watches: a batch norm with the batch's own statistics and the activation
// behind it, there and back (Ioffe and Szegedy 2015, section 3). Arrays are (N, J); features stand in the lanes of
// vectors, of which the last may repeat some of the one before.

#pragma once

#include <type_traits>
#include <vector>

#include "stack.h"

template <class F>
struct Between {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    static constexpr int64_t W = BYTES / sizeof(T);
    static constexpr int TOGETHER = 4;  // rows

    int64_t N, J;  // no fewer than there are lanes
    const T *factors, *terms;
    Activation act;
    T *means, *scales;  // of z: the latter is one over the square root of variance and epsilon

    static Lanes load(const T* from) { return some<F>(from, W); }
    static void store(const Lanes& lanes, T* to) { put<F>(lanes, W, to); }

    int64_t vectors() const { return (J + W - 1) / W; }
    int64_t begin(int64_t v) const { return std::min(v * W, J - W); }

    // Some rows at a time, as they lie, and vector by vector: `go` is given how many, where they begin, and the vector.
    template <class Do>
    void each(const Do& go) const {
        int64_t n = 0;
        for (; n + TOGETHER <= N; n += TOGETHER)
            for (int64_t v = 0; v < vectors(); v++) go(std::integral_constant<int, TOGETHER>(), n * J + begin(v), v);
        for (; n < N; n++)
            for (int64_t v = 0; v < vectors(); v++) go(std::integral_constant<int, 1>(), n * J + begin(v), v);
    }

    void forth(const T* z, T* running_means, T* running_variances, int64_t* seen, double epsilon, double momentum,
               T* out) const {
        std::vector<Lanes> sums(vectors()), squares(vectors()), factor(vectors()), term(vectors());
        each([&](auto some, int64_t at, int64_t v) {
            const Lanes first = load(z + begin(v));
            Lanes sum = {}, square = {};
            for (int i = 0; i < some; i++) {
                const Lanes away = load(z + at + i * J) - first;
                sum += away;
                square += away * away;
            }
            sums[v] += sum;
            squares[v] += square;
        });
        for (int64_t v = 0, done = 0; v < vectors(); v++) {
            for (int64_t j = begin(v); j < begin(v) + W; j++) {
                const double away = double(sums[v][j - begin(v)]) / N, square = double(squares[v][j - begin(v)]) / N;
                const double mean = z[j] + away, variance = std::max(square - away * away, 0.0);
                const double scale = 1 / std::sqrt(variance + epsilon);
                means[j] = T(mean), scales[j] = T(scale);
                factor[v][j - begin(v)] = T(factors[j] * scale);
                term[v][j - begin(v)] = T(terms[j] - mean * factors[j] * scale);
                if (j < done) continue;
                running_means[j] += T(momentum * (mean - running_means[j]));
                running_variances[j] += T(momentum * (variance * N / (N - 1) - running_variances[j]));
            }
            done = begin(v) + W;
        }
        if (seen) ++*seen;
        each([&](auto some, int64_t at, int64_t v) {
            Lanes y[some];
            for (int i = 0; i < some; i++) y[i] = load(z + at + i * J) * factor[v] + term[v];
            act.template apply<F>(some, y);
            for (int i = 0; i < some; i++) store(y[i], out + at + i * J);
        });
    }

    // The gradient of what came out -> those of z, and of factors and terms where they are asked for.
    void back(const T* z, const T* g, T* of_z, T* of_factors, T* of_terms) const {
        std::vector<Lanes> sums(vectors()), products(vectors());
        each([&](auto some, int64_t at, int64_t v) {
            Lanes white[some], of_y[some], sum = {}, product = {};
            before(some, z + at, g + at, v, white, of_y);
            for (int i = 0; i < some; i++) {
                sum += of_y[i];
                product += of_y[i] * white[i];
            }
            sums[v] += sum;
            products[v] += product;
        });
        for (int64_t v = 0; v < vectors(); v++) {
            if (of_factors) store(products[v], of_factors + begin(v));
            if (of_terms) store(sums[v], of_terms + begin(v));
            sums[v] /= T(N);
            products[v] /= T(N);
        }
        // Less what would move the mean and the variance, which stay as they are.
        each([&](auto some, int64_t at, int64_t v) {
            const Lanes out = load(factors + begin(v)) * load(scales + begin(v));
            Lanes white[some], of_y[some];
            before(some, z + at, g + at, v, white, of_y);
            for (int i = 0; i < some; i++)
                store((of_y[i] - sums[v] - white[i] * products[v]) * out, of_z + at + i * J);
        });
    }

  private:
    // z whitened, and the gradient before the activation.
    template <class Some>
    void before(Some some, const T* z, const T* g, int64_t v, Lanes* white, Lanes* of_y) const {
        const Lanes mean = load(means + begin(v)), scale = load(scales + begin(v));
        const Lanes factor = load(factors + begin(v)), term = load(terms + begin(v));
        Lanes y[some];
        for (int i = 0; i < some; i++) {
            white[i] = (load(z + i * J) - mean) * scale;
            y[i] = white[i] * factor + term;
            of_y[i] = load(g + i * J);
        }
        act.template apply<F>(some, y, [&](int64_t i, const Lanes& slope) { of_y[i] *= slope; });
    }
};
