// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_FAULTYCALLS_H
#define QTLOCKFILE_FAULTYCALLS_H

#include <string>
#include <vector>

// The functions of the C library that the library under test calls, and that can fail: what it calls them by leads to here
// (build-seam), and nothing else does.
namespace FaultyCalls {

enum class Threads { All, This };

// Begins to count the calls. The `nth` of `name`, if given, fails with `error` and does nothing.
void arm(const std::string &name = {}, int nth = 0, int error = 0, Threads threads = Threads::All);

// Ends it, and tells the names of the calls in the order in which they came.
std::vector<std::string> disarm();

// Whether the call came that was to fail.
bool hasStruck();

// With what the function can fail, by its manual page.
std::vector<int> errorsOf(const std::string &name);

} // namespace FaultyCalls

#endif
