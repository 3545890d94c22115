// SPDX-License-Identifier: Apache-2.0
// The two functions of liblz4 that Verilator's FST writer calls, so that waveforms need no package of the system.
// Writes the LZ4 block format (github.com/lz4/lz4, doc/lz4_Block_format.md): greedy, with the last position of each
// hash.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace fpq::lz4 {

constexpr int kShortest = 4;      // bytes of a match
constexpr int kLastLiterals = 5;  // at the end of a block
constexpr int kLastMatch = 12;    // from the start of the last match to the end
constexpr int kFarthest = 65535;
constexpr int kHashBits = 14;

inline uint32_t word_at(const char* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// What does not fit the token's four bits: bytes of 255, then the rest.
inline char* put_length(char* to, int length) {
  for (; length >= 255; length -= 255) *to++ = static_cast<char>(255);
  *to++ = static_cast<char>(length);
  return to;
}

// `count` literals, then a match of `length` bytes `distance` back; length 0: the block's end.
inline char* put_sequence(char* to, const char* literals, int count, int length, int distance) {
  char* token = to++;
  const int high = count < 15 ? count : 15;
  if (high == 15) to = put_length(to, count - 15);
  std::memcpy(to, literals, static_cast<size_t>(count));
  to += count;
  int low = 0;
  if (length != 0) {
    *to++ = static_cast<char>(distance & 0xff);
    *to++ = static_cast<char>(distance >> 8);
    low = length - kShortest < 15 ? length - kShortest : 15;
    if (low == 15) to = put_length(to, length - kShortest - 15);
  }
  *token = static_cast<char>(high << 4 | low);
  return to;
}

}  // namespace fpq::lz4

// The most bytes that `size` bytes may become.
inline int LZ4_compressBound(int size) {
  return size + size / 255 + 16;
}

// The bytes written, or 0 if `capacity` is below LZ4_compressBound.
inline int LZ4_compress_default(const char* source, char* target, int size, int capacity) {
  using namespace fpq::lz4;
  if (capacity < LZ4_compressBound(size)) return 0;
  std::vector<int> last(size_t{1} << kHashBits, -1);
  char* to = target;
  int start = 0;  // of the literals
  for (int at = 0; at + kLastMatch <= size;) {
    const uint32_t word = word_at(source + at);
    int& entry = last[word * 2654435761u >> (32 - kHashBits)];
    const int before = entry;
    entry = at;
    if (before < 0 || at - before > kFarthest || word_at(source + before) != word) {
      ++at;
      continue;
    }
    int length = kShortest;
    while (at + length < size - kLastLiterals && source[before + length] == source[at + length]) ++length;
    to = put_sequence(to, source + start, at - start, length, at - before);
    at += length;
    start = at;
  }
  return static_cast<int>(put_sequence(to, source + start, size - start, 0, 0) - target);
}
