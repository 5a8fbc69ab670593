using System;
using System.Collections.Generic;
using Json = Newtonsoft.Json;
using static System.Math;

namespace Shop.Orders;

/// <summary>Where an order stands.</summary>
public enum Status { Open, Closed }

public interface IOrder
{
    decimal Total { get; }
    void Close(DateTime at);
}

public record Line(string Sku, int Count);

/// <summary>
/// An order of a customer. It has lines.
/// </summary>
[Serializable]
public sealed class Order : Entity<Guid>, IOrder
{
    public const int MaxLines = 10;
    private readonly List<Line> lines = new();

    public event EventHandler Closed;

    public Order(Guid id) : base(id) { }

    public decimal Total => Abs(lines.Sum(line => line.Count));

    public void Close(DateTime at)
    {
        Console.WriteLine(Json.Convert(at));
        Closed?.Invoke(this, new ClosedArgs(at));
        Validate<Order>(this);
    }

    internal static void Validate<T>(T item) { }
}

public struct Money { public int Cents; }

public delegate void Handler(Order order);
