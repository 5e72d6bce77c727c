# SPDX-License-Identifier: 0BSD
# What `cmake --install` installs: the library, its headers, and what find_package(QtLockFile) and pkg-config read. All of it may be moved afterwards.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/QtLockFile)

install(TARGETS QtLockFile EXPORT QtLockFileTargets
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
    ARCHIVE COMPONENT development
    FILE_SET HEADERS COMPONENT development
    FILE_SET classes COMPONENT development)
install(EXPORT QtLockFileTargets NAMESPACE QtLockFile:: DESTINATION ${package_dir} COMPONENT development)

# A static library leaves the linking with what it uses itself to the program.
get_target_property(type QtLockFile TYPE)
set(find_private_dependencies)
set(pc_cflags)
if(type STREQUAL STATIC_LIBRARY)
    set(find_private_dependencies "find_dependency(Threads)\n")
    set(pc_cflags " -DQTLOCKFILE_STATIC_DEFINE")
endif()

configure_package_config_file(QtLockFileConfig.cmake.in QtLockFileConfig.cmake INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(QtLockFileConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/QtLockFileConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/QtLockFileConfigVersion.cmake
    DESTINATION ${package_dir} COMPONENT development)

# Paths relative to the file itself where the library's folder lies below the prefix, so that it can be moved, too.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
    set(pc_prefix ${CMAKE_INSTALL_PREFIX})
    set(pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
    set(pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    file(RELATIVE_PATH up /${pc_dir} /)
    string(REGEX REPLACE "/$" "" up ${up})
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(QtLockFile.pc.in QtLockFile.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/QtLockFile.pc DESTINATION ${pc_dir} COMPONENT development)
