# Apply PATCH to copies of ORIGINALS below FOLDER.

cmake_path(GET PATCH STEM name)
find_program(patch_command patch)
if(NOT patch_command)
  message(FATAL_ERROR "The mutants of the pool need the command `patch`")
endif()
file(REMOVE_RECURSE ${FOLDER})
file(COPY ${ORIGINALS} DESTINATION ${FOLDER}/src/core)
execute_process(COMMAND ${patch_command} --strip=1 --batch --forward --silent
  --no-backup-if-mismatch --input=${PATCH}
  WORKING_DIRECTORY ${FOLDER} RESULT_VARIABLE status
  OUTPUT_VARIABLE text ERROR_VARIABLE text)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "The pool's mutant `${name}` no longer applies to "
    "src/core; change its patch along with the pool:\n${PATCH}\n${text}")
endif()
