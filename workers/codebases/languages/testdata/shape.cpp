#include <vector>
#include "shape.hpp"

using std::vector;
using namespace geo::util;
namespace fs = std::filesystem;

namespace geo {

constexpr double PI = 3.14;

/// A shape with an area.
class Shape {
public:
    virtual ~Shape() = default;
    virtual double area() const = 0;

protected:
    int id_;
};

template <typename T>
struct Box : public Shape, private Counted<T> {
    explicit Box(T side) : side_(side) {}
    double area() const override { return side_ * side_; }
    T side_;
};

enum class Color { Red, Green };

using Shapes = std::vector<Shape*>;

// Sums the areas of shapes.
double total(const Shapes& shapes)
{
    double sum = 0;
    for (auto* shape : shapes) sum += shape->area();
    return std::max(sum, helper<int>(0));
}

static int helper_local() { return new Box<int>(1) != nullptr; }

}  // namespace geo

double geo::Circle::area() const { return geo::PI * radius(); }

bool operator==(const Shape& a, const Shape& b) { return true; }
