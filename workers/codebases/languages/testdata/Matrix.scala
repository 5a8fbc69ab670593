package com.example.math

import scala.collection.mutable
import java.util.{List => JList, Map}
import com.example.util._

/** A matrix of numbers. It is square. */
case class Matrix(rows: Int, cells: Array[Double]) extends Shape with Ordered[Matrix] {
  private val size = rows * rows

  def at(row: Int, column: Int): Double = cells(row * rows + column)

  override def compare(that: Matrix): Int = size.compare(that.rows)
}

object Matrix {
  val Empty: Matrix = new Matrix(0, Array.empty)

  // Makes a matrix of ones.
  def ones(rows: Int): Matrix = Matrix(rows, fill(rows)(1.0))
}

trait Shape {
  type Cell
  def area: Double
}

sealed abstract class Op
class Add extends Op

enum Color:
  case Red, Green

given ordering: Ordering[Matrix] = ???
