# SPDX-License-Identifier: 0BSD
# Included, not a folder of its own, so that reports of sanitizers are collected here, too.
add_executable(chaos chaos/main.cpp chaos/arena.cpp chaos/arena.h chaos/disks.cpp chaos/disks.h chaos/peer.cpp chaos/peer.h
               chaos/player.cpp chaos/player.h chaos/round.cpp chaos/round.h)
target_link_libraries(chaos PRIVATE QtLockFile::QtLockFile QtLockFileOptions Threads::Threads)
target_compile_definitions(chaos PRIVATE PEER_SCRIPT="${CMAKE_CURRENT_SOURCE_DIR}/chaos/peer.py")

add_test(NAME ${QTLOCKFILE_TEST_PREFIX}chaos COMMAND chaos)
add_test(NAME ${QTLOCKFILE_TEST_PREFIX}chaos_checker COMMAND chaos --prove)
# Each has the machine to itself, or the other tests would learn what a busy machine is.
set_tests_properties(${QTLOCKFILE_TEST_PREFIX}chaos ${QTLOCKFILE_TEST_PREFIX}chaos_checker PROPERTIES RUN_SERIAL ON)
