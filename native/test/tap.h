// A small test harness with results that a machine can count: each *_test.cc is one program that prints TAP version 13.
//
//   TEST("an empty region has no runs") { CHECK(runs.empty()); }
//   TAP_MAIN()
//
// A test ends at its first failed CHECK; CHECK_EQUAL also prints both values. SKIP("why") ends the test as skipped,
// with the reason in the report. An exception that leaves a test is a failure. The exit status is 1 if any test failed.
#pragma once

#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace pinfold::tap {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Test {
  const char* sentence;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

struct Registered {
  Registered(const char* sentence, void (*body)()) { tests().push_back({sentence, body}); }
};

[[noreturn]] inline void failed(const char* file, int line, const std::string& what) {
  std::ostringstream text;
  text << file << ':' << line << ": " << what;
  throw Failure(text.str());
}

template <typename Actual, typename Expected>
void checkEqual(const Actual& actual, const Expected& expected, const char* what, const char* file, int line) {
  if (actual == expected) return;
  std::ostringstream text;
  text << what << ", and they are " << actual << " and " << expected;
  failed(file, line, text.str());
}

inline int runAll() {
  int failures = 0;
  int number = 0;
  std::cout << "TAP version 13\n1.." << tests().size() << std::endl;
  for (const auto& [sentence, body] : tests()) {
    ++number;
    // Each line is flushed at once: when a sanitizer ends the process, the report shows how far the test came.
    const auto report = [&, sentence = sentence](bool passed, const std::string& rest) {
      std::cout << (passed ? "ok " : "not ok ") << number << " - " << sentence << rest << std::endl;
    };
    try {
      body();
      report(true, "");
    } catch (const Skip& skip) {
      report(true, std::string(" # SKIP ") + skip.what());
    } catch (const std::exception& error) {
      ++failures;
      report(false, std::string("\n  # ") + error.what());
    }
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace pinfold::tap

#define TAP_JOIN_(a, b) a##b
#define TAP_JOIN(a, b) TAP_JOIN_(a, b)

#define TEST(sentence)                                                                                      \
  static void TAP_JOIN(tapBody, __LINE__)();                                                                \
  static const pinfold::tap::Registered TAP_JOIN(tapTest, __LINE__)(sentence, TAP_JOIN(tapBody, __LINE__)); \
  static void TAP_JOIN(tapBody, __LINE__)()

#define CHECK(expression)                                                                           \
  do {                                                                                              \
    if (!(expression)) pinfold::tap::failed(__FILE__, __LINE__, "CHECK(" #expression ") is false"); \
  } while (false)

#define CHECK_EQUAL(actual, expected) \
  pinfold::tap::checkEqual((actual), (expected), #actual " is to be " #expected, __FILE__, __LINE__)

#define SKIP(reason) throw pinfold::tap::Skip(reason)

#define TAP_MAIN() \
  int main() { return pinfold::tap::runAll(); }
