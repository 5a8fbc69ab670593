package com.example.bank;

import java.util.List;
import java.util.concurrent.*;
import static java.util.Objects.requireNonNull;

/**
 * An account of a customer. It keeps its balance.
 */
@Entity
public class Account extends Record implements Comparable<Account>, Auditable {
    public static final int LIMIT = 1000;
    private final List<Entry> entries;

    public Account(List<Entry> entries) {
        this.entries = requireNonNull(entries);
    }

    /** Adds an amount. */
    @Override
    public void deposit(Money amount) throws LimitException {
        if (amount.value() > LIMIT) {
            throw new LimitException(amount);
        }
        entries.add(new Entry(amount));
        Audit.log(this::describe);
    }

    String describe() {
        return super.toString();
    }

    enum Kind { SAVINGS, CHECKING }

    interface Visitor<R> {
        R visit(Account account);
    }
}

record Point(int x, int y) {}

@interface Entity {
    String name() default "";
}
