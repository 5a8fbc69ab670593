import 'dart:async';
import 'package:shop/models.dart' as models show Item, Price hide Old;
export 'src/total.dart';
part 'cart.g.dart';

const int maxItems = 20;

/// A cart of items. It can be empty.
class Cart extends Basket with Counted implements Comparable<Cart> {
  final List<Item> items;
  static int _open = 0;

  Cart(this.items);
  Cart.empty() : items = [];
  factory Cart.of(Item item) => Cart([item]);

  /// Adds an item.
  Future<void> add(Item item) async {
    items.add(item);
    await models.save(item);
    notify();
  }

  int get length => items.length;

  set limit(int value) {}

  @override
  int compareTo(Cart other) => length - other.length;
}

mixin Counted on Basket {
  int count = 0;
}

enum Status { open, closed }

extension Sums on Cart {
  num total() => items.fold(0, (sum, item) => sum + item.price);
}

typedef Listener = void Function(Cart cart);

void main() {
  final cart = Cart.empty();
  print(cart.length);
}
