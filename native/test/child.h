// Runs a part of a test in its own process, since some changes would stay with the process of the test: limits,
// capabilities, a full address space, mounts. If the part fails or is skipped, the test fails or is skipped.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <exception>
#include <string>

#include "os/descriptor.h"
#include "os/system_error.h"
#include "test/tap.h"

namespace pinfold::test {

template <typename Body>
void inChild(const Body& body) {
  int ends[2] = {};
  if (::pipe(ends) != 0) os::throwErrno("pipe");
  os::Descriptor out(ends[0]);
  os::Descriptor in(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) os::throwErrno("fork");
  if (child == 0) {
    std::string report = "passed";
    try {
      body();
    } catch (const tap::Skip& skip) {
      report = std::string("skip:") + skip.what();
    } catch (const std::exception& error) {
      report = std::string("fail:") + error.what();
    }
    const bool told = ::write(in.number(), report.data(), report.size()) == static_cast<ssize_t>(report.size());
    ::_exit(told ? 0 : 1);  // runs no destructors of the parent's statics, no exit handlers and no leak check
  }
  in.reset();
  std::string report;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(out.number(), buffer.data(), buffer.size())) > 0;) {
    report.append(buffer.data(), static_cast<std::size_t>(got));
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) os::throwErrno("waitpid");
  if (report.starts_with("skip:")) throw tap::Skip(report.substr(5));
  if (report.starts_with("fail:")) throw tap::Failure(report.substr(5));
  if (report != "passed" || status != 0) throw tap::Failure("the child ended with status " + std::to_string(status));
}

}  // namespace pinfold::test
