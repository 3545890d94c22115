// SPDX-License-Identifier: Apache-2.0
// Every HLS pragma of the engine. Another HLS tool needs another version of this file and nothing else.
#ifndef FPQ_PRAGMAS_HPP_
#define FPQ_PRAGMAS_HPP_

#ifdef __SYNTHESIS__
#define FPQ_PRAGMA_TEXT(...) _Pragma(#__VA_ARGS__)
#define FPQ_PRAGMA(...) FPQ_PRAGMA_TEXT(HLS __VA_ARGS__)
#else
#define FPQ_PRAGMA(...)
#endif

// Ports of the top function. FPQ_PORT_DEPTH is how many words a co-simulation copies of the memory behind each.
#ifndef FPQ_PORT_DEPTH
#define FPQ_PORT_DEPTH 131072
#endif
#define FPQ_MEMORY_PORT(name, bits) \
  FPQ_PRAGMA(interface m_axi port = name bundle = name offset = off depth = FPQ_PORT_DEPTH max_widen_bitwidth = bits)
#define FPQ_REGISTER(name, where) FPQ_PRAGMA(interface s_axilite port = name bundle = control offset = where)
#define FPQ_CONTROL_PORT FPQ_PRAGMA(interface s_axilite port = return bundle = control)

// Functions.
#define FPQ_DATAFLOW FPQ_PRAGMA(dataflow)
#define FPQ_INLINE FPQ_PRAGMA(inline)

// Loops. A name and a trip count only inform the report.
#ifdef __SYNTHESIS__
#define FPQ_LOOP(name) \
  name:
#else
#define FPQ_LOOP(name)
#endif
#define FPQ_PIPELINE(interval) FPQ_PRAGMA(pipeline II = interval)
#define FPQ_UNROLL FPQ_PRAGMA(unroll)
#define FPQ_TRIPCOUNT(least, most) FPQ_PRAGMA(loop_tripcount min = least max = most)

// Arrays: all elements in registers; the innermost dimensions side by side in one memory word; which memory.
#define FPQ_REGISTERS(name) FPQ_PRAGMA(array_partition variable = name complete dim = 0)
#define FPQ_PARTITION(name, dimension) FPQ_PRAGMA(array_partition variable = name complete dim = dimension)
#define FPQ_RESHAPE(name, dimension) FPQ_PRAGMA(array_reshape variable = name complete dim = dimension)
#define FPQ_STORAGE(name, memory) FPQ_PRAGMA(bind_storage variable = name type = ram_2p impl = memory)

// Memory of the activation buffer: uram where the device has it (scripts/ set this), or else bram.
#ifndef FPQ_ACT_MEMORY
#define FPQ_ACT_MEMORY bram
#endif

// Structs and streams: one wide word; which memory holds the FIFO.
#define FPQ_WORD(name) FPQ_PRAGMA(aggregate variable = name compact = bit)
#define FPQ_FIFO(name, memory) FPQ_PRAGMA(bind_storage variable = name type = fifo impl = memory)

#endif  // FPQ_PRAGMAS_HPP_
