// Products in bfloat16 by the tiles of AMX: eight bits of every number, sums in float32. Two inputs of a row stand side by
// side in 32 bits, as tiles have them: (pair, block), the even one below.

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

// What lies between layers is kept in eight bits too: half the way to memory, which is what these passes wait for.
class HalfProducts {
    static constexpr int64_t FEATURES = 16, PAIRS = 16;  // of outputs and of inputs, that a tile multiplies

    struct Layer {
        int64_t inputs, outputs, pairs, padded;  // pairs of inputs and outputs, both rounded up to whole tiles
        std::vector<uint16_t> weights;           // (padded, pairs, 2)
    };

    std::vector<Layer> layers;
    Words* room;
    int64_t apart;
    struct Place {
        std::vector<Floats> input, sums;
        std::vector<Words> pairs;  // of the input: [pair][2]
    } places[2];

    static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

    static uint16_t upper(float x) {
        uint32_t bits;
        std::memcpy(&bits, &x, sizeof bits);
        return x == x ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : 0x7fc0;
    }

    // All that was written is in memory: gcc does not tell its optimiser what tiles are loaded from.
    static void settle(const void* place) { __asm__ volatile("" ::"r"(place) : "memory"); }

    // Tiles are 16 rows of 64 bytes: of outputs by inputs, of pairs by rows, of outputs by rows.
    static void multiply(const Layer& layer, const Words* input, Floats* out) {
        settle(input);
        for (int64_t j = 0; j < layer.padded; j += 2 * FEATURES) {
            const bool both = j + FEATURES < layer.padded;
            const uint16_t *one = &layer.weights[2 * j * layer.pairs], *two = one + 2 * FEATURES * layer.pairs;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t k = 0; k < layer.pairs; k += PAIRS) {
                _tile_loadd(6, &input[2 * k], 2 * BYTES);
                _tile_loadd(7, &input[2 * k + 1], 2 * BYTES);
                _tile_loadd(4, one + 2 * k, 4 * layer.pairs);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                if (!both) continue;
                _tile_loadd(5, two + 2 * k, 4 * layer.pairs);
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
        settle(out);
    }

  public:
    HalfProducts(const Stack<Float32>& stack, float* room)
        : room(reinterpret_cast<Words*>(room)), apart(2 * ((stack.widest() + 1) / 2)) {
        for (Place& place : places) {
            place.input.resize(2 * stack.widest() + 2);
            place.pairs.resize(2 * up((stack.widest() + 1) / 2, PAIRS));
            place.sums.resize(2 * up(stack.widest(), FEATURES));
        }
        for (int64_t l = 0; l < stack.layers; l++) {
            const int64_t K = stack.widths[l], J = stack.widths[l + 1];
            Layer layer{K, J, up((K + 1) / 2, PAIRS), up(J, FEATURES), {}};
            layer.weights.resize(2 * layer.padded * layer.pairs);
            for (int64_t j = 0; j < J; j++)
                for (int64_t k = 0; k < K; k++)
                    layer.weights[2 * j * layer.pairs + k] = upper(stack.weights[l][j * K + k]);
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

    // See Products; biases are left out.
    Floats* input(int place) { return places[place].input.data(); }

    void ready(int64_t l, int place) {
        const Layer& layer = layers[l];
        const Floats* in = places[place].input.data();
        Words* to = places[place].pairs.data();
        for (int64_t i = 0; i < 2 * layer.pairs; i++) {
            const int64_t even = i / 2 * 4 + i % 2, odd = even + 2;  // two vectors of rows a feature
            to[i] = paired(even < 2 * layer.inputs ? in[even] : Floats{}, odd < 2 * layer.inputs ? in[odd] : Floats{});
        }
    }

    const Floats* forth(int64_t l, int64_t, int place) {
        multiply(layers[l], places[place].pairs.data(), places[place].sums.data());
        return places[place].sums.data();
    }

    void wait(int64_t l, int64_t b, int place) {
        const Floats* z = places[place].sums.data();
        for (int64_t i = 0; i < (layers[l].outputs + 1) / 2 * 2; i++)
            room[b * apart + i] = paired(z[i / 2 * 4 + i % 2], z[i / 2 * 4 + i % 2 + 2]);
    }

    void normalised(int64_t l, int64_t b, const Moments<Float32>& moments, Floats* block) const {
        const Words* z = room + b * apart;
        for (int64_t j = 0; j < layers[l].inputs; j += 2)
            for (int v = 0; v < 2; v++) {
                block[2 * j + v] = evens(z[j + v]) * moments.scale[j] + moments.offset[j];
                block[2 * j + 2 + v] = odds(z[j + v]) * moments.scale[j + 1] + moments.offset[j + 1];
            }
    }
};
#endif
