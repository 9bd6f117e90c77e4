// Products in bfloat16: eight bits of every number, sums in float32. Two inputs of a row stand side by side in 32 bits, as
// the processors have it that multiply such pairs; others do it by hand, for which nobody would ask but a test.

#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "../lanes.h"
#include "stack.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif
#ifdef TILES  // a test's own
#include TILES
#elif defined(__AMX_BF16__)
#define TILES
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux lends the tiles of AMX to a process that asks.
inline bool tiles_are_lent() {
    constexpr long REQUEST = 0x1023, TILE_DATA = 18;
    static const bool lent = syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
    return lent;
}
#endif

typedef uint32_t Words __attribute__((vector_size(BYTES)));

// Numbers to the nearest with eight bits, ties to even, in the upper half of 32.
template <class Numbers, class Bits>
Bits rounded(Numbers x) {
    Bits bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits + 0x7fff + (bits >> 16 & 1);
}

class HalfProducts {
    static constexpr int64_t FEATURES = 16, PAIRS = 16;  // of outputs and of inputs, that a tile of AMX multiplies

    struct Layer {
        int64_t inputs, outputs, pairs, padded;  // pairs of inputs and outputs, both rounded up to whole tiles
        std::vector<uint32_t> weights;           // (padded, pairs)
    };

    std::vector<Layer> layers;
    std::vector<Words> input;  // [pair][2], as a block is

    static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

    static uint32_t bits(float x) { return x == x ? rounded<float, uint32_t>(x) : 0x7fc00000u; }

    static Words bits(Floats x) {
        const Words number = (Words)(x == x), found = rounded<Floats, Words>(x);
        return (found & number) | (0x7fc00000u & ~number);
    }

    static Floats pairs(Floats sum, Words in, uint32_t weight) {
#ifdef __AVX512BF16__
        return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)in, (__m512bh)_mm512_set1_epi32(int(weight)));
#else
        const uint32_t low = weight << 16, high = weight & 0xffff0000u;
        float one, two;
        std::memcpy(&one, &low, 4);
        std::memcpy(&two, &high, 4);
        return sum + (Floats)(in << 16) * one + (Floats)(in & 0xffff0000u) * two;
#endif
    }

    template <int J>
    void tile(const Layer& layer, int64_t j, Floats* out) const {
        Floats sum[J][2] = {};
        const uint32_t* w = &layer.weights[j * layer.pairs];
        for (int64_t k = 0; k < (layer.inputs + 1) / 2; k++)
            for (int i = 0; i < J; i++)
                for (int v = 0; v < 2; v++) sum[i][v] = pairs(sum[i][v], input[2 * k + v], w[i * layer.pairs + k]);
        for (int i = 0; i < J; i++)
            for (int v = 0; v < 2; v++) out[2 * (j + i) + v] = sum[i][v];
    }

#ifdef TILES
    // All that was written is in memory: gcc does not tell its optimiser what tiles are loaded from.
    static void settle(const void* place) { __asm__ volatile("" ::"r"(place) : "memory"); }

    // Tiles are 16 rows of 64 bytes: of outputs by inputs, of pairs by rows, of outputs by rows.
    void tiles(const Layer& layer, Floats* out) const {
        static_assert(BYTES == 64, "AMX comes with AVX-512");
        settle(input.data());
        for (int64_t j = 0; j < layer.padded; j += 2 * FEATURES) {
            const bool both = j + FEATURES < layer.padded;
            const uint32_t *one = &layer.weights[j * layer.pairs], *two = one + FEATURES * layer.pairs;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t k = 0; k < layer.pairs; k += PAIRS) {
                _tile_loadd(6, &input[2 * k], 2 * BYTES);
                _tile_loadd(7, &input[2 * k + 1], 2 * BYTES);
                _tile_loadd(4, one + k, 4 * layer.pairs);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                if (!both) continue;
                _tile_loadd(5, two + k, 4 * layer.pairs);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            Floats* to = out + 2 * j;
            _tile_stored(0, to, 2 * BYTES);
            _tile_stored(1, to + 1, 2 * BYTES);
            if (!both) continue;
            _tile_stored(2, to + 2 * FEATURES, 2 * BYTES);
            _tile_stored(3, to + 2 * FEATURES + 1, 2 * BYTES);
        }
    }

    const bool in_tiles = tiles_are_lent();
#endif

  public:
    static constexpr int64_t MORE = FEATURES - 1;  // outputs that may be written behind a layer's own

    explicit HalfProducts(const Stack<Float32>& stack) : input(2 * up((stack.widest() + 1) / 2, PAIRS)) {
        for (int64_t l = 0; l < stack.layers; l++) {
            const int64_t K = stack.widths[l], J = stack.widths[l + 1];
            Layer layer{K, J, up((K + 1) / 2, PAIRS), up(J, FEATURES), {}};
            layer.weights.resize(layer.padded * layer.pairs);
            for (int64_t j = 0; j < J; j++)
                for (int64_t k = 0; k < K; k++)
                    layer.weights[j * layer.pairs + k / 2] |= bits(stack.weights[l][j * K + k]) >> 16 << 16 * (k % 2);
            layers.push_back(std::move(layer));
        }
#ifdef TILES
        struct alignas(64) {
            uint8_t palette = 1, start = 0, none[14] = {};
            uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
            uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
        } shapes;
        settle(&shapes);
        if (in_tiles) _tile_loadconfig(&shapes);
#endif
    }

    HalfProducts(const HalfProducts&) = delete;

    ~HalfProducts() {
#ifdef TILES
        if (in_tiles) _tile_release();
#endif
    }

    // As Stack's `forth`; there are no biases.
    void forth(int64_t l, const Floats* in, Floats* out) {
        const Layer& layer = layers[l];
        for (int64_t k = 0; k < 2 * layer.pairs; k += 2)
            for (int v = 0; v < 2; v++) {
                const Words even = k < layer.inputs ? bits(in[2 * k + v]) >> 16 : Words{};
                const Words odd = k + 1 < layer.inputs ? bits(in[2 * k + 2 + v]) & 0xffff0000u : Words{};
                input[k + v] = even | odd;
            }
#ifdef TILES
        if (in_tiles) return tiles(layer, out);
#endif
        int64_t j = 0;
        for (; j + 6 <= layer.outputs; j += 6) tile<6>(layer, j, out);
        for (; j < layer.outputs; j++) tile<1>(layer, j, out);
    }
};
