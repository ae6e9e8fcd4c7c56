# The library for one OS thread asks nothing of the system's threads.
execute_process(COMMAND ${NM} -u ${LIBRARY}
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
if(symbols MATCHES "(pthread_[a-z_]+|__atomic_[a-z_0-9]+|__tls_get_addr)")
  message(FATAL_ERROR "it uses ${CMAKE_MATCH_1}")
endif()
if(NOT symbols MATCHES "lua_resume")
  message(FATAL_ERROR "these are not the symbols of the library: ${symbols}")
endif()
