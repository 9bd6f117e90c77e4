// Products in bfloat16 by the tiles of AMX: eight bits of every number, sums in float32. Two inputs of a row stand side
// by side in 32 bits, as tiles have them, the even one below.

#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "../lanes.h"
#include "norms.h"
#include "stack.h"

#ifdef TILES  // a test's own
#include TILES
#elif defined(__AMX_BF16__) && defined(__AVX512BF16__)
#define TILES
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux lends tiles to a process that asks.
inline bool tiles_are_lent() {
    constexpr long REQUEST = 0x1023, TILE_DATA = 18;
    static const bool lent = syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
    return lent;
}
#endif

#ifdef TILES
static_assert(BYTES == 64, "AMX comes with AVX-512");
typedef uint32_t Words __attribute__((vector_size(BYTES)));

// Two numbers each, to the nearest with eight bits, ties to even.
inline Words paired(Floats even, Floats odd) {
#ifdef __AVX512BF16__
    typedef uint16_t Halves __attribute__((vector_size(BYTES)));
    const Halves order = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                          8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    return (Words)_mm512_permutexvar_epi16((__m512i)order, halves);
#else
    const auto upper = [](Floats x) {
        const Words bits = (Words)x, number = (Words)(x == x);
        return ((bits + 0x7fff + (bits >> 16 & 1)) & number) | (0x7fc00000u & ~number);
    };
    return upper(even) >> 16 | (upper(odd) & 0xffff0000u);
#endif
}

inline Floats evens(Words pairs) { return (Floats)(pairs << 16); }
inline Floats odds(Words pairs) { return (Floats)(pairs & 0xffff0000u); }

// What waits for the next layer is kept in eight bits too: half the way to memory.
class HalfProducts {
    static constexpr int64_t FEATURES = 16, PAIRS = 16;  // of outputs and of inputs, that a tile multiplies

    // Weights stand as tiles, in the order that they are asked for: for two tiles of outputs, or the last, all of inputs.
    struct Layer {
        int64_t inputs, outputs, deep, wide;  // the latter in tiles
        std::vector<Words> weights;

        // The row of output j's weights for a tile of inputs.
        int64_t row(int64_t j, int64_t k) const {
            const int64_t tile = j / FEATURES, together = tile / 2 * 2 + 1 < wide ? 2 : 1;
            return (tile / 2 * 2 * deep + k * together + tile % 2) * FEATURES + j % FEATURES;
        }
    };

    std::vector<Layer> layers;
    const Activation act;
    Words* room;
    int64_t apart;
    struct Place {
        std::vector<Floats> input, sums;
        std::vector<Words> pairs;  // of the input, in tiles: [tile][2][pair]
    } places[2];
    bool turned = false;

    static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

    static uint16_t upper(float x) {
        uint32_t bits;
        std::memcpy(&bits, &x, sizeof bits);
        return x == x ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : 0x7fc0;
    }

    // All that was written is in memory: gcc does not tell its optimiser what tiles are loaded from.
    static void settle(const void* place) { __asm__ volatile("" ::"r"(place) : "memory"); }

    // Tiles are 16 rows of 64 bytes: of outputs by inputs, of pairs by rows, of outputs by rows. There and back again,
    // since weights do not all stay near.
    void multiply(const Layer& layer, const Words* input, Floats* out) {
        settle(input);
        turned = !turned;
        for (int64_t i = 0; i < (layer.wide + 1) / 2; i++) {
            const int64_t j = 2 * (turned ? i : (layer.wide - 1) / 2 - i);
            const bool both = j + 1 < layer.wide;
            const Words* weights = &layer.weights[layer.row(j * FEATURES, 0)];
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t k = 0; k < layer.deep; k++) {
                _tile_loadd(6, input + 2 * k * PAIRS, BYTES);
                _tile_loadd(7, input + (2 * k + 1) * PAIRS, BYTES);
                _tile_loadd(4, weights, BYTES);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                weights += FEATURES;
                if (!both) continue;
                _tile_loadd(5, weights, BYTES);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
                weights += FEATURES;
            }
            Floats* to = out + 2 * j * FEATURES;
            _tile_stored(0, to, 2 * BYTES);
            _tile_stored(1, to + 1, 2 * BYTES);
            if (!both) continue;
            _tile_stored(2, to + 2 * FEATURES, 2 * BYTES);
            _tile_stored(3, to + 2 * FEATURES + 1, 2 * BYTES);
        }
        settle(out);
    }

  public:
    HalfProducts(const Stack<Float32>& stack, float* room)
        : act(stack.act), room(reinterpret_cast<Words*>(room)), apart(2 * ((stack.widest() + 1) / 2)) {
        for (Place& place : places) {
            place.input.resize(2 * stack.widest() + 2);
            place.pairs.resize(2 * up((stack.widest() + 1) / 2, PAIRS));
            place.sums.resize(2 * up(stack.widest(), FEATURES));
        }
        for (int64_t l = 0; l < stack.layers; l++) {
            const int64_t K = stack.widths[l], J = stack.widths[l + 1];
            Layer layer{K, J, up((K + 1) / 2, PAIRS) / PAIRS, up(J, FEATURES) / FEATURES, {}};
            layer.weights.resize(layer.deep * layer.wide * FEATURES);
            for (int64_t j = 0; j < J; j++)
                for (int64_t k = 0; k < layer.deep; k++) {
                    const float* from = stack.weights[l] + j * K + 2 * PAIRS * k;
                    uint16_t row[2 * PAIRS] = {};
                    for (int64_t i = 0; i < std::min(2 * PAIRS, K - 2 * PAIRS * k); i++) row[i] = upper(from[i]);
                    std::memcpy(&layer.weights[layer.row(j, k)], row, sizeof row);
                }
            layers.push_back(std::move(layer));
        }
        struct alignas(64) {
            uint8_t palette = 1, start = 0, none[14] = {};
            uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
            uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
        } shapes;
        settle(&shapes);
        tiles_are_lent();
        _tile_loadconfig(&shapes);
    }

    HalfProducts(const HalfProducts&) = delete;

    ~HalfProducts() { _tile_release(); }

    // See Products; biases are left out. What has just been written, tiles wait for, and what reads them for what they
    // wrote: work on other blocks stands between.
    static constexpr int64_t LAG = 1;

    Floats* input(int64_t b) { return places[b % 2].input.data(); }

    void ready(int64_t b) {
        const Floats* in = places[b % 2].input.data();
        prepare(0, b, [&](int64_t k, int v) { return k < layers[0].inputs ? in[2 * k + v] : Floats{}; });
    }

    void ready(int64_t l, int64_t b, const Moments<Float32>& moments) {
        const Words* z = room + b * apart;
        prepare(l, b, [&](int64_t k, int v) {
            const Words pair = z[k / 2 * 2 + v];
            Floats y = (k % 2 ? odds(pair) : evens(pair)) * moments.scale[k] + moments.offset[k];
            act.apply<Float32>(1, &y);
            return y;
        });
    }

    const Floats* forth(int64_t l, int64_t b) {
        Place& place = places[b % 2];
        multiply(layers[l], place.pairs.data(), place.sums.data());
        return place.sums.data();
    }

    void wait(int64_t l, int64_t b) {
        const Floats* z = places[b % 2].sums.data();
        for (int64_t i = 0; i < (layers[l].outputs + 1) / 2 * 2; i++)
            room[b * apart + i] = paired(z[i / 2 * 4 + i % 2], z[i / 2 * 4 + i % 2 + 2]);
    }

  private:
    // A block's input k for each v of its two vectors of rows -> tiles of pairs.
    template <class Input>
    void prepare(int64_t l, int64_t b, const Input& input) {
        const int64_t pairs = (layers[l].inputs + 1) / 2;
        Words* to = places[b % 2].pairs.data();
        for (int64_t p = 0; p < layers[l].deep * PAIRS; p++)
            for (int v = 0; v < 2; v++)
                to[(2 * (p / PAIRS) + v) * PAIRS + p % PAIRS] =
                    p < pairs ? paired(input(2 * p, v), input(2 * p + 1, v)) : Words{};
    }
};
#endif
