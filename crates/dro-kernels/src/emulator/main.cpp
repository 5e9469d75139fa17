// Runs one kernel on the CPU: reads a launch from standard input, writes its result to standard output. All numbers are
// 4 bytes wide in the machine's order: name, inputs, result, blocks, block size, whole and fractional parameters; lists
// are preceded by their length.
#include "shim.h"

#include "bias.cu"
#include "convex_upsample.cu"
#include "grid_sample.cu"
#include "gru.cu"
#include "projection.cu"
#include "warp_cost.cu"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

static void fail(const char* what) {
    fprintf(stderr, "emulator: %s\n", what);
    exit(1);
}

template <class T>
static T one() {
    T value;
    if (fread(&value, sizeof value, 1, stdin) != 1) fail("the launch ends early");
    return value;
}

template <class T>
static std::vector<T> list() {
    std::vector<T> values(one<int>());
    for (T& value : values) value = one<T>();
    return values;
}

// A launch, whose parameters are handed out in their order by type.
struct Launch {
    std::vector<std::vector<float>> inputs;
    std::vector<float> out;
    int blocks, block;
    std::vector<int> ints;
    std::vector<float> floats;
    size_t input = 0, result = 0, whole = 0, fractional = 0;

    void next(const float*& value) {
        if (input == inputs.size()) fail("expected more inputs");
        value = inputs[input++].data();
    }
    void next(float*& value) {
        if (result++ != 0) fail("expected one result");
        value = out.data();
    }
    void next(int& value) {
        if (whole == ints.size()) fail("expected more whole numbers");
        value = ints[whole++];
    }
    void next(float& value) {
        if (fractional == floats.size()) fail("expected more fractional numbers");
        value = floats[fractional++];
    }

    template <class T>
    T take() {
        T value;
        next(value);
        return value;
    }

    template <class... Parameters>
    void run(void (*kernel)(Parameters...)) {
        std::tuple<Parameters...> parameters{take<Parameters>()...};
        if (input != inputs.size() || result != 1 || whole != ints.size() || fractional != floats.size())
            fail("found more parameters than the kernel has");
        blockDim.x = block;
        for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
            for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x) std::apply(kernel, parameters);
    }
};

int main() {
    std::vector<char> bytes = list<char>();
    std::string name(bytes.begin(), bytes.end());
    Launch launch;
    for (int left = one<int>(); left > 0; --left) launch.inputs.push_back(list<float>());
    launch.out = list<float>();
    launch.blocks = one<int>();
    launch.block = one<int>();
    launch.ints = list<int>();
    launch.floats = list<float>();

    // The kernels that the sources define, one KERNEL_NAME(file, name) each: written by the test.
#define KERNEL_NAME(module, kernel) \
    if (name == #module "/" #kernel) launch.run(kernel);
#include "names.inc"
    if (launch.result == 0) fail("no such kernel");
    fwrite(launch.out.data(), sizeof(float), launch.out.size(), stdout);
    return 0;
}
