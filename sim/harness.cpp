// Runs frames through a Verilator model of an accelerator and records what every block sent, with cycle stamps.
// It knows no network: probes.h (generated) names the streams, Python decodes and compares.
//
// usage: harness INPUT FRAMES BEATS_PER_FRAME OUT_BEATS_PER_FRAME MAX_CYCLES PAUSE_SEED PREFIX [WAVEFORM.fst]
//   INPUT       raw bytes, IN_BYTES a beat, first beat first
//   PAUSE_SEED  0: source and sink never pause; else both pause at random, for long and for short
//   PREFIX      writes PREFIX.stamps (int64 cycle of each frame's last output; cycle 0 is the first input transfer)
//               PREFIX.<probe number> (the transferred beats, whole bytes each) and PREFIX.out (the output port's, OUT_BYTES each
//               and a byte for tlast); PREFIX.activity (int64: the cycles in which nets were watched, then each block's bits of nets and their toggles)
// exit: 0 done, 3 no progress within MAX_CYCLES, 2 bad use
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "probes.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_fst_c.h"
#endif

namespace {

// Pauses at random (xorshift64): the same seed gives the same everywhere. Short ones shift blocks against each other. Long ones last until nothing
// has moved for `still` cycles: then all buffers are full, even the first block is held back; or all is drained.
struct Pauses {
    uint64_t state;
    int64_t still;
    bool pausing;
    int64_t left;  // cycles until the next change; negative: a long pause
    static constexpr int LONGEST = 8;
    bool next(int64_t quiet) {
        if (state == 0) return false;
        if (left < 0 && quiet >= still) left = 0;
        if (left == 0) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            pausing = !pausing;
            const auto power = static_cast<int>((state & 0xffff) % (LONGEST + 1));
            left = pausing && power == LONGEST ? -1 : 1 + static_cast<int64_t>(state >> 16 & ((1U << power) - 1));
        }
        if (left > 0) left--;
        return pausing;
    }
};

template <typename Signal>
void drive(Signal& signal, const uint8_t* bytes) {
    static_assert(sizeof(Signal) >= IN_BYTES, "the input port is narrower than a beat");
    std::memcpy(&signal, bytes, IN_BYTES);
}

struct Capture {
    std::vector<uint8_t> bytes;
    template <typename Signal>
    void take(const Signal& signal, size_t size) {
        const auto* from = reinterpret_cast<const uint8_t*>(&signal);
        bytes.insert(bytes.end(), from, from + size);
    }
};

// Counts how often the nets of each block change from one cycle to the next. nets.inc (generated) says where in Verilator's model they lie.
class Activity {
    struct Net {
        size_t offset, bytes;
        int64_t bits;
        int block;
    };
    static const std::vector<Net>& nets() {
        static const std::vector<Net> all = {
#include "nets.inc"
        };
        return all;
    }
    std::vector<uint8_t> last;  // all nets, side by side
    bool primed = false;

   public:
    std::vector<int64_t> counts = std::vector<int64_t>(1 + 2 * BLOCKS);
    Activity() {
        size_t bytes = 0;
        for (const Net& net : nets()) bytes += net.bytes, counts[static_cast<size_t>(1 + 2 * net.block)] += net.bits;
        last.resize(bytes);
    }
    void watch(const Vtop___024root* model) {
        const auto* from = reinterpret_cast<const uint8_t*>(model);
        uint8_t* to = last.data();
        for (const Net& net : nets()) {
            if (std::memcmp(to, from + net.offset, net.bytes) != 0) {
                int64_t toggles = 0;
                for (size_t i = 0; i < net.bytes; i++) toggles += __builtin_popcount(to[i] ^ from[net.offset + i]);
                std::memcpy(to, from + net.offset, net.bytes);
                if (primed) counts[static_cast<size_t>(2 + 2 * net.block)] += toggles;
            }
            to += net.bytes;
        }
        counts[0] += primed;
        primed = true;
    }
};
constexpr int64_t WATCHED = 4096;  // cycles from the first frame's end on: the pipeline is full then

bool write_file(const std::string& path, const void* data, size_t size) {
    FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return false;
    const bool ok = std::fwrite(data, 1, size, file) == size;
    return std::fclose(file) == 0 && ok;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 8) return std::fprintf(stderr, "harness: 7 arguments expected\n"), 2;
    const int64_t frames = std::atoll(argv[2]), beats = std::atoll(argv[3]), out_beats = std::atoll(argv[4]), max_cycles = std::atoll(argv[5]);
    const uint64_t seed = std::strtoull(argv[6], nullptr, 10);
    const int64_t still = max_cycles / 4;
    Pauses source{seed, still, false, 0}, sink{seed * 2654435761ULL, still, true, -1};  // at first the design fills up
    const std::string prefix = argv[7];

    std::vector<uint8_t> input(static_cast<size_t>(frames * beats * IN_BYTES));
    FILE* file = std::fopen(argv[1], "rb");
    if (file == nullptr || std::fread(input.data(), 1, input.size(), file) != input.size()) {
        return std::fprintf(stderr, "harness: %s is missing or too short\n", argv[1]), 2;
    }
    std::fclose(file);

    const auto context = std::make_unique<VerilatedContext>();
    context->randReset(2);  // registers start at random, as hardware may: only what reset clears may matter
    context->randSeed(1);
#if VM_TRACE
    std::unique_ptr<VerilatedFstC> trace;
    if (argc > 8) context->traceEverOn(true);
#endif
    const auto top = std::make_unique<TOP>(context.get());
#if VM_TRACE
    if (argc > 8) {
        trace = std::make_unique<VerilatedFstC>();
        top->trace(trace.get(), 99);
        trace->open(argv[8]);
    }
#endif
    uint64_t time = 0;
    const auto settle = [&] {
        top->eval();
#if VM_TRACE
        if (trace) trace->dump(time);
#endif
        time += 5;
    };

    top->aclk = 0;
    top->aresetn = 0;
    top->s_axis_tvalid = 0;
    top->m_axis_tready = 0;
    for (int i = 0; i < 4; i++) {
        top->aclk = 0;
        settle();
        top->aclk = 1;
        settle();
    }
    top->aresetn = 1;

    std::vector<Capture> captures(PROBES);
    Activity activity;
    Capture out;
    std::vector<int64_t> stamps;
    int64_t cycle = 0, first = -1, sent = 0, received = 0, quiet = 0;
    bool offered = false;
    // a map's last rows may be sent after the last output, when nothing depends on them: `due` counts the beats that are still to come anywhere
    std::vector<int64_t> left(PROBES);
    int64_t due = frames * out_beats;
#define PROBE(number, tvalid, tready, tdata, size, beats) due += left[number] = frames * (beats);
    ALL_PROBES
#undef PROBE
    while (due > 0) {
        top->aclk = 0;
        // AXI4-Stream: once offered, a beat stays offered until it is taken
        offered = sent < frames * beats && (offered || !source.next(quiet));
        top->s_axis_tvalid = offered;
        if (offered) drive(top->s_axis_tdata, &input[static_cast<size_t>(sent * IN_BYTES)]);
        top->s_axis_tlast = sent % beats == beats - 1;
        top->m_axis_tready = !sink.next(quiet);
        settle();  // inputs and the registers of this cycle are now visible everywhere: look before the clock edge
        bool moved = false;
#define PROBE(number, tvalid, tready, tdata, size, beats)       \
    if (top->rootp->tvalid && top->rootp->tready) {             \
        captures[number].take(top->rootp->tdata, size);         \
        if (left[number] > 0) left[number]--, due--;            \
        moved = true;                                           \
    }
        ALL_PROBES
#undef PROBE
        if (offered && top->s_axis_tready) {
            if (first < 0) first = cycle;
            sent++;
            offered = false;
            moved = true;
        }
        if (top->m_axis_tvalid && top->m_axis_tready) {
            if (received++ < frames * out_beats) due--;
            out.take(top->m_axis_tdata, OUT_BYTES);
            out.bytes.push_back(top->m_axis_tlast);
            moved = true;
            if (received % out_beats == 0) {
                stamps.push_back(cycle - first);
                if (stamps.size() % 64 == 0) {
                    std::printf("frames %zu\n", stamps.size());
                    std::fflush(stdout);
                }
            }
        }
        if (!stamps.empty() && activity.counts[0] < WATCHED) activity.watch(top->rootp);
        quiet = moved ? 0 : quiet + 1;
        if (quiet > max_cycles || context->gotFinish()) break;
        top->aclk = 1;
        settle();
        cycle++;
    }
    // a few idle cycles, so that a waveform shows the end
    for (int i = 0; i < 8; i++) {
        top->aclk = !top->aclk;
        settle();
    }
    top->final();
#if VM_TRACE
    if (trace) trace->close();
#endif
    bool written = write_file(prefix + ".stamps", stamps.data(), stamps.size() * sizeof(int64_t));
    written &= write_file(prefix + ".out", out.bytes.data(), out.bytes.size());
    written &= write_file(prefix + ".activity", activity.counts.data(), activity.counts.size() * sizeof(int64_t));
    for (size_t i = 0; i < captures.size(); i++) {
        written &= write_file(prefix + "." + std::to_string(i), captures[i].bytes.data(), captures[i].bytes.size());
    }
    if (!written) return std::fprintf(stderr, "harness: cannot write %s.*\n", prefix.c_str()), 2;
    std::printf("frames %zu\ncycles %lld\n", stamps.size(), static_cast<long long>(cycle));
    return received < frames * out_beats ? 3 : 0;
}
