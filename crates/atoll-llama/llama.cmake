# Read by CMake after llama.cpp's `project()` (`.cargo/config.toml` names this file). The crate that builds it always
# asks for llama.cpp's `common` as well: arguments, downloads, templates, none of which is called here, and more than
# half of all that there is to compile.
if(PROJECT_NAME STREQUAL "llama.cpp")
  set(LLAMA_BUILD_COMMON OFF)
endif()
