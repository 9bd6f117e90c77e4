// Passes through a stack of linear layers with an activation after each but the last. Rows stand side by side in the
// lanes of vectors, a block of them goes through all layers while it is in the nearest cache, and what an activation
// does is done there too. Arrays are dense and row-major: x (N, D); logits (N, K); a layer's weights (outputs, inputs).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "lanes.h"

typedef int32_t Ints32 __attribute__((vector_size(BYTES)));
typedef int64_t Ints64 __attribute__((vector_size(BYTES)));

struct Float32 {
    typedef float T;
    typedef Floats Lanes;
    typedef Ints32 Ints;
    static constexpr int MANTISSA = 23, BIAS = 127, TERMS = 7;
    static constexpr T LEAST = -87, MOST = 88, LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;
};

struct Float64 {
    typedef double T;
    typedef Doubles Lanes;
    typedef Ints64 Ints;
    static constexpr int MANTISSA = 52, BIAS = 1023, TERMS = 13;
    static constexpr T LEAST = -708, MOST = 709, LN2_HIGH = 6.93145751953125e-1, LN2_LOW = 1.42860682030941723212e-6;
};

// e^x to rounding, as 2^n e^r with |r| <= ln(2) / 2, the latter by its series; at the ends of T's range it stays there.
template <class F>
typename F::Lanes exponential(typename F::Lanes x) {
    typedef typename F::T T;
    const typename F::Lanes zero = {};
    x = x < F::LEAST ? zero + F::LEAST : x;  // as it is where it is not a number
    x = x > F::MOST ? zero + F::MOST : x;
    const T integers = T(3) * T(int64_t(1) << (F::MANTISSA - 1));  // sums with it are rounded to such
    const typename F::Lanes n = (x * T(1.44269504088896340736) + integers) - integers;
    const typename F::Lanes r = (x - n * F::LN2_HIGH) - n * F::LN2_LOW;
    typename F::Lanes series = zero + T(1);
    for (int i = F::TERMS; i; i--) series = T(1) + series * r * (T(1) / T(i));
    const typename F::Ints power = (__builtin_convertvector(n, typename F::Ints) + F::BIAS) << F::MANTISSA;
    return series * (typename F::Lanes)power;
}

struct Activation {
    int64_t bends;  // SiLU; else a (leaky) ReLU
    double slope;

    // z -> what becomes of it, and the derivative there.
    template <class F>
    void apply(typename F::Lanes& z, typename F::Lanes& derivative) const {
        typedef typename F::Lanes Lanes;
        const Lanes zero = {}, one = zero + typename F::T(1);
        if (bends) {
            const Lanes s = one / (one + exponential<F>(-z));
            z *= s;
            derivative = s + z * (one - s);
        } else {
            derivative = z > zero ? one : zero + typename F::T(slope);
            z *= derivative;
        }
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

    // out[j] = start[j] + sum_k w[j * down + k * across] in[k], for J of them whose sums stay in registers
    template <int J>
    static void tile(const T* w, int64_t down, int64_t across, int64_t K, const T* start, const Lanes* in, Lanes* out) {
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

    int64_t widest() const { return *std::max_element(widths, widths + layers + 1); }

    // A block of rows up through all layers, to logits; `keep` is shown what each layer but the first is given.
    template <class Keep>
    void up(Lanes*& from, Lanes*& to, Lanes*& derivative, const Keep& keep) const {
        for (int64_t l = 0; l < layers; l++) {
            forth(l, from, to);
            std::swap(from, to);
            if (l == layers - 1) break;
            for (int64_t i = 0; i < 2 * widths[l + 1]; i++) act.apply<F>(from[i], *derivative++);
            keep(l + 1, from);
        }
    }

    // Derivatives by logits down to those by rows; `keep` is shown those behind each layer but the last.
    template <class Keep>
    void down(Lanes*& from, Lanes*& to, Lanes*& derivative, const Keep& keep) const {
        for (int64_t l = layers - 1; l >= 0; l--) {
            back(l, from, to);
            std::swap(from, to);
            if (l == 0) break;
            derivative -= 2 * widths[l];
            for (int64_t i = 0; i < 2 * widths[l]; i++) from[i] *= derivative[i];
            keep(l, from);
        }
    }

    // The logits f at x, and the gradient of logsumexp f there, or of f[chosen] where there are such.
    void gradient(int64_t N, const T* x, const int64_t* chosen, T* logits, T* out) const {
        const int64_t K = widths[layers], all = std::accumulate(widths, widths + layers + 1, int64_t(0));
        std::vector<Lanes> one(2 * widest()), two(2 * widest()), derivatives(2 * all);
        for (int64_t n = 0; n < N; n += ROWS) {
            Lanes *from = one.data(), *to = two.data(), *derivative = derivatives.data();
            load(x, n, N, widths[0], from);
            up(from, to, derivative, [](int64_t, const Lanes*) {});
            store(from, n, N, K, logits);
            if (chosen) {
                for (int64_t i = 0; i < 2 * K; i++) from[i] = Lanes{};
                for (int64_t w = 0; w < ROWS && n + w < N; w++) from[2 * chosen[n + w] + w / W][w % W] = 1;
            } else {
                softmax(K, from);
            }
            down(from, to, derivative, [](int64_t, const Lanes*) {});
            store(from, n, N, widths[0], out);
        }
    }

    // One piecewise-linear logit at x, and its slope along its gradient there, u, held fixed. `inputs` are what each layer
    // is given, of both, (2, N, width), the first of x and u; `below` the gradients behind each layer but the last.
    void line(int64_t N, const T* x, T* const* inputs, T* const* below, T* value, T* slope) const {
        const int64_t all = std::accumulate(widths, widths + layers + 1, int64_t(0));
        std::vector<Lanes> one(2 * widest()), two(2 * widest()), derivatives(2 * all);
        for (int64_t n = 0; n < N; n += ROWS) {
            Lanes *from = one.data(), *to = two.data(), *derivative = derivatives.data();
            load(x, n, N, widths[0], from);
            up(from, to, derivative, [&](int64_t l, const Lanes* block) { store(block, n, N, widths[l], inputs[l]); });
            store(from, n, N, 1, value);
            for (int v = 0; v < 2; v++) from[v] = Lanes{} + T(1);
            down(from, to, derivative, [&](int64_t l, const Lanes* block) { store(block, n, N, widths[l], below[l - 1]); });
            store(from, n, N, widths[0], inputs[0] + N * widths[0]);
            for (int64_t l = 0; l < layers; l++) {
                product(weights[l], widths[l], 1, widths[l + 1], widths[l], nullptr, from, to);
                std::swap(from, to);
                if (l == layers - 1) break;
                for (int64_t i = 0; i < 2 * widths[l + 1]; i++) from[i] *= *derivative++;
                store(from, n, N, widths[l + 1], inputs[l + 1] + N * widths[l + 1]);
            }
            store(from, n, N, 1, slope);
        }
    }

    // What becomes of x where a batch norm follows every layer but the last, with the batch's own statistics. They need
    // all rows of a layer before the next can change one, and are gathered while a block is near; then a block is
    // normalised when the next layer reads it. Means and (biased) variances stand end to end for all layers; `blocks`
    // is room for all rows, ROWS of them rounded up, of the widest layer.
    void normalised(int64_t N, const T* x, const T* const* gammas, const T* const* betas, double epsilon, T* means,
                    T* variances, Lanes* blocks, T* out) const {
        const int64_t wide = 2 * widest();
        std::vector<Lanes> from(wide), to(wide);
        std::vector<T> scale(wide), offset(wide);
        for (int64_t l = 0; l < layers; l++) {
            const int64_t J = widths[l + 1];
            std::vector<Lanes> sum(2 * J), squares(2 * J);
            std::vector<T> first(J);  // row; moments are taken about it
            for (int64_t n = 0; n < N; n += ROWS) {
                Lanes* block = blocks + n / ROWS * wide;
                if (l == 0) load(x, n, N, widths[0], from.data());
                for (int64_t i = 0; l && i < 2 * widths[l]; i++) {
                    Lanes derivative;
                    from[i] = block[i] * scale[i / 2] + offset[i / 2];
                    act.apply<F>(from[i], derivative);
                }
                if (l == layers - 1) {
                    forth(l, from.data(), to.data());
                    store(to.data(), n, N, J, out);
                    continue;
                }
                forth(l, from.data(), block);
                Lanes inside[2];
                for (int64_t w = 0; w < ROWS; w++) inside[w / W][w % W] = n + w < N;
                for (int64_t j = 0; n == 0 && j < J; j++) first[j] = block[2 * j][0];
                for (int64_t i = 0; i < 2 * J; i++) {
                    const Lanes away = (block[i] - first[i / 2]) * inside[i % 2];
                    sum[i] += away;
                    squares[i] += away * away;
                }
            }
            for (int64_t j = 0; l < layers - 1 && j < J; j++) {
                double one = 0, two = 0;
                for (int64_t w = 0; w < ROWS; w++) {
                    one += sum[2 * j + w / W][w % W] / double(N);
                    two += squares[2 * j + w / W][w % W] / double(N);
                }
                const double mean = first[j] + one, variance = std::max(two - one * one, 0.0);
                *means++ = T(mean);
                *variances++ = T(variance);
                scale[j] = T(gammas[l][j] / std::sqrt(variance + epsilon));
                offset[j] = T(betas[l][j] - mean * scale[j]);
            }
        }
    }
};

// What taylor.py does between the products where SiLUs bend, each in one pass over dense arrays.
template <class F>
struct Streams {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    static constexpr int64_t W = BYTES / sizeof(T);

    // Numbers i, i + 1, ... of n, as many as there are lanes, or are left.
    static Lanes load(const T* from, int64_t i, int64_t n) {
        Lanes lanes = {};
        if (i + W <= n)
            std::memcpy(&lanes, from + i, sizeof(Lanes));
        else
            for (int64_t w = 0; w < n - i; w++) lanes[w] = from[i + w];
        return lanes;
    }

    static void store(const Lanes& lanes, int64_t i, int64_t n, T* to) {
        if (i + W <= n)
            std::memcpy(to + i, &lanes, sizeof(Lanes));
        else
            for (int64_t w = 0; w < n - i; w++) to[i + w] = lanes[w];
    }

    // SiLU and its three derivatives.
    static void silu(int64_t n, const T* z, T* value, T* first, T* second, T* third) {
        for (int64_t i = 0; i < n; i += W) {
            const Lanes x = load(z, i, n), s = T(1) / (T(1) + exponential<F>(-x));
            const Lanes ds = s - s * s, dds = ds - T(2) * ds * s;
            store(x * s, i, n, value);
            store(s + x * ds, i, n, first);
            store(T(2) * ds + x * dds, i, n, second);
            store(T(3) * dds + x * (ds - T(6) * ds * ds), i, n, third);
        }
    }

    // `_advance`: z and out are (2, n), the slopes and the second derivatives; the last three are what is handed on.
    static void advance(int64_t n, const T* z, const T* first, const T* second, const T* third, const T* above, T* out,
                        T* bend, T* twice, T* push) {
        for (int64_t i = 0; i < n; i += W) {
            const Lanes slope = load(z, i, n), curve = load(z + n, i, n), s = load(first, i, n);
            const Lanes ds = load(second, i, n), g = load(above, i, n), pushed = ds * slope;
            store(slope * s, i, n, out);
            store(curve * s + pushed * slope, i, n, out + n);
            store((load(third, i, n) * slope * slope + ds * curve) * g, i, n, bend);
            store(T(2) * pushed * g, i, n, twice);
            store(pushed, i, n, push);
        }
    }

    // `_retreat`: above is (2, N, J), of_second (N), all else (N, J), and g (3, N, J).
    static void retreat(int64_t N, int64_t J, const T* above, const T* first, const T* bend, const T* twice,
                        const T* push, const T* below, const T* of_second, T* g) {
        const int64_t n = N * J;
        for (int64_t row = 0; row < N; row++) {
            const T weight = of_second[row];
            const int64_t end = (row + 1) * J;
            for (int64_t i = row * J; i < end; i += W) {
                const Lanes s = load(first, i, end), slope = load(above + n, i, end);
                const Lanes value = load(above, i, end) * s + load(bend, i, end) * weight + load(push, i, end) * slope;
                store(value, i, end, g);
                store(slope * s + load(twice, i, end) * weight, i, end, g + n);
                store(load(below, i, end) * weight, i, end, g + 2 * n);
            }
        }
    }
};

#define NAMED(F, SUFFIX)                                                                                            \
    extern "C" void gradient_##SUFFIX(int64_t layers, const int64_t* widths, const F::T* const* weights,           \
                                      const F::T* const* biases, int64_t bends, double slope, int64_t N,           \
                                      const F::T* x, const int64_t* chosen, F::T* logits, F::T* out) {             \
        Stack<F>{layers, widths, weights, biases, {bends, slope}}.gradient(N, x, chosen, logits, out);             \
    }                                                                                                               \
    extern "C" void line_##SUFFIX(int64_t layers, const int64_t* widths, const F::T* const* weights,               \
                                  const F::T* const* biases, int64_t bends, double slope, int64_t N,               \
                                  const F::T* x, F::T* const* inputs, F::T* const* below, F::T* value,             \
                                  F::T* along) {                                                                   \
        Stack<F>{layers, widths, weights, biases, {bends, slope}}.line(N, x, inputs, below, value, along);         \
    }                                                                                                               \
    extern "C" void normalised_##SUFFIX(int64_t layers, const int64_t* widths, const F::T* const* weights,         \
                                        const F::T* const* biases, int64_t bends, double slope, int64_t N,         \
                                        const F::T* x, const F::T* const* gammas, const F::T* const* betas,        \
                                        double epsilon, F::T* means, F::T* variances, F::T* room, F::T* out) {     \
        Stack<F>{layers, widths, weights, biases, {bends, slope}}.normalised(                                      \
            N, x, gammas, betas, epsilon, means, variances, (F::Lanes*)room, out);                                 \
    }                                                                                                               \
    extern "C" void silu_##SUFFIX(int64_t n, const F::T* z, F::T* value, F::T* first, F::T* second, F::T* third) { \
        Streams<F>::silu(n, z, value, first, second, third);                                                       \
    }                                                                                                               \
    extern "C" void advance_##SUFFIX(int64_t n, const F::T* z, const F::T* first, const F::T* second,              \
                                     const F::T* third, const F::T* above, F::T* out, F::T* bend, F::T* twice,     \
                                     F::T* push) {                                                                  \
        Streams<F>::advance(n, z, first, second, third, above, out, bend, twice, push);                            \
    }                                                                                                               \
    extern "C" void retreat_##SUFFIX(int64_t N, int64_t J, const F::T* above, const F::T* first,                   \
                                     const F::T* bend, const F::T* twice, const F::T* push, const F::T* below,     \
                                     const F::T* of_second, F::T* g) {                                             \
        Streams<F>::retreat(N, J, above, first, bend, twice, push, below, of_second, g);                           \
    }

NAMED(Float32, float32)
NAMED(Float64, float64)
