/* covet in a C program, without Lua: a thousand inserts at once on SQLite.
 *
 *   cc embed.c $(pkg-config --cflags --libs covet) && ./a.out
 *
 * The loop runs in a thread of the library's own; this thread submits, and
 * sleeps until something has come of it. */
#include <covet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INSERTS = 1000 };

static covet_runtime *runtime;
static covet_adapter *db;

static covet_op *query(const char *sql, unsigned flags)
{
  return covet_op_query(db, sql, strlen(sql), flags);
}

/* Wait for the next operation that has ended; a failed one ends the program. */
static covet_op *next_finished(void)
{
  covet_op *op;

  do {
    while ((op = covet_reap(runtime)) == NULL) {
      covet_runtime_step(runtime, -1);
    }
  } while (!covet_op_finished(op) && !covet_op_next(op));
  if (covet_op_error(op) != NULL) {
    fprintf(stderr, "%s\n", covet_op_error(op)->message);
    exit(1);
  }
  return op;
}

/* Carry one operation out, with nothing beside it. */
static covet_op *finish(covet_op *op)
{
  return covet_submit(op) == 1 ? op : next_finished();
}

int main(int argc, char **argv)
{
  covet_runtime_options options = {.mode = COVET_OWN_THREAD};
  covet_error error;
  covet_batch *rows;
  covet_op *op;

  if (covet_runtime_new(&options, &runtime, &error) != 0 ||
      covet_adapter_new(runtime, argc > 1 ? argv[1] : "sqlite::memory:", NULL,
                        0, &db, &error) != 0) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  covet_op_free(finish(query("CREATE TABLE squares (n, square)", 0)));
  for (int i = 1; i <= INSERTS; i++) {
    op = query("INSERT INTO squares VALUES (?, ?)", 0);
    covet_op_add_integer(op, i);
    covet_op_add_integer(op, i * i);
    covet_submit(op);
  }
  for (int i = 1; i <= INSERTS; i++) {
    covet_op_free(next_finished());
  }
  op = finish(
      query("SELECT count(*), sum(square) FROM squares", COVET_QUERY_ROWS));
  rows = covet_op_take(op, NULL);
  printf("%lld rows, the squares add up to %lld\n",
         (long long) rows->cells[0].integer,
         (long long) rows->cells[1].integer);
  covet_batch_free(rows);
  covet_op_free(op);
  covet_adapter_free(db);
  covet_runtime_free(runtime, 1000);
  return 0;
}
