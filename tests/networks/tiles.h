// The tiles of AMX by hand, as Intel's manual has them (TDPBF16PS and its company), for processors that have none.

#pragma once

#include <cstdint>
#include <cstring>

struct Tile {
    uint8_t row[16][64];
};
inline Tile tile_registers[8];
inline bool tiles_configured = false;

inline bool tiles_are_lent() { return true; }

inline void _tile_loadconfig(const void* config) {
    const uint8_t* bytes = static_cast<const uint8_t*>(config);
    uint16_t wide[16];
    std::memcpy(wide, bytes + 16, sizeof wide);
    tiles_configured = bytes[0] == 1;
    for (int i = 0; i < 16; i++) {  // eight tiles; all else is to be zero
        tiles_configured = tiles_configured && wide[i] == (i < 8 ? 64 : 0) && bytes[48 + i] == (i < 8 ? 16 : 0);
        if (i) tiles_configured = tiles_configured && bytes[i] == 0;
    }
}

inline void _tile_release() { tiles_configured = false; }

inline Tile& tile_register(int i) {
    if (!tiles_configured) __builtin_trap();
    return tile_registers[i];
}

inline void _tile_zero(int i) { tile_register(i) = Tile{}; }

inline void _tile_loadd(int i, const void* from, int64_t stride) {
    for (int r = 0; r < 16; r++) std::memcpy(tile_register(i).row[r], static_cast<const char*>(from) + r * stride, 64);
}

inline void _tile_stored(int i, void* to, int64_t stride) {
    for (int r = 0; r < 16; r++) std::memcpy(static_cast<char*>(to) + r * stride, tile_register(i).row[r], 64);
}

inline float upper_half(uint16_t bits) {
    const uint32_t word = uint32_t(bits) << 16;
    float number;
    std::memcpy(&number, &word, 4);
    return number;
}

// to (16, 16 floats) += one (16, 16 pairs) x two (16 pairs, 16 columns)
inline void _tile_dpbf16ps(int to, int one, int two) {
    const Tile &a = tile_register(one), &b = tile_register(two);
    Tile& c = tile_register(to);
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++) {
                float sum;
                uint16_t left[2], right[2];
                std::memcpy(&sum, c.row[m] + 4 * n, 4);
                std::memcpy(left, a.row[m] + 4 * k, 4);
                std::memcpy(right, b.row[k] + 4 * n, 4);
                for (int i = 0; i < 2; i++) sum += upper_half(left[i]) * upper_half(right[i]);
                std::memcpy(c.row[m] + 4 * n, &sum, 4);
            }
}
