# SPDX-License-Identifier: 0BSD
# Shows the reports that sanitizers left in the folder REPORTS, removes them and fails; does nothing where there are none.
file(GLOB files "${REPORTS}/*")
foreach(file ${files})
    file(READ "${file}" report)
    message("${report}")
    file(REMOVE "${file}")
endforeach()
if(files)
    message(FATAL_ERROR "A sanitizer has found something.")
endif()
