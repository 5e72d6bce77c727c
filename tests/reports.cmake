# SPDX-License-Identifier: 0BSD
# Shows the reports that sanitizers left in the folder REPORTS, removes them, and fails if one has found something. They also
# warn of what they could not do themselves, such as to look into a thread that was just ending.
file(GLOB files "${REPORTS}/*")
set(found FALSE)
foreach(file ${files})
    file(READ "${file}" report)
    message("${report}")
    file(REMOVE "${file}")
    if(report MATCHES "ERROR: |WARNING: ThreadSanitizer|runtime error: |SUMMARY: |DEADLYSIGNAL")
        set(found TRUE)
    endif()
endforeach()
if(found)
    message(FATAL_ERROR "A sanitizer has found something.")
endif()
