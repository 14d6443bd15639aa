// Stands in for zlib in Verilator's FST writer, so that waveforms need no more than a compiler: a valid zlib stream of stored blocks (RFC 1950, 1951).
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>

using uLong = unsigned long;
using uLongf = uLong;
using Bytef = unsigned char;
constexpr int Z_OK = 0;
constexpr int Z_BUF_ERROR = -5;

inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

inline int compress2(Bytef* target, uLongf* target_size, const Bytef* source, uLong size, int /* level */) {
    if (*target_size < compressBound(size)) return Z_BUF_ERROR;
    Bytef* out = target;
    uint32_t a = 1, b = 0;  // Adler-32
    for (uLong i = 0; i < size; i++) {
        a = (a + source[i]) % 65521;
        b = (b + a) % 65521;
    }
    *out++ = 0x78;
    *out++ = 0x01;
    uLong left = size;
    do {
        const uLong part = left < 65535 ? left : 65535;
        *out++ = part == left;  // the last block
        *out++ = static_cast<Bytef>(part);
        *out++ = static_cast<Bytef>(part >> 8);
        *out++ = static_cast<Bytef>(~part);
        *out++ = static_cast<Bytef>(~part >> 8);
        std::memcpy(out, source + (size - left), part);
        out += part;
        left -= part;
    } while (left > 0);
    for (const uint32_t word : {b, a}) {
        *out++ = static_cast<Bytef>(word >> 8);
        *out++ = static_cast<Bytef>(word);
    }
    *target_size = static_cast<uLongf>(out - target);
    return Z_OK;
}
