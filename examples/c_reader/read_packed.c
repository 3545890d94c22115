/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads one row of a linear layer's weights from a packed model, in plain C99 without a library.
 *
 *     cc -std=c99 -o read_packed read_packed.c -lm
 *     ./read_packed model.safetensors 0.fc1 e2m1 128 5
 *
 * prints the K weights of output channel 5 of layer "0.fc1", one a line. Format and group are in manifest.json. How
 * codes lie in bytes is drawn in docs/packing.md, what they mean stands in docs/contract.md section 1.1. The file is
 * safetensors: 8 bytes of header length, little-endian; a JSON header; data. */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER ((uint64_t)100 << 20) /* what the safetensors library accepts */

static void fail(const char* what, const char* value) {
  fprintf(stderr, "read_packed: %s: %s\n", what, value);
  exit(1);
}

static uint64_t little_endian(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static double half_value(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
  return half >> 15 ? -size : size;
}

/* A format of weights: sign and magnitude with an exponent and a mantissa field, or (exponent_bits 0) two's complement.
 */
struct format {
  const char* name;
  int bits, exponent_bits, mantissa_bits, bias;
};

static const struct format formats[] = {
    {"e2m1", 4, 2, 1, 1}, {"e1m2", 4, 1, 2, 1}, {"e3m0", 4, 3, 0, 3}, {"e2m3", 6, 2, 3, 1},
    {"e3m2", 6, 3, 2, 3}, {"int4", 4, 0, 0, 0}, {"int6", 6, 0, 0, 0}, {"int8", 8, 0, 0, 0},
};

static double code_value(const struct format* format, unsigned code) {
  const unsigned sign = code >> (format->bits - 1);
  if (format->exponent_bits == 0) return (double)code - (sign ? ldexp(1, format->bits) : 0);
  const int exponent = (int)(code >> format->mantissa_bits) & ((1 << format->exponent_bits) - 1);
  const int mantissa = (int)code & ((1 << format->mantissa_bits) - 1);
  const int significand = exponent == 0 ? mantissa : mantissa + (1 << format->mantissa_bits);
  const double size = ldexp(significand, (exponent == 0 ? 1 : exponent) - format->bias - format->mantissa_bits);
  return sign ? -size : size;
}

/* Code i of a packed row: bits [i * bits, (i + 1) * bits) of the row as one little-endian integer. */
static unsigned code_at(const uint8_t* row, uint64_t i, int bits) {
  const uint64_t first = i * (uint64_t)bits;
  const int shift = (int)(first % 8);
  unsigned two = row[first / 8];
  if (shift + bits > 8) two |= (unsigned)row[first / 8 + 1] << 8; /* never reads beyond the row */
  return two >> shift & ((1u << bits) - 1);
}

struct tensor {
  uint64_t rows, columns; /* columns of the second dimension, 1 if there is none */
  uint8_t* data;
};

/* The header is one flat object of objects, so that looking for `"name":{` is enough. */
static struct tensor read_tensor(FILE* file, const char* header, uint64_t data_start, const char* layer,
                                 const char* part, const char* dtype, unsigned item_bytes) {
  char key[512];
  if (snprintf(key, sizeof key, "\"linear.%s.%s\":{", layer, part) >= (int)sizeof key)
    fail("layer's name is too long", layer);
  const char* entry = strstr(header, key);
  if (!entry) fail("no such tensor in the file", key);
  const char* end = strchr(entry, '}');
  const char* type = strstr(entry, "\"dtype\":\"");
  const char* shape = strstr(entry, "\"shape\":[");
  const char* offsets = strstr(entry, "\"data_offsets\":[");
  if (!end || !type || !shape || !offsets || type > end || shape > end || offsets > end) fail("damaged header at", key);
  if (strncmp(type + 9, dtype, strlen(dtype)) != 0) fail("the tensor is of another type than", dtype);
  struct tensor tensor = {0, 1, NULL};
  uint64_t start, stop;
  if (sscanf(shape + 9, "%" SCNu64 ",%" SCNu64, &tensor.rows, &tensor.columns) < 1 ||
      sscanf(offsets + 16, "%" SCNu64 ",%" SCNu64, &start, &stop) != 2 || stop < start || tensor.columns == 0 ||
      (stop - start) / item_bytes / tensor.columns != tensor.rows) {
    fail("damaged header at", key);
  }
  tensor.data = malloc(stop - start + 1);
  if (!tensor.data || fseek(file, (long)(data_start + start), SEEK_SET) != 0 ||
      fread(tensor.data, 1, stop - start, file) != stop - start) {
    fail("the file is too short for", key);
  }
  return tensor;
}

int main(int argc, char** argv) {
  if (argc != 6) fail("usage", "read_packed model.safetensors LAYER FORMAT GROUP ROW");
  const struct format* format = NULL;
  for (size_t i = 0; i < sizeof formats / sizeof *formats; ++i) {
    if (strcmp(argv[3], formats[i].name) == 0) format = &formats[i];
  }
  if (!format) fail("unknown format of weights", argv[3]);
  const uint64_t group = strtoull(argv[4], NULL, 10), row = strtoull(argv[5], NULL, 10);
  if (group == 0) fail("group must be at least 1", argv[4]);

  FILE* file = fopen(argv[1], "rb");
  if (!file) fail("cannot open", argv[1]);
  uint8_t length_bytes[8];
  if (fread(length_bytes, 1, 8, file) != 8) fail("too short for safetensors", argv[1]);
  const uint64_t length = little_endian(length_bytes, 8);
  char* header = length <= MAX_HEADER ? calloc(length + 1, 1) : NULL;
  if (!header || fread(header, 1, length, file) != length) fail("no safetensors header", argv[1]);

  const struct tensor codes = read_tensor(file, header, 8 + length, argv[2], "codes", "U8", 1);
  const struct tensor scales = read_tensor(file, header, 8 + length, argv[2], "scales", "F16", 2);
  const uint64_t k = codes.columns * 8 / (uint64_t)format->bits;
  if (row >= codes.rows) fail("no such row", argv[5]);
  if (scales.rows != codes.rows || scales.columns != (k + group - 1) / group)
    fail("the scales are not of groups of", argv[4]);
  for (uint64_t i = 0; i < k; ++i) {
    const uint8_t* scale = scales.data + 2 * (row * scales.columns + i / group);
    const double value = code_value(format, code_at(codes.data + row * codes.columns, i, format->bits));
    printf("%.9g\n", value * half_value((uint16_t)little_endian(scale, 2)));
  }
  free(codes.data);
  free(scales.data);
  free(header);
  fclose(file);
  return 0;
}
