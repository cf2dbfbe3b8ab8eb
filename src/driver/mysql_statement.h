/** Prepared statements of a connection, and how long they are kept. */
#ifndef COVET_DRIVER_MYSQL_STATEMENT_H
#define COVET_DRIVER_MYSQL_STATEMENT_H

#include "../core/stmt_cache.h"
#include "mysql_call.h"
#include "mysql_value.h"

/** Whether a statement that the server does not prepare is prepared in a block. */
typedef enum my_block {
  MY_BLOCK_UNTRIED,
  MY_BLOCK_USED,
  MY_BLOCK_REFUSED
} my_block;

/** A prepared statement of one connection; `covet_stmt` comes first. */
typedef struct my_statement {
  covet_stmt base;
  covet_node node; /* among those to be closed */
  my_connection *connection;
  MYSQL_STMT *handle;
  bool cached;
  bool prepared;
  bool described; /* the server told its columns then */
  bool text_only; /* the server does not prepare it */
  bool outdated;  /* its columns are others by now */
  bool shares;    /* it can be sent with others: mysql_ahead.h */
  my_block block;
  my_columns columns; /* of the last run */
} my_statement;

/** The operation's statement, from the cache or new; NULL: no memory. */
my_statement *my_statement_get(my_connection *connection, const char *sql,
                               size_t length, uint32_t hash);

/** Give it back; else than `keep`: nobody gets it any more. */
void my_statement_end(my_statement *statement, bool keep);
void my_statement_destroy(covet_stmt *stmt);

/** The server has dropped all of them. */
void my_statements_forget(my_connection *connection);

/** Close those that are not wanted; `done` follows. True: there are some. */
bool my_statements_close(my_connection *connection, my_done done);
void my_statements_free(my_connection *connection);

#endif
