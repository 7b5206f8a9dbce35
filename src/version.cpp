#include "native.hpp"

// Raised whenever an exported function changes its meaning or its arguments, together with VERSION of
// icl_mesh/native.py, which loads no other.
ICL_EXPORT int32_t icl_version() { return 2; }
