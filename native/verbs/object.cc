#include "verbs/object.h"

namespace pinfold::verbs {

Object::Object(Kind kind, std::initializer_list<Object*> parents) : kind_(kind) {
  for (Object* const parent : parents) {
    if (parent == nullptr) continue;
    parents_.push_back(parent);
    parent->keep();
  }
}

Object::~Object() {
  for (Object* const parent : parents_) parent->letGo();
}

void Object::moveTo(Object& to) noexcept {
  to.keep();
  parents_.front()->letGo();
  parents_.front() = &to;
}

}  // namespace pinfold::verbs
