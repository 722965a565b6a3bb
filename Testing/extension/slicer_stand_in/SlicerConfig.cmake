# A stand-in for the Slicer that `find_package(Slicer)` finds: just enough for the extension's own CMake lists to
# configure and install here, without a build of Slicer. It is not Slicer: it copies the files that are listed, notes the
# tests and the extension's fields, and refuses what the lists must not do.
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/NoteExtension.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/CheckPackage.cmake")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.13/qt-scripted-modules")
# Below a folder of its own, as on macOS: a list that confuses build and install paths fails.
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "MedVLP/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
