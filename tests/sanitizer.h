// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SANITIZER_H
#define QTLOCKFILE_SANITIZER_H

#ifndef __has_feature
#    define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool kHasAddressSanitizer = true;
#else
constexpr bool kHasAddressSanitizer = false;
#endif

#endif
