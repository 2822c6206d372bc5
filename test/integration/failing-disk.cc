// A disk that fails, for one process: preloaded (ld.so(8)), it lets the first $FAIL_AFTER writes, syncs and renames below
// $FAIL_BELOW through and answers all later ones with EIO; with $FAIL_BY=SIGKILL the process is killed instead. What the
// process starts has the disk as it is.
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <atomic>

static std::atomic<long> left{LONG_MAX};
static char below[PATH_MAX];
static bool kills;

__attribute__((constructor)) static void begin() {
  const char *after = getenv("FAIL_AFTER");
  const char *folder = getenv("FAIL_BELOW");
  if (after == nullptr || folder == nullptr) return;
  snprintf(below, sizeof below, "%s/", folder);
  left = atol(after);
  kills = getenv("FAIL_BY") != nullptr && strcmp(getenv("FAIL_BY"), "SIGKILL") == 0;
  unsetenv("LD_PRELOAD");
}

static bool failsAt(const char *path) {
  if (below[0] == 0 || strncmp(path, below, strlen(below)) != 0 || left.fetch_sub(1) > 0) return false;
  if (kills) raise(SIGKILL);
  return true;
}

static bool fails(int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = 0;
  return failsAt(path);
}

template <typename Function> static Function next(const char *name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

#define FAILING(result, name, parameters, arguments)                 \
  extern "C" result name parameters {                                \
    static const auto real = next<result(*) parameters>(#name);      \
    if (fails(descriptor)) return errno = EIO, -1;                   \
    return real arguments;                                           \
  }

FAILING(ssize_t, write, (int descriptor, const void *bytes, size_t count), (descriptor, bytes, count))
FAILING(ssize_t, pwrite, (int descriptor, const void *bytes, size_t count, off_t at), (descriptor, bytes, count, at))
FAILING(ssize_t, pwrite64, (int descriptor, const void *bytes, size_t count, off64_t at), (descriptor, bytes, count, at))
FAILING(ssize_t, writev, (int descriptor, const iovec *parts, int count), (descriptor, parts, count))
FAILING(ssize_t, pwritev, (int descriptor, const iovec *parts, int count, off_t at), (descriptor, parts, count, at))
FAILING(ssize_t, pwritev64, (int descriptor, const iovec *parts, int count, off64_t at), (descriptor, parts, count, at))
FAILING(int, fsync, (int descriptor), (descriptor))
FAILING(int, fdatasync, (int descriptor), (descriptor))

extern "C" int rename(const char *from, const char *to) {
  static const auto real = next<int (*)(const char *, const char *)>("rename");
  if (failsAt(from)) return errno = EIO, -1;
  return real(from, to);
}
