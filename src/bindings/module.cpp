// The Python module of icl_mesh/kernels/_compiled.pyi.
#include "bindings.hpp"

NB_MODULE(ICL_MESH_MODULE, module) {
  module.attr("LANES") = LANES;
  module.def("supported_levels", &supported_levels);
  bind_image(module);
  bind_lens(module);
  bind_evidence(module);
  bind_confidence(module);
  bind_patches(module);
  bind_tracking(module);
  bind_messages(module);
  bind_surface(module);
  bind_reader(module);
}
