// The logits of a wide residual network and their gradient with respect to the images. Channels lie in the lanes of
// vectors, a few images pass through all layers while they stay in the cache, and additions, activations and their
// derivatives are fused into the convolutions. 3x3 convolutions of stride 1, forward and backward, use Winograd's
// F(4x4, 3x3) (Lavin & Gray 2016): 4x4 outputs from 36 products instead of 144.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "simd.h"

// One convolution: weights (out, in, size, size), dense; size 3 with padding 1, or size 1 without padding.
struct Shape {
    int64_t in, out, size, stride;
};

template <class F>
struct WideResNet {
    typedef typename F::T T;
    typedef typename F::Vector Vector;
    static constexpr int64_t W = BYTES / sizeof(T);
    static constexpr int ROWS = BYTES == 64 ? 14 : 6;  // their sums, two vectors each, stay in registers
    static constexpr int64_t BATCH = 2;                // images that are processed at once
    static constexpr int64_t CACHE = 384 << 10;        // bytes of transformed tiles that are processed at once

    static int64_t vectors(int64_t channels) { return (channels + W - 1) / W; }

    // Images with zero padding of one pixel, and more where 4x4 tiles reach over the edge:
    // [image][row][column][channel].
    struct Images {
        int64_t height, width, channels, padded_height, padded_width;
        std::vector<Vector> pixels;

        Images(int64_t images, int64_t height, int64_t width, int64_t channels)
            : height(height),
              width(width),
              channels(vectors(channels) * W),
              padded_height((height + 3) / 4 * 4 + 2),
              padded_width((width + 3) / 4 * 4 + 2),
              pixels(images * padded_height * padded_width * vectors(channels)) {}

        T* at(int64_t image, int64_t y, int64_t x) {
            return reinterpret_cast<T*>(pixels.data()) +
                   ((image * padded_height + y + 1) * padded_width + x + 1) * channels;
        }
    };

    static Vector load(const T* from) {
        Vector vector;
        std::memcpy(&vector, from, sizeof(Vector));
        return vector;
    }

    static void store(const Vector& vector, T* to) { std::memcpy(to, &vector, sizeof(Vector)); }

    // What follows a convolution: add the bias; multiply by the derivative of the activation whose output is `gate`;
    // add to the output; apply the activation; write an activated copy to `copy`.
    struct Epilogue {
        T slope;
        Images* out;
        const T* bias = nullptr;
        Images* gate = nullptr;
        bool add = false, activate = false;
        Images* copy = nullptr;

        Vector activated(Vector v) const { return scaled(v, v); }

        Vector scaled(Vector v, Vector at) const {
            const Vector zero = {};
            return at > zero ? v : v * slope;
        }

        void write(Vector v, int64_t channel, T* to) const {
            const int64_t offset = to - out->at(0, -1, -1);
            if (bias) v += load(bias + channel);
            if (gate) v = scaled(v, load(gate->at(0, -1, -1) + offset));
            if (add) v += load(to);
            if (activate) v = activated(v);
            store(v, to);
            if (copy) store(activated(v), copy->at(0, -1, -1) + offset);
        }
    };

    // Weights with arbitrary strides.
    struct Weights {
        const T* from;
        int64_t outs, ins, out_stride, in_stride, row_stride, column_stride;

        // Returns the weights of outputs out, out + 1, ..., padded with zeros.
        Vector vector(int64_t out, int64_t in, int64_t row, int64_t column) const {
            Vector result = {};
            const T* first = from + out * out_stride + in * in_stride + row * row_stride + column * column_stride;
            for (int64_t w = 0; w < std::min(W, outs - out); w++) result[w] = first[w * out_stride];
            return result;
        }
    };

    // sums[p][v] += sum over channels of from[p][channel] weights[channel][v]
    template <int P, int V>
    static const T* accumulate(const T* const* from, int64_t channels, const T* weights, Vector (&sums)[P][V]) {
        for (int64_t c = 0; c < channels; c++, weights += V * W) {
            Vector w[V];
            for (int v = 0; v < V; v++) w[v] = load(weights + v * W);
            for (int p = 0; p < P; p++)
                for (int v = 0; v < V; v++) sums[p][v] += from[p][c] * w[v];
        }
        return weights;
    }

    // Calls `work` with the number of rows that it processes and one vector or two, both as compile-time constants.
    // Returns the number of rows.
    template <int P = ROWS, class Work>
    static int64_t dispatch(int64_t left, int64_t V, const Work& work) {
        if constexpr (P > 1)
            if (left < P) return dispatch<(P > 8 ? 8 : P > 4 ? 4 : P / 2)>(left, V, work);
        if (V == 2)
            work(std::integral_constant<int, P>(), std::integral_constant<int, 2>());
        else
            work(std::integral_constant<int, P>(), std::integral_constant<int, 1>());
        return P;
    }

    // A convolution as plain sums over taps.
    struct Direct {
        int64_t row, column, out_stride, stride;        // output i is at row + i out_stride and reads around i stride
        std::vector<std::pair<int64_t, int64_t>> taps;  // offsets of the inputs
        int64_t ins, outs;
        std::vector<Vector> packed;  // [two vectors of outputs][tap][input][2]

        Direct(const Weights& w, int64_t row, int64_t column, int64_t out_stride, int64_t stride,
               const std::vector<std::pair<int64_t, int64_t>>& taps,
               const std::vector<std::pair<int64_t, int64_t>>& weight_taps)
            : row(row), column(column), out_stride(out_stride), stride(stride), taps(taps), ins(w.ins), outs(w.outs) {
            for (int64_t v = 0; v < vectors(outs); v += 2)
                for (const auto& tap : weight_taps)
                    for (int64_t in = 0; in < ins; in++)
                        for (int64_t u = v; u < std::min(v + 2, vectors(outs)); u++)
                            packed.push_back(w.vector(u * W, in, tap.first, tap.second));
        }

        // One instance for all numbers of rows keeps the code small.
        template <int V>
        __attribute__((noinline)) static void write(const Vector* sums, int64_t rows, const Epilogue& epilogue,
                                                    int64_t channel, T* const* to) {
            for (int64_t p = 0; p < rows; p++)
                for (int u = 0; u < V; u++) epilogue.write(sums[p * V + u], channel + u * W, to[p] + u * W);
        }

        void operator()(int64_t images, Images& in, const Epilogue& epilogue) const {
            Images& out = *epilogue.out;
            const int64_t rows = (out.height - row + out_stride - 1) / out_stride;
            const int64_t columns = (out.width - column + out_stride - 1) / out_stride;
            std::vector<int64_t> offsets;
            for (const auto& tap : taps) offsets.push_back((tap.first * in.padded_width + tap.second) * in.channels);
            const T* weights = reinterpret_cast<const T*>(packed.data());
            for (int64_t v = 0; v < vectors(outs); v += 2) {
                const int64_t V = std::min<int64_t>(2, vectors(outs) - v);
                for (int64_t first = 0; first < images * rows * columns;)
                    first += dispatch(images * rows * columns - first, V, [&](auto P, auto V) {
                        const T *from[P], *shifted[P], *w = weights;
                        T* to[P];
                        for (int p = 0; p < P; p++) {
                            const int64_t x = (first + p) % columns, y = (first + p) / columns % rows;
                            const int64_t image = (first + p) / columns / rows;
                            from[p] = in.at(image, y * stride, x * stride);
                            to[p] = out.at(image, row + y * out_stride, column + x * out_stride) + v * W;
                        }
                        Vector sums[P][V] = {};
                        for (const int64_t offset : offsets) {
                            for (int p = 0; p < P; p++) shifted[p] = from[p] + offset;
                            w = accumulate<P, V>(shifted, ins, w, sums);
                        }
                        write<V>(&sums[0][0], P, epilogue, v * W, to);
                    });
                weights += offsets.size() * ins * V * W;
            }
        }
    };

    // Memory that is reused.
    struct Scratch {
        std::vector<Vector> vectors;

        Vector* resize(size_t size) {
            if (vectors.size() < size) vectors.resize(size);
            return vectors.data();
        }
    };

    // F(4x4, 3x3): tiles of 6x6 inputs with stride 4.
    struct Winograd {
        int64_t ins, outs;
        std::vector<Vector> packed;  // [two vectors of outputs][36][input][2]

        // Polynomials are evaluated at 0, A, -A, B, -B and infinity. With A B = 1 the rounding error is 1.5 times that
        // of plain sums; with the published points 1 and 2 it is more than three times.
        static constexpr T A = T(2) / 3, B = T(3) / 2, AA = A * A, BB = B * B;

        explicit Winograd(const Weights& w) : ins(w.ins), outs(w.outs), packed(36 * w.ins * vectors(w.outs)) {
            Vector* start = packed.data();
            for (int64_t v = 0; v < vectors(outs); v += 2) {
                const int64_t V = std::min<int64_t>(2, vectors(outs) - v);
                for (int64_t in = 0; in < ins; in++)
                    for (int64_t u = 0; u < V; u++) {
                        Vector g[9], half[18];
                        for (int64_t k = 0; k < 9; k++) g[k] = w.vector((v + u) * W, in, k / 3, k % 3);
                        for (int64_t k = 0; k < 3; k++) transform_weights(g + k, 3, half + k, 3);
                        for (int64_t k = 0; k < 6; k++)
                            transform_weights(half + 3 * k, 1, start + (6 * k * ins + in) * V + u, ins * V);
                    }
                start += 36 * ins * V;
            }
        }

        static void transform_weights(const Vector* g, int64_t step, Vector* out, int64_t to) {
            const Vector a = g[0], b = g[step], c = g[2 * step];
            const Vector even_a = (a + AA * c) / (2 * AA * (AA - BB)), odd_a = b / (2 * A * (AA - BB));
            const Vector even_b = (a + BB * c) / (2 * BB * (BB - AA)), odd_b = b / (2 * B * (BB - AA));
            out[0] = a;
            out[to] = even_a + odd_a;
            out[2 * to] = even_a - odd_a;
            out[3 * to] = even_b + odd_b;
            out[4 * to] = even_b - odd_b;
            out[5 * to] = c;
        }

        static void transform_inputs(const Vector* d, int64_t step, Vector* out, int64_t to) {
            const Vector a = d[0], b = d[step], c = d[2 * step], e = d[3 * step], f = d[4 * step], g = d[5 * step];
            const Vector even_a = f - BB * c, odd_a = A * e - B * b, even_b = f - AA * c, odd_b = B * e - A * b;
            out[0] = a - (AA + BB) * c + f;
            out[to] = even_a + odd_a;
            out[2 * to] = even_a - odd_a;
            out[3 * to] = even_b + odd_b;
            out[4 * to] = even_b - odd_b;
            out[5 * to] = b - (AA + BB) * e + g;
        }

        static void transform_products(const Vector* m, int64_t step, Vector* out, int64_t to) {
            const Vector even_a = m[step] + m[2 * step], odd_a = m[step] - m[2 * step];
            const Vector even_b = m[3 * step] + m[4 * step], odd_b = m[3 * step] - m[4 * step];
            out[0] = m[0] + even_a + even_b;
            out[to] = A * odd_a + B * odd_b;
            out[2 * to] = AA * even_a + BB * even_b;
            out[3 * to] = A * AA * odd_a + B * BB * odd_b + m[5 * step];
        }

        void operator()(int64_t images, Images& in, const Epilogue& epilogue, Scratch& scratch) const {
            Images& out = *epilogue.out;
            const int64_t columns = (out.width + 3) / 4, rows = (out.height + 3) / 4, tiles = images * columns * rows;
            const int64_t width = vectors(ins);
            const int64_t limit = std::max<int64_t>(1, CACHE / int64_t(36 * width * sizeof(Vector)) / ROWS) * ROWS;
            const int64_t batch = std::min(tiles, limit);
            const int64_t stride =
                batch * width + 64 / sizeof(Vector);  // no power of two, which would alias in the cache
            Vector *const inputs = scratch.resize(36 * stride + batch * 72), *const products = inputs + 36 * stride;
            for (int64_t first = 0; first < tiles; first += batch) {
                const int64_t count = std::min(batch, tiles - first);
                for (int64_t t = 0; t < count; t++) {
                    const int64_t x = (first + t) % columns, y = (first + t) / columns % rows;
                    const T* corner = in.at((first + t) / columns / rows, 4 * y - 1, 4 * x - 1);
                    for (int64_t c = 0; c < width; c++) {
                        Vector d[36], first_pass[36];
                        for (int64_t i = 0; i < 36; i++)
                            d[i] = load(corner + (i / 6 * in.padded_width + i % 6) * in.channels + c * W);
                        for (int64_t j = 0; j < 6; j++) transform_inputs(d + j, 6, first_pass + j, 6);
                        for (int64_t i = 0; i < 6; i++)
                            transform_inputs(first_pass + 6 * i, 1, inputs + 6 * i * stride + t * width + c, stride);
                    }
                }
                const T* weights = reinterpret_cast<const T*>(packed.data());
                for (int64_t v = 0; v < vectors(outs); v += 2) {
                    const int64_t V = std::min<int64_t>(2, vectors(outs) - v);
                    for (int64_t k = 0; k < 36; k++, weights += ins * V * W)
                        for (int64_t t = 0; t < count;)
                            t += dispatch(count - t, V, [&](auto P, auto V) {
                                const T* from[P];
                                for (int p = 0; p < P; p++)
                                    from[p] = reinterpret_cast<const T*>(inputs + k * stride + (t + p) * width);
                                Vector sums[P][V] = {};
                                accumulate<P, V>(from, ins, weights, sums);
                                for (int p = 0; p < P; p++)
                                    for (int u = 0; u < V; u++) products[((t + p) * 36 + k) * V + u] = sums[p][u];
                            });
                    for (int64_t t = 0; t < count; t++) {
                        const int64_t x = (first + t) % columns * 4, y = (first + t) / columns % rows * 4;
                        const int64_t image = (first + t) / columns / rows;
                        for (int u = 0; u < V; u++) {
                            const Vector* m = products + t * 36 * V + u;
                            Vector first_pass[24], outputs[16];
                            for (int64_t j = 0; j < 6; j++) transform_products(m + j * V, 6 * V, first_pass + j, 6);
                            for (int64_t i = 0; i < 4; i++)
                                transform_products(first_pass + 6 * i, 1, outputs + 4 * i, 1);
                            for (int64_t i = 0; i < 4 && y + i < out.height; i++)
                                for (int64_t j = 0; j < 4 && x + j < out.width; j++)
                                    epilogue.write(outputs[4 * i + j], (v + u) * W,
                                                   out.at(image, y + i, x + j) + (v + u) * W);
                        }
                    }
                }
            }
        }
    };

    // A convolution, forward and backward, for images of one size.
    struct Convolution {
        Shape shape;
        std::vector<Vector> bias;
        std::vector<Direct> forward_direct, backward_direct;
        std::vector<Winograd> forward_winograd, backward_winograd;

        // `height` and `width` are those of the input.
        Convolution(const Shape& shape, const T* w, const T* b, int64_t height, int64_t width)
            : shape(shape), bias(vectors(shape.out)) {
            const int64_t in = shape.in, out = shape.out, size = shape.size, stride = shape.stride, padding = size / 2;
            for (int64_t i = 0; b && i < out; i++) bias[i / W][i % W] = b[i];
            const int64_t out_stride = in * size * size, in_stride = size * size;
            const Weights forward{w, out, in, out_stride, in_stride, size, 1},
                backward{w, in, out, in_stride, out_stride, size, 1};
            const int64_t tiles = (height + 3) / 4 * ((width + 3) / 4);
            if (size == 3 && stride == 1 && std::min(in, out) >= 8 && 6 * tiles <= height * width) {
                forward_winograd.emplace_back(forward);
                backward_winograd.emplace_back(Weights{w + 8, in, out, in_stride, out_stride, -3, -1});
                return;
            }
            std::vector<std::pair<int64_t, int64_t>> taps, weight_taps;
            for (int64_t y = 0; y < size; y++)
                for (int64_t x = 0; x < size; x++) {
                    weight_taps.push_back({y, x});
                    taps.push_back({y - padding, x - padding});
                }
            forward_direct.emplace_back(forward, 0, 0, 1, stride, taps, weight_taps);
            // Backward, each pixel of a stride x stride square has its own weights.
            for (int64_t row = 0; row < std::min(stride, height); row++)
                for (int64_t column = 0; column < std::min(stride, width); column++) {
                    taps.clear(), weight_taps.clear();
                    for (int64_t y = 0; y < size; y++)
                        for (int64_t x = 0; x < size; x++)
                            if ((row + padding - y) % stride == 0 && (column + padding - x) % stride == 0) {
                                weight_taps.push_back({y, x});
                                taps.push_back({(row + padding - y) / stride, (column + padding - x) / stride});
                            }
                    backward_direct.emplace_back(backward, row, column, stride, 1, taps, weight_taps);
                }
        }

        void forward(int64_t images, Images& from, Epilogue epilogue, Scratch& scratch) const {
            epilogue.bias = reinterpret_cast<const T*>(bias.data());
            for (const auto& one : forward_winograd) one(images, from, epilogue, scratch);
            for (const auto& one : forward_direct) one(images, from, epilogue);
        }

        void backward(int64_t images, Images& from, const Epilogue& epilogue, Scratch& scratch) const {
            for (const auto& one : backward_winograd) one(images, from, epilogue, scratch);
            for (const auto& one : backward_direct) one(images, from, epilogue);
        }
    };

    // One convolution, or a residual block of two convolutions with an optional third as its shortcut.
    struct Step {
        std::vector<Convolution> convolutions;
        std::unique_ptr<Images> first, second;  // outputs of the block's activations
        Images *from, *to;

        bool is_block() const { return convolutions.size() > 1; }
    };

    struct Network {
        int64_t steps;
        const int64_t* sizes;  // convolutions of each step: 1, 2 or 3
        const Shape* shapes;
        const T *const *weights, *const *biases;
        double slope;
        int64_t outputs;
        const T *last, *last_bias;  // linear layer after the mean over all pixels
    };

    // Images [image][channel][row][column] with arbitrary strides.
    struct Pixels {
        T* from;
        const int64_t* strides;

        T& operator()(int64_t image, int64_t channel, int64_t y, int64_t x) const {
            return from[image * strides[0] + channel * strides[1] + y * strides[2] + x * strides[3]];
        }
    };

    // Computes the logits f at x, and the gradient of logsumexp f, or of f[classes] if classes are given.
    static void value_and_grad(const Network& net, int64_t N, int64_t height, int64_t width, const Pixels& x,
                               const int64_t* classes, T* logits, const Pixels& gradient) {
        const int64_t batch = std::min(N, BATCH), K = net.outputs;
        const T slope = T(net.slope);
        std::vector<std::unique_ptr<Images>> images;
        const auto make = [&](int64_t h, int64_t w, int64_t channels) {
            return std::make_unique<Images>(batch, h, w, channels);
        };
        images.push_back(make(height, width, net.shapes[0].in));
        std::vector<Step> steps(net.steps);
        int64_t count = 0, channels = net.shapes[0].in;
        for (int64_t s = 0; s < net.steps; s++) {
            Step& step = steps[s];
            step.from = images.back().get();
            const int64_t h = step.from->height, w = step.from->width;
            int64_t out_height = h, out_width = w;
            for (int64_t i = 0; i < net.sizes[s]; i++, count++) {
                const Shape& shape = net.shapes[count];
                if (i == 2) out_height = h, out_width = w;
                step.convolutions.emplace_back(shape, net.weights[count], net.biases[count], out_height, out_width);
                if (i == 0 && net.sizes[s] > 1) step.first = make(h, w, shape.in);
                out_height = (out_height - 1) / shape.stride + 1, out_width = (out_width - 1) / shape.stride + 1;
                if (i == 0 && net.sizes[s] > 1) step.second = make(out_height, out_width, shape.out);
                channels = shape.out;
            }
            if (net.sizes[s] != 2) images.push_back(make(out_height, out_width, channels));
            step.to = images.back().get();
        }
        Images &start = *images.front(), &end = *images.back();
        const int64_t inputs = net.shapes[0].in;
        const T pixel_weight = T(1) / T(end.height * end.width);
        Scratch scratch;
        std::vector<T> features(channels), feature_gradient(channels), weights(K);
        for (int64_t n = 0; n < N; n += batch) {
            const int64_t batch_size = std::min(batch, N - n);
            for (int64_t i = 0; i < batch_size; i++)
                for (int64_t c = 0; c < inputs; c++)
                    for (int64_t y = 0; y < height; y++)
                        for (int64_t z = 0; z < width; z++) start.at(i, y, z)[c] = x(n + i, c, y, z);
            for (int64_t s = 0; s < net.steps; s++) {
                Step& step = steps[s];
                Epilogue epilogue{slope, step.to};
                if (s + 1 < net.steps) epilogue.copy = steps[s + 1].first.get();
                if (step.is_block()) {
                    Epilogue inner{slope, step.second.get()};
                    inner.activate = epilogue.add = true;
                    step.convolutions[0].forward(batch_size, *step.first, inner, scratch);
                    if (step.convolutions.size() > 2)
                        step.convolutions[2].forward(batch_size, *step.from, {slope, step.to}, scratch);
                    step.convolutions[1].forward(batch_size, *step.second, epilogue, scratch);
                } else {
                    step.convolutions[0].forward(batch_size, *step.from, epilogue, scratch);
                }
            }
            for (int64_t i = 0; i < batch_size; i++) {
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
                    f[k] = sum * pixel_weight + (net.last_bias ? net.last_bias[k] : T(0));
                }
                const T max = *std::max_element(f, f + K);
                T sum = 0;
                for (int64_t k = 0; k < K; k++) sum += weights[k] = std::exp(f[k] - max);
                for (int64_t k = 0; k < K; k++) weights[k] = classes ? T(k == classes[n + i]) : weights[k] / sum;
                for (int64_t c = 0; c < channels; c++) {
                    feature_gradient[c] = 0;
                    for (int64_t k = 0; k < K; k++) feature_gradient[c] += weights[k] * net.last[k * channels + c];
                    feature_gradient[c] *= pixel_weight;
                }
                for (int64_t y = 0; y < end.height; y++)
                    for (int64_t z = 0; z < end.width; z++) {
                        T* h = end.at(i, y, z);
                        for (int64_t c = 0; c < channels; c++)
                            h[c] = h[c] > 0 ? feature_gradient[c] : feature_gradient[c] * slope;
                    }
            }
            // Gradients overwrite the values that they belong to; only the activations' outputs are read again.
            for (int64_t s = net.steps - 1; s >= 0; s--) {
                Step& step = steps[s];
                Epilogue epilogue{slope, step.from};
                if (!step.is_block()) {
                    step.convolutions[0].backward(batch_size, *step.to, epilogue, scratch);
                    continue;
                }
                Epilogue inner{slope, step.second.get()};
                inner.gate = step.second.get();
                step.convolutions[1].backward(batch_size, *step.to, inner, scratch);
                if (step.convolutions.size() > 2)
                    step.convolutions[2].backward(batch_size, *step.to, epilogue, scratch);
                epilogue.gate = step.first.get();
                epilogue.add = true;
                step.convolutions[0].backward(batch_size, *step.second, epilogue, scratch);
            }
            for (int64_t i = 0; i < batch_size; i++)
                for (int64_t c = 0; c < inputs; c++)
                    for (int64_t y = 0; y < height; y++)
                        for (int64_t z = 0; z < width; z++) gradient(n + i, c, y, z) = start.at(i, y, z)[c];
        }
    }
};

typedef NUMBER F;
typedef F::T T;

extern "C" void wideresnet_value_and_grad(int64_t steps, const int64_t* sizes, const Shape* shapes,
                                          const T* const* weights, const T* const* biases, double slope,
                                          int64_t outputs, const T* last, const T* last_bias, int64_t N, int64_t height,
                                          int64_t width, T* x, const int64_t* x_strides, const int64_t* classes,
                                          T* logits, T* gradient, const int64_t* gradient_strides) {
    WideResNet<F>::value_and_grad({steps, sizes, shapes, weights, biases, slope, outputs, last, last_bias}, N, height,
                                  width, {x, x_strides}, classes, logits, {gradient, gradient_strides});
}
