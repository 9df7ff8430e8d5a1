// The kernel's view of this process and its memory. Tests check this view, not the records of the core.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

#include "os/descriptor.h"
#include "os/system_error.h"

namespace pinfold::test {

inline std::uintptr_t numberOf(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

// One kernel mapping out of /proc/self/smaps.
struct View {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::string permissions;  // "rw-s"
  std::string name;         // file, or "[anon:…]"
  std::string flags;        // " rd wr … dc dd …", a blank before and after each flag (proc(5), VmFlags)
  std::string rest;         // the other lines, unchanged

  bool has(const std::string& flag) const { return flags.find(" " + flag + " ") != std::string::npos; }
  std::size_t size() const { return end - begin; }

  // "Rss", "Locked", "KernelPageSize" … in bytes.
  std::size_t bytes(const std::string& field) const {
    const std::size_t at = rest.find("\n" + field + ":");
    if (at == std::string::npos) return 0;
    return std::stoull(rest.substr(at + field.size() + 2)) << 10U;
  }
};

// The mapping that contains `address`; nothing if there is none.
inline std::optional<View> viewOf(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  std::optional<View> found;
  for (std::string line; std::getline(smaps, line);) {
    View view;
    char dash = 0;
    std::istringstream head(line);
    std::string offset;
    std::string device;
    std::string inode;
    if (head >> std::hex >> view.begin >> dash >> view.end >> view.permissions >> offset >> device >> inode &&
        dash == '-') {
      if (found) return found;
      std::getline(head >> std::ws, view.name);
      view.rest = "\n";
      if (view.begin <= numberOf(address) && numberOf(address) < view.end) found = view;
    } else if (found && line.starts_with("VmFlags:")) {
      found->flags = line.substr(8) + " ";
    } else if (found) {
      found->rest += line + "\n";
    }
  }
  return found;
}

inline std::size_t countOf(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

// The number of open descriptors of this process, including the descriptor that reads the directory.
inline std::size_t openDescriptors() { return countOf("/proc/self/fd"); }

inline std::size_t numberIn(const std::string& path) {
  std::size_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

// The number of kernel mappings whose line in /proc/self/maps contains `name`.
inline std::size_t mappingsNamed(const std::string& name) {
  std::size_t count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) count += line.find(name) != std::string::npos ? 1 : 0;
  return count;
}

// Asks the kernel by a system call. The call fails with EFAULT where a direct access would cause a signal.
inline bool isReadable(const void* address) {
  int ends[2] = {};
  if (::pipe(ends) != 0) os::throwErrno("pipe");
  const os::Descriptor out(ends[0]);
  const os::Descriptor in(ends[1]);
  return ::write(in.number(), address, 1) == 1;
}

inline bool isWritable(void* address) {
  int ends[2] = {};
  if (::pipe(ends) != 0) os::throwErrno("pipe");
  const os::Descriptor out(ends[0]);
  const os::Descriptor in(ends[1]);
  const char byte = 0;
  if (::write(in.number(), &byte, 1) != 1) os::throwErrno("write");
  return ::read(out.number(), address, 1) == 1;
}

}  // namespace pinfold::test
