// The logits of a wide residual network and their gradient at its images, of weights that stand still. Channels lie in
// the lanes of vectors, a few images go through all layers while they are near, and additions, activations and their
// slopes are done where a convolution's sums are written. 3x3 convolutions of stride 1, forwards and backwards, are
// Winograd's F(4x4, 3x3) (Lavin & Gray 2016): 4x4 outputs from 36 products in place of 144.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "lanes.h"

// One convolution as Python tells it: weights (out, in, size, size), dense; size 3 with a rim of 1, or 1 with none.
struct Shape {
    int64_t in, out, size, stride;
};

template <class F>
struct Passes {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    static constexpr int64_t W = BYTES / sizeof(T);
    static constexpr int ROWS = BYTES == 64 ? 14 : 6;  // whose sums, two vectors each, stay in registers
    static constexpr int64_t TOGETHER = 2;             // images
    static constexpr int64_t NEAR = 384 << 10;         // bytes of transformed tiles that are worked on together

    static int64_t vectors(int64_t channels) { return (channels + W - 1) / W; }

    // Images with a rim of zeros, one pixel wide, and more where 4x4 tiles stand over: [image][row][column][channel].
    struct Images {
        int64_t height, width, channels, high, wide;
        std::vector<Lanes> room;

        Images(int64_t images, int64_t height, int64_t width, int64_t channels)
            : height(height), width(width), channels(vectors(channels) * W), high((height + 3) / 4 * 4 + 2),
              wide((width + 3) / 4 * 4 + 2), room(images * high * wide * vectors(channels)) {}

        T* at(int64_t image, int64_t y, int64_t x) {
            return reinterpret_cast<T*>(room.data()) + ((image * high + y + 1) * wide + x + 1) * channels;
        }
    };

    static Lanes load(const T* from) {
        Lanes lanes;
        std::memcpy(&lanes, from, sizeof(Lanes));
        return lanes;
    }

    static void store(const Lanes& lanes, T* to) { std::memcpy(to, &lanes, sizeof(Lanes)); }

    // What becomes of a convolution's sums: bias; times the slope that an activation had at `gate`, which is what it
    // gave; added to what is there; activated; and activated into other images as well.
    struct Ending {
        T slope;
        Images* out;
        const T* bias = nullptr;
        Images* gate = nullptr;
        bool add = false, activate = false;
        Images* also = nullptr;

        Lanes activated(Lanes v) const { return sloped(v, v); }

        Lanes sloped(Lanes v, Lanes at) const {
            const Lanes zero = {};
            return at > zero ? v : v * slope;
        }

        void write(Lanes v, int64_t channel, T* to) const {
            const int64_t place = to - out->at(0, -1, -1);
            if (bias) v += load(bias + channel);
            if (gate) v = sloped(v, load(gate->at(0, -1, -1) + place));
            if (add) v += load(to);
            if (activate) v = activated(v);
            store(v, to);
            if (also) store(activated(v), also->at(0, -1, -1) + place);
        }
    };

    // A weight by its output, input, row and column, wherever it lies.
    struct Weights {
        const T* from;
        int64_t outs, ins, by_out, by_in, by_row, by_column;

        // Those of outputs out, out + 1, ...; zeros where there are no more.
        Lanes lanes(int64_t out, int64_t in, int64_t row, int64_t column) const {
            Lanes found = {};
            const T* first = from + out * by_out + in * by_in + row * by_row + column * by_column;
            for (int64_t w = 0; w < std::min(W, outs - out); w++) found[w] = first[w * by_out];
            return found;
        }
    };

    // sums[p][v] += sum over channels of from[p][channel] weights[channel][v]
    template <int P, int V>
    static const T* accumulate(const T* const* from, int64_t channels, const T* weights, Lanes (&sums)[P][V]) {
        for (int64_t c = 0; c < channels; c++, weights += V * W) {
            Lanes w[V];
            for (int v = 0; v < V; v++) w[v] = load(weights + v * W);
            for (int p = 0; p < P; p++)
                for (int v = 0; v < V; v++) sums[p][v] += from[p][c] * w[v];
        }
        return weights;
    }

    // Calls `work` with how many rows it is to take of those left, and one vector or two, as constants; how many.
    template <int P = ROWS, class Work>
    static int64_t with(int64_t left, int64_t V, const Work& work) {
        if constexpr (P > 1)
            if (left < P) return with<(P > 8 ? 8 : P > 4 ? 4 : P / 2)>(left, V, work);
        if (V == 2)
            work(std::integral_constant<int, P>(), std::integral_constant<int, 2>());
        else
            work(std::integral_constant<int, P>(), std::integral_constant<int, 1>());
        return P;
    }

    // Sums over the pixels about each of a grid.
    struct Direct {
        int64_t row, column, apart, stride;  // outputs stand at row + i apart, and read about i stride
        std::vector<std::pair<int64_t, int64_t>> taps;  // where, from there
        int64_t ins, outs;
        std::vector<Lanes> packed;  // [two vectors of outputs][tap][input][2]

        Direct(const Weights& w, int64_t row, int64_t column, int64_t apart, int64_t stride,
               const std::vector<std::pair<int64_t, int64_t>>& taps,
               const std::vector<std::pair<int64_t, int64_t>>& of_weights)
            : row(row), column(column), apart(apart), stride(stride), taps(taps), ins(w.ins), outs(w.outs) {
            for (int64_t v = 0; v < vectors(outs); v += 2)
                for (const auto& tap : of_weights)
                    for (int64_t in = 0; in < ins; in++)
                        for (int64_t u = v; u < std::min(v + 2, vectors(outs)); u++)
                            packed.push_back(w.lanes(u * W, in, tap.first, tap.second));
        }

        // Once for all numbers of rows, for the compiler's sake.
        template <int V>
        __attribute__((noinline)) static void write(const Lanes* sums, int64_t rows, const Ending& end, int64_t channel,
                                                    T* const* to) {
            for (int64_t p = 0; p < rows; p++)
                for (int u = 0; u < V; u++) end.write(sums[p * V + u], channel + u * W, to[p] + u * W);
        }

        void operator()(int64_t images, Images& in, const Ending& end) const {
            Images& out = *end.out;
            const int64_t rows = (out.height - row + apart - 1) / apart;
            const int64_t columns = (out.width - column + apart - 1) / apart;
            std::vector<int64_t> offsets;
            for (const auto& tap : taps) offsets.push_back((tap.first * in.wide + tap.second) * in.channels);
            const T* weights = reinterpret_cast<const T*>(packed.data());
            for (int64_t v = 0; v < vectors(outs); v += 2) {
                const int64_t V = std::min<int64_t>(2, vectors(outs) - v);
                for (int64_t first = 0; first < images * rows * columns;)
                    first += with(images * rows * columns - first, V, [&](auto P, auto V) {
                        const T *from[P], *moved[P], *w = weights;
                        T* to[P];
                        for (int p = 0; p < P; p++) {
                            const int64_t x = (first + p) % columns, y = (first + p) / columns % rows;
                            const int64_t image = (first + p) / columns / rows;
                            from[p] = in.at(image, y * stride, x * stride);
                            to[p] = out.at(image, row + y * apart, column + x * apart) + v * W;
                        }
                        Lanes sums[P][V] = {};
                        for (const int64_t offset : offsets) {
                            for (int p = 0; p < P; p++) moved[p] = from[p] + offset;
                            w = accumulate<P, V>(moved, ins, w, sums);
                        }
                        write<V>(&sums[0][0], P, end, v * W, to);
                    });
                weights += offsets.size() * ins * V * W;
            }
        }
    };

    // Memory that is used again and again.
    struct Room {
        std::vector<Lanes> lanes;

        Lanes* of(size_t size) {
            if (lanes.size() < size) lanes.resize(size);
            return lanes.data();
        }
    };

    // F(4x4, 3x3): tiles of 6x6 inputs, each 4 from the next.
    struct Winograd {
        int64_t ins, outs;
        std::vector<Lanes> packed;  // [two vectors of outputs][36][input][2]

        // Polynomials are taken at 0, A, -A, B, -B and infinity. A B = 1 keeps what rounds off at half as much again as
        // in plain sums; 1 and 2, as published, make it three times as much and more.
        static constexpr T A = T(2) / 3, B = T(3) / 2, AA = A * A, BB = B * B;

        explicit Winograd(const Weights& w) : ins(w.ins), outs(w.outs), packed(36 * w.ins * vectors(w.outs)) {
            Lanes* start = packed.data();
            for (int64_t v = 0; v < vectors(outs); v += 2) {
                const int64_t V = std::min<int64_t>(2, vectors(outs) - v);
                for (int64_t in = 0; in < ins; in++)
                    for (int64_t u = 0; u < V; u++) {
                        Lanes g[9], half[18];
                        for (int64_t k = 0; k < 9; k++) g[k] = w.lanes((v + u) * W, in, k / 3, k % 3);
                        for (int64_t k = 0; k < 3; k++) of_weights(g + k, 3, half + k, 3);
                        for (int64_t k = 0; k < 6; k++)
                            of_weights(half + 3 * k, 1, start + (6 * k * ins + in) * V + u, ins * V);
                    }
                start += 36 * ins * V;
            }
        }

        static void of_weights(const Lanes* g, int64_t step, Lanes* out, int64_t to) {
            const Lanes a = g[0], b = g[step], c = g[2 * step];
            const Lanes near = (a + AA * c) / (2 * AA * (AA - BB)), across = b / (2 * A * (AA - BB));
            const Lanes far = (a + BB * c) / (2 * BB * (BB - AA)), away = b / (2 * B * (BB - AA));
            out[0] = a;
            out[to] = near + across;
            out[2 * to] = near - across;
            out[3 * to] = far + away;
            out[4 * to] = far - away;
            out[5 * to] = c;
        }

        static void of_inputs(const Lanes* d, int64_t step, Lanes* out, int64_t to) {
            const Lanes a = d[0], b = d[step], c = d[2 * step], e = d[3 * step], f = d[4 * step], g = d[5 * step];
            const Lanes near = f - BB * c, across = A * e - B * b, far = f - AA * c, away = B * e - A * b;
            out[0] = a - (AA + BB) * c + f;
            out[to] = near + across;
            out[2 * to] = near - across;
            out[3 * to] = far + away;
            out[4 * to] = far - away;
            out[5 * to] = b - (AA + BB) * e + g;
        }

        static void of_products(const Lanes* m, int64_t step, Lanes* out, int64_t to) {
            const Lanes near = m[step] + m[2 * step], across = m[step] - m[2 * step];
            const Lanes far = m[3 * step] + m[4 * step], away = m[3 * step] - m[4 * step];
            out[0] = m[0] + near + far;
            out[to] = A * across + B * away;
            out[2 * to] = AA * near + BB * far;
            out[3 * to] = A * AA * across + B * BB * away + m[5 * step];
        }

        void operator()(int64_t images, Images& in, const Ending& end, Room& room) const {
            Images& out = *end.out;
            const int64_t across = (out.width + 3) / 4, down = (out.height + 3) / 4, all = images * across * down;
            const int64_t wide = vectors(ins);
            const int64_t most = std::max<int64_t>(1, NEAR / int64_t(36 * wide * sizeof(Lanes)) / ROWS) * ROWS;
            const int64_t together = std::min(all, most);
            const int64_t apart = together * wide + 64 / sizeof(Lanes);  // off the powers of two, for the caches' sake
            Lanes *const inputs = room.of(36 * apart + together * 72), *const products = inputs + 36 * apart;
            for (int64_t first = 0; first < all; first += together) {
                const int64_t some = std::min(together, all - first);
                for (int64_t t = 0; t < some; t++) {
                    const int64_t x = (first + t) % across, y = (first + t) / across % down;
                    const T* corner = in.at((first + t) / across / down, 4 * y - 1, 4 * x - 1);
                    for (int64_t c = 0; c < wide; c++) {
                        Lanes d[36], half[36];
                        for (int64_t i = 0; i < 36; i++)
                            d[i] = load(corner + (i / 6 * in.wide + i % 6) * in.channels + c * W);
                        for (int64_t j = 0; j < 6; j++) of_inputs(d + j, 6, half + j, 6);
                        for (int64_t i = 0; i < 6; i++)
                            of_inputs(half + 6 * i, 1, inputs + 6 * i * apart + t * wide + c, apart);
                    }
                }
                const T* weights = reinterpret_cast<const T*>(packed.data());
                for (int64_t v = 0; v < vectors(outs); v += 2) {
                    const int64_t V = std::min<int64_t>(2, vectors(outs) - v);
                    for (int64_t k = 0; k < 36; k++, weights += ins * V * W)
                        for (int64_t t = 0; t < some;)
                            t += with(some - t, V, [&](auto P, auto V) {
                                const T* from[P];
                                for (int p = 0; p < P; p++)
                                    from[p] = reinterpret_cast<const T*>(inputs + k * apart + (t + p) * wide);
                                Lanes sums[P][V] = {};
                                accumulate<P, V>(from, ins, weights, sums);
                                for (int p = 0; p < P; p++)
                                    for (int u = 0; u < V; u++) products[((t + p) * 36 + k) * V + u] = sums[p][u];
                            });
                    for (int64_t t = 0; t < some; t++) {
                        const int64_t x = (first + t) % across * 4, y = (first + t) / across % down * 4;
                        const int64_t image = (first + t) / across / down;
                        for (int u = 0; u < V; u++) {
                            const Lanes* m = products + t * 36 * V + u;
                            Lanes half[24], whole[16];
                            for (int64_t j = 0; j < 6; j++) of_products(m + j * V, 6 * V, half + j, 6);
                            for (int64_t i = 0; i < 4; i++) of_products(half + 6 * i, 1, whole + 4 * i, 1);
                            for (int64_t i = 0; i < 4 && y + i < out.height; i++)
                                for (int64_t j = 0; j < 4 && x + j < out.width; j++)
                                    end.write(whole[4 * i + j], (v + u) * W, out.at(image, y + i, x + j) + (v + u) * W);
                        }
                    }
                }
            }
        }
    };

    // A convolution both ways, for images of one size.
    struct Convolution {
        Shape shape;
        std::vector<Lanes> bias;
        std::vector<Direct> forth_direct, back_direct;
        std::vector<Winograd> forth_winograd, back_winograd;

        // Images of `height` x `width` go in.
        Convolution(const Shape& shape, const T* w, const T* b, int64_t height, int64_t width)
            : shape(shape), bias(vectors(shape.out)) {
            const int64_t in = shape.in, out = shape.out, size = shape.size, stride = shape.stride, rim = size / 2;
            for (int64_t i = 0; b && i < out; i++) bias[i / W][i % W] = b[i];
            const int64_t by_out = in * size * size, by_in = size * size;
            const Weights forth{w, out, in, by_out, by_in, size, 1}, back{w, in, out, by_in, by_out, size, 1};
            const int64_t tiles = (height + 3) / 4 * ((width + 3) / 4);
            if (size == 3 && stride == 1 && std::min(in, out) >= 8 && 6 * tiles <= height * width) {
                forth_winograd.emplace_back(forth);
                back_winograd.emplace_back(Weights{w + 8, in, out, by_in, by_out, -3, -1});
                return;
            }
            std::vector<std::pair<int64_t, int64_t>> taps, of_weights;
            for (int64_t y = 0; y < size; y++)
                for (int64_t x = 0; x < size; x++) {
                    of_weights.push_back({y, x});
                    taps.push_back({y - rim, x - rim});
                }
            forth_direct.emplace_back(forth, 0, 0, 1, stride, taps, of_weights);
            // Backwards each pixel of a stride x stride square has weights of its own.
            for (int64_t row = 0; row < std::min(stride, height); row++)
                for (int64_t column = 0; column < std::min(stride, width); column++) {
                    taps.clear(), of_weights.clear();
                    for (int64_t y = 0; y < size; y++)
                        for (int64_t x = 0; x < size; x++)
                            if ((row + rim - y) % stride == 0 && (column + rim - x) % stride == 0) {
                                of_weights.push_back({y, x});
                                taps.push_back({(row + rim - y) / stride, (column + rim - x) / stride});
                            }
                    back_direct.emplace_back(back, row, column, stride, 1, taps, of_weights);
                }
        }

        void forth(int64_t images, Images& from, Ending end, Room& room) const {
            end.bias = reinterpret_cast<const T*>(bias.data());
            for (const auto& one : forth_winograd) one(images, from, end, room);
            for (const auto& one : forth_direct) one(images, from, end);
        }

        void back(int64_t images, Images& from, const Ending& end, Room& room) const {
            for (const auto& one : back_winograd) one(images, from, end, room);
            for (const auto& one : back_direct) one(images, from, end);
        }
    };

    // A convolution, or a residual block of two, with a third as its shortcut or none.
    struct Step {
        std::vector<Convolution> convolutions;
        std::unique_ptr<Images> first, second;  // what a block's activations gave
        Images *from, *to;

        bool block() const { return convolutions.size() > 1; }
    };

    struct Network {
        int64_t steps;
        const int64_t* sizes;  // of each step: 1, 2 or 3 convolutions
        const Shape* shapes;
        const T *const *weights, *const *biases;
        double slope;
        int64_t outputs;
        const T *last, *last_bias;  // linear layer, of the mean over all pixels
    };

    // Images [image][channel][row][column], wherever their numbers lie.
    struct Pixels {
        T* from;
        const int64_t* strides;

        T& operator()(int64_t image, int64_t channel, int64_t y, int64_t x) const {
            return from[image * strides[0] + channel * strides[1] + y * strides[2] + x * strides[3]];
        }
    };

    // The logits f at x, and the gradient of logsumexp f there, or of f[chosen] where there are such.
    static void gradient(const Network& net, int64_t N, int64_t height, int64_t width, const Pixels& x,
                         const int64_t* chosen, T* logits, const Pixels& found) {
        const int64_t together = std::min(N, TOGETHER), K = net.outputs;
        const T slope = T(net.slope);
        std::vector<std::unique_ptr<Images>> images;
        const auto make = [&](int64_t h, int64_t w, int64_t channels) {
            return std::make_unique<Images>(together, h, w, channels);
        };
        images.push_back(make(height, width, net.shapes[0].in));
        std::vector<Step> steps(net.steps);
        int64_t count = 0, channels = net.shapes[0].in;
        for (int64_t s = 0; s < net.steps; s++) {
            Step& step = steps[s];
            step.from = images.back().get();
            const int64_t h = step.from->height, w = step.from->width;
            int64_t high = h, wide = w;
            for (int64_t i = 0; i < net.sizes[s]; i++, count++) {
                const Shape& shape = net.shapes[count];
                if (i == 2) high = h, wide = w;
                step.convolutions.emplace_back(shape, net.weights[count], net.biases[count], high, wide);
                if (i == 0 && net.sizes[s] > 1) step.first = make(h, w, shape.in);
                high = (high - 1) / shape.stride + 1, wide = (wide - 1) / shape.stride + 1;
                if (i == 0 && net.sizes[s] > 1) step.second = make(high, wide, shape.out);
                channels = shape.out;
            }
            if (net.sizes[s] != 2) images.push_back(make(high, wide, channels));
            step.to = images.back().get();
        }
        Images &start = *images.front(), &end = *images.back();
        const int64_t colours = net.shapes[0].in;
        const T share = T(1) / T(end.height * end.width);
        Room room;
        std::vector<T> features(channels), pull(channels), weights(K);
        for (int64_t n = 0; n < N; n += together) {
            const int64_t some = std::min(together, N - n);
            for (int64_t i = 0; i < some; i++)
                for (int64_t c = 0; c < colours; c++)
                    for (int64_t y = 0; y < height; y++)
                        for (int64_t z = 0; z < width; z++) start.at(i, y, z)[c] = x(n + i, c, y, z);
            for (int64_t s = 0; s < net.steps; s++) {
                Step& step = steps[s];
                Ending ending{slope, step.to};
                if (s + 1 < net.steps) ending.also = steps[s + 1].first.get();
                if (step.block()) {
                    Ending between{slope, step.second.get()};
                    between.activate = ending.add = true;
                    step.convolutions[0].forth(some, *step.first, between, room);
                    if (step.convolutions.size() > 2)
                        step.convolutions[2].forth(some, *step.from, {slope, step.to}, room);
                    step.convolutions[1].forth(some, *step.second, ending, room);
                } else {
                    step.convolutions[0].forth(some, *step.from, ending, room);
                }
            }
            for (int64_t i = 0; i < some; i++) {
                std::fill(features.begin(), features.end(), T(0));
                for (int64_t y = 0; y < end.height; y++)
                    for (int64_t z = 0; z < end.width; z++) {
                        const T* h = end.at(i, y, z);
                        for (int64_t c = 0; c < channels; c++) features[c] += h[c] > 0 ? h[c] : h[c] * slope;
                    }
                T* f = logits + (n + i) * K;
                for (int64_t k = 0; k < K; k++) {
                    T sum = 0;
                    for (int64_t c = 0; c < channels; c++) sum += net.last[k * channels + c] * features[c];
                    f[k] = sum * share + (net.last_bias ? net.last_bias[k] : T(0));
                }
                const T most = *std::max_element(f, f + K);
                T sum = 0;
                for (int64_t k = 0; k < K; k++) sum += weights[k] = std::exp(f[k] - most);
                for (int64_t k = 0; k < K; k++)
                    weights[k] = chosen ? T(k == chosen[n + i]) : weights[k] / sum;
                for (int64_t c = 0; c < channels; c++) {
                    pull[c] = 0;
                    for (int64_t k = 0; k < K; k++) pull[c] += weights[k] * net.last[k * channels + c];
                    pull[c] *= share;
                }
                for (int64_t y = 0; y < end.height; y++)
                    for (int64_t z = 0; z < end.width; z++) {
                        T* h = end.at(i, y, z);
                        for (int64_t c = 0; c < channels; c++) h[c] = h[c] > 0 ? pull[c] : pull[c] * slope;
                    }
            }
            // Gradients are written over what they are gradients of, which only activations were asked for again.
            for (int64_t s = net.steps - 1; s >= 0; s--) {
                Step& step = steps[s];
                Ending ending{slope, step.from};
                if (!step.block()) {
                    step.convolutions[0].back(some, *step.to, ending, room);
                    continue;
                }
                Ending between{slope, step.second.get()};
                between.gate = step.second.get();
                step.convolutions[1].back(some, *step.to, between, room);
                if (step.convolutions.size() > 2) step.convolutions[2].back(some, *step.to, ending, room);
                ending.gate = step.first.get();
                ending.add = true;
                step.convolutions[0].back(some, *step.second, ending, room);
            }
            for (int64_t i = 0; i < some; i++)
                for (int64_t c = 0; c < colours; c++)
                    for (int64_t y = 0; y < height; y++)
                        for (int64_t z = 0; z < width; z++) found(n + i, c, y, z) = start.at(i, y, z)[c];
        }
    }
};

typedef NUMBERS F;
typedef F::T T;

extern "C" void gradient(int64_t steps, const int64_t* sizes, const Shape* shapes, const T* const* weights,
                         const T* const* biases, double slope, int64_t outputs, const T* last, const T* last_bias,
                         int64_t N, int64_t height, int64_t width, T* x, const int64_t* x_strides,
                         const int64_t* chosen, T* logits, T* found, const int64_t* found_strides) {
    Passes<F>::gradient({steps, sizes, shapes, weights, biases, slope, outputs, last, last_bias}, N, height, width,
                        {x, x_strides}, chosen, logits, {found, found_strides});
}
