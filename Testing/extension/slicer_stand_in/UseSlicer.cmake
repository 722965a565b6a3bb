# The commands of Slicer and CTK that the lists call. Files go to the build tree while configuring (Slicer: while
# building), and what lies there is installed, as in Slicer.
option(BUILD_TESTING "" ON)
set(NOTES "${CMAKE_BINARY_DIR}/notes")
file(REMOVE_RECURSE "${NOTES}" "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")

function(ctkMacroCompilePythonScript)
  cmake_parse_arguments(
    MY "NO_INSTALL_SUBDIR" "TARGET_NAME;SOURCE_DIR;DESTINATION_DIR;INSTALL_DIR" "SCRIPTS;RESOURCES" ${ARGN}
    )
  if(MY_UNPARSED_ARGUMENTS OR NOT MY_NO_INSTALL_SUBDIR)
    message(FATAL_ERROR "${MY_TARGET_NAME}: not understood: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT MY_SOURCE_DIR)
    set(MY_SOURCE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  endif()
  foreach(file IN LISTS MY_SCRIPTS MY_RESOURCES)
    if(NOT EXISTS "${MY_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "${MY_TARGET_NAME} lists ${file}, which does not exist")
    endif()
    if(EXISTS "${MY_DESTINATION_DIR}/${file}")
      message(FATAL_ERROR "${MY_TARGET_NAME} would replace ${file} of another list")
    endif()
    get_filename_component(folder "${MY_DESTINATION_DIR}/${file}" DIRECTORY)
    file(COPY "${MY_SOURCE_DIR}/${file}" DESTINATION "${folder}")
  endforeach()
  install(DIRECTORY "${MY_DESTINATION_DIR}/" DESTINATION "${MY_INSTALL_DIR}")
endfunction()

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${MY_NAME}: not understood: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  ctkMacroCompilePythonScript(
    TARGET_NAME "${MY_NAME}"
    SCRIPTS "${MY_SCRIPTS}"
    RESOURCES "${MY_RESOURCES}"
    DESTINATION_DIR "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}"
    INSTALL_DIR "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}"
    NO_INSTALL_SUBDIR
    )
  file(APPEND "${NOTES}/modules.txt" "${MY_NAME}|${MY_WITH_GENERIC_TESTS}\n")
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  set(path "${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT}")
  if(MY_UNPARSED_ARGUMENTS OR NOT EXISTS "${path}")
    message(FATAL_ERROR "no test: ${path} ${MY_UNPARSED_ARGUMENTS}")
  endif()
  file(APPEND "${NOTES}/tests.txt" "${path}|${MY_SLICER_ARGS}\n")
endfunction()
