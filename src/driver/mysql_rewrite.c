/* An INSERT whose text is written anew for several rows, for servers that take one
 * row at a time. */
#include "mysql_many.h"
#include "mysql_scan.h"

#include <string.h>

enum { PIECE_ROWS = 500, MOST_PARAMS = 65535 };

/* What stands behind the row belongs to the statement: not another row. */
static bool ends_rows(my_scan *scan)
{
  static const char *const behind[] = {"on", "returning", "as", NULL};
  my_token token;

  if (!my_scan_next(scan, &token)) {
    return true;
  }
  if (my_token_is_sign(&token, ';')) {
    return !my_scan_next(scan, &token);
  }
  return my_token_is_of(&token, behind);
}

/* The word VALUES, where it is no name behind a dot, and the parenthesis behind it;
 * no parameter stands in front of it. */
static bool find_values(my_scan *scan, my_token *token)
{
  bool behind_dot = false;
  int depth = 0;

  while (my_scan_next(scan, token) && !my_token_is_sign(token, '?')) {
    if (depth == 0 && !behind_dot && my_token_is(token, "values")) {
      return my_scan_next(scan, token) && my_token_is_sign(token, '(');
    }
    behind_dot = my_token_is_sign(token, '.');
    depth += my_token_is_sign(token, '(') - my_token_is_sign(token, ')');
  }
  return false;
}

/* The parentheses behind VALUES that hold every parameter. Code in comments, which
 * other servers do not read, may begin inside of them and end outside. */
static bool find_tuple(const char *sql, size_t length, uint32_t width,
                       const char **from, const char **to)
{
  my_scan scan;
  my_token token;
  uint32_t params = 0;
  int depth = 1;

  my_scan_start(&scan, sql, length);
  if (!find_values(&scan, &token)) {
    return false;
  }
  *from = token.at;
  while (depth > 0 && my_scan_next(&scan, &token)) {
    params += my_token_is_sign(&token, '?');
    depth += my_token_is_sign(&token, '(') - my_token_is_sign(&token, ')');
  }
  *to = token.at + token.length;
  return depth == 0 && params == width && ends_rows(&scan) && !scan.has_code;
}

bool my_rewrite_fits(const my_request *request)
{
  const char *from;
  const char *to;

  return request->verb == MY_VERB_INSERT &&
         find_tuple(request->sql, request->sql_length, request->op->width,
                    &from, &to);
}

char *my_rewrite(const my_request *request, uint32_t rows, size_t *length)
{
  const char *from = NULL;
  const char *behind = NULL;
  char *text;
  char *to;
  size_t before;
  size_t size;

  if (!find_tuple(request->sql, request->sql_length, request->op->width, &from,
                  &behind)) {
    return NULL;
  }
  before = (size_t) (from - request->sql);
  size = (size_t) (behind - from);
  text = covet_arena_alloc(&request->op->arena,
                           request->sql_length + (size + 1) * rows);
  if (text == NULL) {
    return NULL;
  }
  memcpy(text, request->sql, before);
  to = text + before;
  for (uint32_t i = 0; i < rows; i++) {
    if (i > 0) {
      *to++ = ',';
    }
    memcpy(to, from, size);
    to += size;
  }
  size = request->sql_length - (size_t) (behind - request->sql);
  memcpy(to, behind, size);
  *length = (size_t) (to - text) + size;
  return text;
}

uint32_t my_rewrite_rows(const my_connection *connection)
{
  const my_request *request = &connection->request;
  const struct my_many *many = request->many;
  uint64_t most_bytes = connection->facts.max_packet / 2;
  uint64_t bytes = 0;
  uint32_t most = MOST_PARAMS / request->op->width;
  uint32_t rows = 0;

  most = most > PIECE_ROWS ? (uint32_t) PIECE_ROWS : most;
  while (rows < most && many->first + rows < many->rows) {
    bytes += my_many_bytes(request, many->first + rows);
    if (rows > 0 && most_bytes > 0 && bytes > most_bytes) {
      break;
    }
    rows++;
  }
  return rows;
}
