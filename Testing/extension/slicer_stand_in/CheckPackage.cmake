# Slicer's packaging stops where these are missing.
foreach(field LICENSE_FILE README_FILE)
  if(NOT EXISTS "${EXTENSION_${field}}")
    message(FATAL_ERROR "EXTENSION_${field} is no file: ${EXTENSION_${field}}")
  endif()
endforeach()
