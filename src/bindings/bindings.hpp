// The parts of the module, and the classes that several parts use.
#pragma once

#include "constants.hpp"
#include "define.hpp"
#include "lens.hpp"
#include "people.hpp"
#include "simd.hpp"

// Levels of src/CMakeLists.txt that this CPU can run, the best one first.
nb::list supported_levels();

void bind_image(nb::module_& module);
void bind_lens(nb::module_& module);
void bind_evidence(nb::module_& module);
void bind_confidence(nb::module_& module);
void bind_patches(nb::module_& module);
void bind_tracking(nb::module_& module);
void bind_messages(nb::module_& module);
void bind_surface(nb::module_& module);
void bind_reader(nb::module_& module);

// Layers [inputs, outputs] without biases; None: a network without projector, whose features are embeddings.
using Projector = std::optional<In<float, PROJECTOR_LAYERS, INSTANCE_CHANNELS, INSTANCE_CHANNELS>>;

// A lens, and the table of its inverse.
class BoundLens {
 public:
  BoundLens(int64_t model, In<double, 12> coefficients, double valid_radius, In<double, -1> radii,
            In<double, -1> distorted);
  const Lens& get() const { return lens_; }

 private:
  Lens lens_;
  In<double, -1> radii_, distorted_;
};
