defmodule Bank.Ledger do
  @moduledoc """
  Keeps entries. They are never removed.
  """
  use GenServer
  alias Bank.{Account, Entry}
  alias Bank.Money, as: Cash
  import Enum, only: [map: 2]
  require Logger

  @behaviour Bank.Book
  @limit 100

  defstruct [:entries, total: 0]

  @doc "Adds an entry. Returns the ledger."
  @spec add(t(), Entry.t()) :: t()
  def add(%__MODULE__{} = ledger, entry) when is_map(entry) do
    Logger.info("adding")
    ledger |> push(entry) |> Account.touch()
  end

  defp push(ledger, entry), do: %Entry{ledger | entry: entry}

  defmacro trace(expr) do
    quote do: unquote(expr)
  end

  @impl true
  def init(state), do: {:ok, state}
end

defprotocol Bank.Printable do
  def print(value)
end

defimpl Bank.Printable, for: Bank.Ledger do
  def print(value), do: to_string(value)
end
