#include <stdio.h>
#include "ring.h"

#define RING_SIZE 64
#define NEXT(i) (((i) + 1) % RING_SIZE)

/* A ring of numbers. */
struct ring {
    int items[RING_SIZE];
    size_t head;
};

typedef struct ring ring_t;
typedef int (*visitor)(int item);

enum mode { MODE_READ, MODE_WRITE = 2 };

union value {
    int number;
    char *text;
};

static int counter = 0;
extern const char *ring_name;

int ring_push(struct ring *r, int item);

/* Adds an item. The oldest is lost. */
int ring_push(struct ring *r, int item)
{
    r->items[r->head] = item;
    r->head = NEXT(r->head);
    return check(r);
}

static ring_t *ring_open(enum mode mode)
{
    ring_t *r = malloc(sizeof(ring_t));
    printf("%d\n", counter);
    r->close(visit);
    return r;
}
