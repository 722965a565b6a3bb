# What Slicer's extension server would be told.
foreach(field HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  file(APPEND "${NOTES}/extension.txt" "${field}|${EXTENSION_${field}}\n")
endforeach()
file(APPEND "${NOTES}/extension.txt" "NAME|${PROJECT_NAME}\n")
