# SPDX-License-Identifier: 0BSD
# What `cpack` makes: a Debian package to run with, libqtlockfile1, and one to build with, libqtlockfile-dev. Build for it with
# -DBUILD_SHARED_LIBS=ON -DCMAKE_INSTALL_PREFIX=/usr, so that the files come to lie where Debian has them.
set(runtime libqtlockfile${PROJECT_VERSION_MAJOR})
set(development libqtlockfile-dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME libqtlockfile)
set(CPACK_PACKAGE_VENDOR QtLockFile)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "lock file for Qt applications that never freezes the user interface")
# Whoever makes a package is its maintainer, and says so where Debian's own tools look.
set(CPACK_PACKAGE_CONTACT "QtLockFile <qtlockfile@localhost>")
if(DEFINED ENV{DEBEMAIL})
    set(CPACK_PACKAGE_CONTACT "$ENV{DEBEMAIL}")
    if(DEFINED ENV{DEBFULLNAME})
        set(CPACK_PACKAGE_CONTACT "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
    endif()
endif()
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL runtime runtime-doc development development-doc)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ${runtime})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
file(WRITE ${PROJECT_BINARY_DIR}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/triggers)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION
    "Waiters are queued by the kernel and served in order, nothing polls, and a crash leaves nothing to clean up.\nWith it an application runs once per user.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME ${development})
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${runtime} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}), qt6-base-dev (>= 6.4)")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "Headers, and what CMake and pkg-config read, to build programs with QtLockFile.")

# Debian's rules ask each package for its licence and for a list of changes. Nobody else is bothered with them: they are installed into packages alone.
set(changes ${PROJECT_BINARY_DIR}/changelog.Debian)
file(CONFIGURE OUTPUT ${changes} CONTENT "libqtlockfile (${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * See the section on changes in the README.

 -- ${CPACK_PACKAGE_CONTACT}  Thu, 01 Jan 2026 00:00:00 +0000
")
find_program(QTLOCKFILE_GZIP gzip)
if(QTLOCKFILE_GZIP)
    execute_process(COMMAND ${QTLOCKFILE_GZIP} -9nkf ${changes})
endif()
foreach(component runtime development)
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/${${component}} RENAME copyright COMPONENT ${component}-doc EXCLUDE_FROM_ALL)
    install(FILES ${changes}.gz DESTINATION share/doc/${${component}} COMPONENT ${component}-doc EXCLUDE_FROM_ALL OPTIONAL)
endforeach()

include(CPack)
foreach(component runtime development)
    cpack_add_component(${component} GROUP ${component})
    cpack_add_component(${component}-doc GROUP ${component})
endforeach()
