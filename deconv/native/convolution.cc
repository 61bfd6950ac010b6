// The three maps of deconv/ops/bilinear.py by oneDNN's convolutions, as handlers of XLA's foreign function interface.
//
// A call is cut into a fixed number of batch shards, a function of the shapes alone. The calling thread takes one shard
// after another, and so does every thread of XLA's own pool that is free to help. Nobody waits for a thread that has
// not begun, so that a pool without a free thread cannot hang; and who computes a shard changes no bit of it. oneDNN
// runs with one thread inside of a shard.

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

#if DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_OMP && DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_SEQ
#error "oneDNN must be built for OpenMP, or without threads"
#endif

namespace {

namespace ffi = xla::ffi;
using dnnl::memory;
using Dims = memory::dims;

// Threads beyond this many find nothing to do in a call. A part of what is computed: a kernel gradient is a sum over
// shards.
constexpr int64_t kMostShards = 8;
// Output channels of a slice of the kernel: a multiple of every block that oneDNN's forms of it have.
constexpr int64_t kSliceChannels = 64;

enum class Map : int64_t { kExpand, kReduce, kCorrelate };

const dnnl::engine& Engine() {
  static const dnnl::engine* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

dnnl::stream& Stream() {
  thread_local dnnl::stream stream(Engine());
  return stream;
}

// One OpenMP thread for whatever this thread calls, until the end of the scope.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_;
};

// Memory of a call, aligned for vectors.
class Scratch {
 public:
  explicit Scratch(size_t bytes)
      : data_(bytes ? std::aligned_alloc(64, (bytes + 63) / 64 * 64) : nullptr) {
    if (bytes && !data_) throw std::bad_alloc();
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
};

// Runs task(0) ... task(count - 1), each once, on this thread and on those of the pool that come in time.
template <typename Task>
void RunAll(ffi::ThreadPool& pool, int64_t count, const Task& task) {
  struct Shared {
    const Task* task;
    int64_t count;
    std::atomic<int64_t> next{0};
    std::mutex mutex;
    std::condition_variable finished;
    int64_t done = 0;
    std::string error;
    void Work() {
      OneThread one;
      for (int64_t i; (i = next.fetch_add(1)) < count;) {
        std::string failed;
        try {
          (*task)(i);
        } catch (const std::exception& e) {
          failed = e.what();
        }
        std::lock_guard<std::mutex> lock(mutex);
        if (!failed.empty()) error = failed;
        if (++done == count) finished.notify_all();
      }
    }
  };
  auto shared = std::make_shared<Shared>();
  shared->task = &task;
  shared->count = count;
  const int64_t helpers = std::min<int64_t>(pool.num_threads(), count) - 1;
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule([shared] { shared->Work(); });
  shared->Work();
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->finished.wait(lock, [&] { return shared->done == shared->count; });
  if (!shared->error.empty()) throw std::runtime_error(shared->error);
}

struct Shapes {
  Map map;
  memory::data_type type;
  Dims x, y, kernel;  // as in bilinear.py: (batch, *small, c_s), (batch, *large, c_l), (*window, c_s, c_l / groups)
  Dims strides, dilation, low, high;
  int64_t groups;

  std::vector<int64_t> Key() const {
    std::vector<int64_t> key{static_cast<int64_t>(map), static_cast<int64_t>(type), groups};
    for (const Dims* dims : {&x, &y, &kernel, &strides, &dilation, &low, &high})
      key.insert(key.end(), dims->begin(), dims->end());
    return key;
  }
};

// (batch, *spatial, channels) -> oneDNN's logical order (batch, channels, *spatial), channels last in memory.
memory::desc ImageDesc(const Dims& shape, int64_t batch, memory::data_type type) {
  const size_t n = shape.size() - 2;
  Dims dims{batch, shape.back()}, strides(n + 2);
  dims.insert(dims.end(), shape.begin() + 1, shape.end() - 1);
  strides[1] = 1;
  int64_t step = shape.back();
  for (size_t d = n; d-- > 0;) {
    strides[2 + d] = step;
    step *= shape[1 + d];
  }
  strides[0] = step;
  return memory::desc(dims, type, strides);
}

// (*window, c_s, c_l / groups) as the weights of the map from large to small: (groups, c_s / groups, c_l / groups,
// *window), without the first where there are no groups.
memory::desc KernelDesc(const Dims& shape, int64_t groups, memory::data_type type, bool any) {
  const size_t n = shape.size() - 2;
  const int64_t outs = shape[n] / groups, ins = shape[n + 1];
  Dims dims{outs, ins}, strides{ins, 1};
  dims.insert(dims.end(), shape.begin(), shape.end() - 2);
  strides.resize(n + 2);
  int64_t step = groups * outs * ins;
  for (size_t d = n; d-- > 0;) {
    strides[2 + d] = step;
    step *= shape[d];
  }
  if (groups > 1) {
    dims.insert(dims.begin(), groups);
    strides.insert(strides.begin(), outs * ins);
  }
  return any ? memory::desc(dims, type, memory::format_tag::any) : memory::desc(dims, type, strides);
}

// A convolution of `batch` images.
struct Part {
  int64_t batch;
  dnnl::primitive primitive;
  memory::desc x, y, kernel, scratch;
};

struct Plan {
  std::vector<int64_t> firsts;  // of each shard its first image, and the size of the batch
  std::vector<Part> parts;      // of one or two sizes
  memory::desc kernel;          // as the caller has it
  memory::desc inner;           // as oneDNN wants it
  bool reorders;                // whether these differ
  struct Slice {
    memory::desc kernel, inner;
    dnnl::reorder reorder;
  };
  std::vector<Slice> slices;  // of the kernel, brought from one form into the other by themselves

  const Part& Of(int64_t shard) const {
    return parts[firsts[shard + 1] - firsts[shard] == parts[0].batch ? 0 : 1];
  }
};

Part MakePart(const Shapes& s, int64_t batch, const memory::desc& kernel) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  Part part{batch, {}, ImageDesc(s.x, batch, s.type), ImageDesc(s.y, batch, s.type), {}, {}};
  Dims dilates = s.dilation;
  for (auto& d : dilates) d -= 1;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const auto forward_kernel = s.map == Map::kCorrelate ? KernelDesc(s.kernel, s.groups, s.type, true) : kernel;
  dnnl::convolution_forward::primitive_desc forward(
      Engine(), dnnl::prop_kind::forward_training, algorithm, part.y, forward_kernel, part.x, s.strides, dilates, s.low,
      s.high, attr);
  switch (s.map) {
    case Map::kReduce:
      part.primitive = dnnl::convolution_forward(forward);
      part.kernel = forward.weights_desc();
      part.scratch = forward.scratchpad_desc();
      break;
    case Map::kExpand: {
      dnnl::convolution_backward_data::primitive_desc pd(Engine(), algorithm, part.y, kernel, part.x, s.strides,
                                                         dilates, s.low, s.high, forward, attr);
      part.primitive = dnnl::convolution_backward_data(pd);
      part.kernel = pd.weights_desc();
      part.scratch = pd.scratchpad_desc();
      break;
    }
    case Map::kCorrelate: {
      dnnl::convolution_backward_weights::primitive_desc pd(Engine(), algorithm, part.y, kernel, part.x, s.strides,
                                                            dilates, s.low, s.high, forward, attr);
      part.primitive = dnnl::convolution_backward_weights(pd);
      part.kernel = pd.diff_weights_desc();
      part.scratch = pd.scratchpad_desc();
      break;
    }
  }
  return part;
}

int64_t Product(const Dims& dims) {
  int64_t product = 1;
  for (int64_t d : dims) product *= d;
  return product;
}

// How many shards: enough to share the work evenly, but each reads or writes the whole kernel.
int64_t ShardCount(const Shapes& s) {
  const int64_t images = Product(s.x) + Product(s.y);
  const int64_t fewest = s.map == Map::kCorrelate ? 2 : 4;
  return std::min(std::clamp<int64_t>(images / (2 * Product(s.kernel)), fewest, kMostShards), s.x[0]);
}

void AddParts(const Shapes& s, int64_t shards, Plan& plan) {
  const int64_t batch = s.x[0];
  const auto type = s.map == Map::kCorrelate ? memory::data_type::f32 : s.type;  // a gradient is summed in float32
  plan.firsts.clear();
  plan.parts.clear();
  for (int64_t i = 0; i <= shards; ++i) plan.firsts.push_back(batch * i / shards);
  plan.parts.push_back(MakePart(s, plan.firsts[1], KernelDesc(s.kernel, s.groups, type, true)));
  plan.inner = plan.parts[0].kernel;
  for (int64_t i = 1; i < shards && plan.parts.size() == 1; ++i) {
    const int64_t size = plan.firsts[i + 1] - plan.firsts[i];
    if (size != plan.parts[0].batch) plan.parts.push_back(MakePart(s, size, plan.inner));
  }
}

Plan::Slice MakeSlice(const memory::desc& kernel, const memory::desc& inner, bool out) {
  const auto& from = out ? inner : kernel;
  const auto& to = out ? kernel : inner;
  return {kernel, inner, dnnl::reorder(dnnl::reorder::primitive_desc(Engine(), from, Engine(), to))};
}

// Slices of output channels, or the whole kernel where oneDNN's form of it cannot be sliced.
std::vector<Plan::Slice> MakeSlices(const Shapes& s, const Plan& plan) {
  const bool out = s.map == Map::kCorrelate;
  std::vector<Plan::Slice> slices;
  const Dims dims = plan.kernel.get_dims();
  const size_t axis = 0;  // groups, or output channels
  try {
    for (int64_t first = 0; first < dims[axis]; first += kSliceChannels) {
      Dims size = dims, offset(dims.size(), 0);
      size[axis] = std::min(kSliceChannels, dims[axis] - first);
      offset[axis] = first;
      const auto kernel = plan.kernel.submemory_desc(size, offset), inner = plan.inner.submemory_desc(size, offset);
      slices.push_back(MakeSlice(kernel, inner, out));
    }
    return slices;
  } catch (const dnnl::error&) {
    slices.clear();
    slices.push_back(MakeSlice(plan.kernel, plan.inner, out));
    return slices;
  }
}

std::unique_ptr<Plan> MakePlan(const Shapes& s) {
  OneThread one;
  auto plan = std::make_unique<Plan>();
  try {
    AddParts(s, ShardCount(s), *plan);
  } catch (const dnnl::error&) {  // a shard of the second size would want another form of the kernel
    AddParts(s, 1, *plan);
  }
  plan->kernel = KernelDesc(s.kernel, s.groups, s.type, false);
  plan->reorders = plan->inner != plan->kernel;
  if (plan->reorders) plan->slices = MakeSlices(s, *plan);
  return plan;
}

struct KeyHash {
  size_t operator()(const std::vector<int64_t>& key) const {
    size_t hash = key.size();
    for (int64_t k : key) hash = hash * 1000003u ^ static_cast<size_t>(k);
    return hash;
  }
};

const Plan& PlanOf(const Shapes& s) {
  static auto* mutex = new std::mutex;
  static auto* plans = new std::unordered_map<std::vector<int64_t>, std::unique_ptr<Plan>, KeyHash>;
  std::lock_guard<std::mutex> lock(*mutex);
  auto& plan = (*plans)[s.Key()];
  if (!plan) plan = MakePlan(s);
  return *plan;
}

void Execute(const Part& part, Map map, void* x, void* y, void* kernel) {
  Scratch scratch(part.scratch.get_size());
  memory xm(part.x, Engine(), x), ym(part.y, Engine(), y), km(part.kernel, Engine(), kernel),
      sm(part.scratch, Engine(), scratch.data());
  std::unordered_map<int, memory> args{{DNNL_ARG_SCRATCHPAD, sm}};
  switch (map) {
    case Map::kReduce:
      args.insert({{DNNL_ARG_SRC, ym}, {DNNL_ARG_WEIGHTS, km}, {DNNL_ARG_DST, xm}});
      break;
    case Map::kExpand:
      args.insert({{DNNL_ARG_DIFF_SRC, ym}, {DNNL_ARG_WEIGHTS, km}, {DNNL_ARG_DIFF_DST, xm}});
      break;
    case Map::kCorrelate:
      args.insert({{DNNL_ARG_SRC, ym}, {DNNL_ARG_DIFF_WEIGHTS, km}, {DNNL_ARG_DIFF_DST, xm}});
      break;
  }
  part.primitive.execute(Stream(), args);
  Stream().wait();
}

void Reorder(const Plan& plan, Map map, ffi::ThreadPool& pool, void* caller, void* inner) {
  const bool out = map == Map::kCorrelate;
  RunAll(pool, plan.slices.size(), [&](int64_t i) {
    const Plan::Slice& slice = plan.slices[i];
    memory outer(slice.kernel, Engine(), caller), within(slice.inner, Engine(), inner);
    slice.reorder.execute(Stream(), out ? within : outer, out ? outer : within);
    Stream().wait();
  });
}

void Run(const Shapes& s, ffi::ThreadPool& pool, char* x, char* y, char* kernel) {
  const Plan& plan = PlanOf(s);
  const int64_t shards = plan.firsts.size() - 1, item = memory::data_type_size(s.type);
  const int64_t x_step = Product(s.x) / s.x[0] * item, y_step = Product(s.y) / s.x[0] * item;
  const size_t inner_bytes = plan.inner.get_size();
  if (s.map != Map::kCorrelate) {
    Scratch inner(plan.reorders ? inner_bytes : 0);
    if (plan.reorders) Reorder(plan, s.map, pool, kernel, inner.data());
    void* weights = plan.reorders ? inner.data() : kernel;
    RunAll(pool, shards, [&](int64_t i) {
      Execute(plan.Of(i), s.map, x + plan.firsts[i] * x_step, y + plan.firsts[i] * y_step, weights);
    });
    return;
  }
  const size_t stride = (inner_bytes + 63) / 64 * 64;
  const bool direct = !plan.reorders;  // the first shard writes the result itself
  Scratch partial(stride * (shards - direct));
  auto of = [&](int64_t i) -> char* {
    return direct && i == 0 ? kernel : static_cast<char*>(partial.data()) + (i - direct) * stride;
  };
  RunAll(pool, shards, [&](int64_t i) {
    Execute(plan.Of(i), s.map, x + plan.firsts[i] * x_step, y + plan.firsts[i] * y_step, of(i));
  });
  // The sum in a fixed order.
  const int64_t numbers = inner_bytes / sizeof(float), chunk = 1 << 15;
  if (shards > 1)
    RunAll(pool, (numbers + chunk - 1) / chunk, [&](int64_t c) {
      const int64_t end = std::min(numbers, (c + 1) * chunk);
      float* sum = reinterpret_cast<float*>(of(0));
      for (int64_t i = 1; i < shards; ++i) {
        const float* add = reinterpret_cast<const float*>(of(i));
        for (int64_t j = c * chunk; j < end; ++j) sum[j] += add[j];
      }
    });
  if (plan.reorders) Reorder(plan, s.map, pool, kernel, of(0));
}

Dims ToDims(ffi::Span<const int64_t> span) { return Dims(span.begin(), span.end()); }

// The arrays as (x, y, kernel), whichever of them is the result.
ffi::Error Convolve(Map map, ffi::ThreadPool pool, ffi::AnyBuffer a, ffi::AnyBuffer b, ffi::Result<ffi::AnyBuffer> out,
                    ffi::Span<const int64_t> strides, ffi::Span<const int64_t> dilation, ffi::Span<const int64_t> low,
                    ffi::Span<const int64_t> high, int64_t groups) {
  try {
    ffi::AnyBuffer x = map == Map::kReduce ? *out : a;
    ffi::AnyBuffer y = map == Map::kExpand ? *out : map == Map::kReduce ? a : b;
    ffi::AnyBuffer kernel = map == Map::kCorrelate ? *out : b;
    const auto type = a.element_type() == ffi::F32 ? memory::data_type::f32 : memory::data_type::bf16;
    Shapes s{map, type, ToDims(x.dimensions()), ToDims(y.dimensions()), ToDims(kernel.dimensions()), ToDims(strides),
             ToDims(dilation), ToDims(low), ToDims(high), groups};
    Run(s, pool, static_cast<char*>(x.untyped_data()), static_cast<char*>(y.untyped_data()),
        static_cast<char*>(kernel.untyped_data()));
  } catch (const std::exception& e) {
    return ffi::Error::Internal(std::string("deconv.native: ") + e.what());
  }
  return ffi::Error::Success();
}

template <Map map>
ffi::Error Handler(ffi::ThreadPool pool, ffi::AnyBuffer a, ffi::AnyBuffer b, ffi::Result<ffi::AnyBuffer> out,
                   ffi::Span<const int64_t> strides, ffi::Span<const int64_t> dilation, ffi::Span<const int64_t> low,
                   ffi::Span<const int64_t> high, int64_t groups) {
  return Convolve(map, pool, a, b, out, strides, dilation, low, high, groups);
}

}  // namespace

#define DECONV_HANDLER(name, map)                                                  \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, Handler<map>,                                \
                                ffi::Ffi::Bind()                                   \
                                    .Ctx<ffi::ThreadPool>()                        \
                                    .Arg<ffi::AnyBuffer>()                         \
                                    .Arg<ffi::AnyBuffer>()                         \
                                    .Ret<ffi::AnyBuffer>()                         \
                                    .Attr<ffi::Span<const int64_t>>("strides")     \
                                    .Attr<ffi::Span<const int64_t>>("dilation")    \
                                    .Attr<ffi::Span<const int64_t>>("low")         \
                                    .Attr<ffi::Span<const int64_t>>("high")        \
                                    .Attr<int64_t>("groups"))

DECONV_HANDLER(deconv_expand, Map::kExpand);
DECONV_HANDLER(deconv_reduce, Map::kReduce);
DECONV_HANDLER(deconv_correlate, Map::kCorrelate);
