package com.example.shop

import java.util.UUID
import com.example.store.Store as Backend
import kotlinx.coroutines.*

const val LIMIT = 10

typealias Items = List<Item>

/** An item of the inventory. It has a price. */
data class Item(val id: UUID, val price: Int) : Priced, Entity<UUID>(id)

interface Priced {
    fun price(): Int
}

enum class State { NEW, SOLD }

object Registry {
    val items = mutableListOf<Item>()
}

class Inventory(private val backend: Backend) : Closeable {
    private var count = 0

    companion object {
        fun open(): Inventory = Inventory(Backend())
    }

    // Adds an item.
    suspend fun add(item: Item): Boolean {
        count += 1
        Registry.items.add(item)
        return backend.save(item) ?: false
    }

    internal fun clear() {}
}

fun Item.total(factor: Int): Int = this.price * factor
