require "json"
require_relative "lib/money"

# Billing of customers.
module Billing
  RATE = 0.2

  # An invoice for one customer. It can be paid once.
  class Invoice < Document
    include Comparable
    extend Forwardable

    attr_reader :lines, :total

    def initialize(lines)
      @lines = lines
    end

    # Pays the invoice.
    def pay!(with: nil)
      raise PaidError.new("paid") if paid?
      Ledger::Entry.create(total)
      lines.each { |line| line.settle }
    end

    def self.build(json)
      new(JSON.parse(json))
    end

    def paid? = @paid

    alias_method :settle!, :pay!
  end

  class PaidError < StandardError; end
end

def helper(value)
  puts value
end
