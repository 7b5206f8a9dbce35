// Helpers that bind kernels: arrays are typed and never converted, and errors name the argument. By default nanobind
// copies arrays of another type or layout silently, and an output's copy would be lost.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <array>
#include <optional>
#include <string>
#include <type_traits>

namespace nb = nanobind;

// Arrays of a kernel: of this shape (-1: any length), contiguous, on the CPU.
template <typename T, int64_t... Shape>
using In = nb::ndarray<const T, nb::shape<Shape...>, nb::c_contig, nb::device::cpu>;
template <typename T, int64_t... Shape>
using Out = nb::ndarray<T, nb::shape<Shape...>, nb::c_contig, nb::device::cpu>;
// An array with any strides.
template <typename T, int64_t... Shape>
using Strided = nb::ndarray<const T, nb::shape<Shape...>, nb::device::cpu>;

template <typename T>
struct ArrayText : std::false_type {};

template <typename T, int64_t... Shape, typename... Rest>
struct ArrayText<nb::ndarray<T, nb::shape<Shape...>, Rest...>> : std::true_type {
  static std::string text() {
    using Number = std::remove_const_t<T>;
    std::string kind = std::is_same_v<Number, bool> ? "bool" : std::is_floating_point_v<Number> ? "float" : "int";
    if (std::is_unsigned_v<Number> && kind == "int") kind = "uint";
    if (kind != "bool") kind += std::to_string(8 * sizeof(Number));
    std::string shape;
    ((shape += (shape.empty() ? "" : ", ") + (Shape < 0 ? std::string("*") : std::to_string(Shape))), ...);
    const bool contiguous = (std::is_same_v<Rest, nb::c_contig> || ...);
    return "an array " + kind + " [" + shape + "]" + (contiguous ? ", C-contiguous" : "") +
        (std::is_const_v<T> ? "" : ", writable") + ", on the CPU";
  }
};

template <typename Array>
struct ArrayText<std::optional<Array>> : ArrayText<Array> {
  static std::string text() { return ArrayText<Array>::text() + ", or None"; }
};

template <typename T>
struct IsOptional : std::false_type {};

template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

inline std::string python_text(nb::handle object) { return nb::str(object).c_str(); }

inline std::string list_text(nb::handle sequence) { return python_text(nb::steal(PySequence_List(sequence.ptr()))); }

inline std::string given_text(nb::handle given) {
  if (!nb::hasattr(given, "dtype") || !nb::hasattr(given, "shape")) {
    return python_text(given.type().attr("__name__"));
  }
  std::string text = python_text(given.attr("dtype")) + " " + list_text(given.attr("shape"));
  if (nb::hasattr(given, "strides")) text += " with strides " + list_text(given.attr("strides"));
  if (nb::hasattr(given, "flags") && nb::hasattr(given.attr("flags"), "writeable") &&
      !nb::cast<bool>(given.attr("flags").attr("writeable"))) {
    text += ", read-only";
  }
  return text;
}

// Raises TypeError for an argument of another type.
template <typename T>
void check_argument(const std::string& function, const char* name, nb::handle given) {
  using Plain = std::decay_t<T>;
  bool fits = false;
  std::string wanted;
  if constexpr (ArrayText<Plain>::value) {
    Plain array;
    fits = nb::try_cast<Plain>(given, array, false);
    wanted = ArrayText<Plain>::text();
  } else if constexpr (std::is_arithmetic_v<Plain>) {
    Plain number;
    fits = nb::try_cast<Plain>(given, number, true);
    wanted = std::is_same_v<Plain, bool> ? "a bool" : std::is_integral_v<Plain> ? "an int" : "a float";
  } else {
    using Class = std::remove_const_t<std::remove_pointer_t<Plain>>;
    fits = nb::isinstance<Class>(given) || (std::is_pointer_v<Plain> && given.is_none());
    wanted = "a " + python_text(nb::type<Class>().attr("__name__")) + (std::is_pointer_v<Plain> ? " or None" : "");
  }
  if (!fits) {
    throw nb::type_error((function + ": " + name + " must be " + wanted + "; got " + given_text(given)).c_str());
  }
}

template <size_t COUNT>
using Names = std::array<const char*, COUNT>;

// The last overload, which reports why no other one fits.
template <typename... Args>
[[noreturn]] void refuse(const std::string& function, const Names<sizeof...(Args)>& names, nb::args given,
                         nb::kwargs named) {
  constexpr size_t count = sizeof...(Args);
  size_t at = 0;
  [[maybe_unused]] const auto check = [&](auto* type) {
    using Arg = std::remove_pointer_t<decltype(type)>;
    const char* name = names[at];
    if (at < given.size()) check_argument<Arg>(function, name, given[at]);
    else if (named.contains(name)) check_argument<Arg>(function, name, named[name]);
    else throw nb::type_error((function + ": " + name + " is missing").c_str());
    ++at;
  };
  (check(static_cast<std::decay_t<Args>*>(nullptr)), ...);
  // All fit, if numbers are converted, as from int to float: nanobind tries that when no overload has fitted exactly.
  if (given.size() + named.size() == count) throw nb::next_overload();
  throw nb::type_error((function + " takes " + std::to_string(count) + " arguments, got " +
                        std::to_string(given.size() + named.size())).c_str());
}

template <typename T>
auto argument(const char* name) {
  if constexpr (IsOptional<T>::value) return nb::arg(name).noconvert().none();
  else if constexpr (ArrayText<std::decay_t<T>>::value) return nb::arg(name).noconvert();
  else if constexpr (std::is_pointer_v<T>) return nb::arg(name).none();
  else return nb::arg(name);
}

// A kernel as a function of the module. It runs without the interpreter's lock; its arguments outlive that.
template <typename Result, typename... Args, size_t... I>
void define(nb::module_& module, const char* name, Result (*kernel)(Args...), const Names<sizeof...(Args)>& names,
            std::index_sequence<I...>) {
  module.def(name, [kernel](Args... args) {
    nb::gil_scoped_release release;
    return kernel(args...);
  }, argument<Args>(names[I])...);
  module.def(name, [name, names](nb::args given, nb::kwargs named) { refuse<Args...>(name, names, given, named); });
}

template <typename Result, typename... Args>
void define(nb::module_& module, const char* name, Result (*kernel)(Args...), const Names<sizeof...(Args)>& names) {
  define(module, name, kernel, names, std::index_sequence_for<Args...>());
}

// The same as a method: the kernel's first argument is the object. Storing or releasing arrays needs the lock.
enum class Lock { RELEASE, KEEP };

template <Lock LOCK, typename Class, typename Result, typename Self, typename... Args, size_t... I>
void method(nb::class_<Class>& to, const char* name, Result (*kernel)(Self, Args...),
            const Names<sizeof...(Args)>& names, std::index_sequence<I...>) {
  to.def(name, [kernel](Self self, Args... args) {
    std::conditional_t<LOCK == Lock::RELEASE, nb::gil_scoped_release, nb::gil_scoped_acquire> lock;
    return kernel(self, args...);
  }, argument<Args>(names[I])...);
  to.def(name, [name, names](Self, nb::args given, nb::kwargs named) {
    refuse<Args...>(python_text(nb::type<Class>().attr("__name__")) + "." + name, names, given, named);
  });
}

template <Lock LOCK = Lock::RELEASE, typename Class, typename Result, typename Self, typename... Args>
void method(nb::class_<Class>& to, const char* name, Result (*kernel)(Self, Args...),
            const Names<sizeof...(Args)>& names) {
  method<LOCK>(to, name, kernel, names, std::index_sequence_for<Args...>());
}

// A constructor; every argument is given by its name.
template <typename Class, typename... Args, size_t... I>
void constructor(nb::class_<Class>& to, const Names<sizeof...(Args)>& names, std::index_sequence<I...>) {
  to.def("__init__", [](Class* self, Args... args) { new (self) Class(args...); }, nb::kw_only(),
         argument<Args>(names[I])...);
  to.def("__init__", [names](Class*, nb::args given, nb::kwargs named) {
    const std::string name = python_text(nb::type<Class>().attr("__name__"));
    if (given.size() > 0) throw nb::type_error((name + " takes its arguments by their names").c_str());
    refuse<Args...>(name, names, given, named);
  });
}

template <typename Class, typename... Args>
void constructor(nb::class_<Class>& to, const Names<sizeof...(Args)>& names) {
  constructor<Class, Args...>(to, names, std::index_sequence_for<Args...>());
}

// Raises ValueError, which names the argument.
inline void require(bool fits, const char* argument, const std::string& rule) {
  if (!fits) throw nb::value_error((std::string(argument) + " " + rule).c_str());
}

template <typename Array>
void require_rows(const Array& array, const char* argument, size_t rows) {
  if (array.shape(0) != rows) {
    require(false, argument, "must have " + std::to_string(rows) + " rows, got " + std::to_string(array.shape(0)));
  }
}
