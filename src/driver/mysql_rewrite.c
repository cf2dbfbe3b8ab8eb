/* An INSERT whose text is written anew for several rows, for servers that take one
 * row at a time. */
#include "mysql_many.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { PIECE_ROWS = 500, MOST_PARAMS = 65535 };

/* Behind a string or name that begins here; else one byte on. */
static const char *skip(const char *at, const char *end)
{
  char quote = *at;

  if (strchr("'\"`", quote) == NULL || quote == '\0') {
    return at + 1;
  }
  for (at++; at < end && *at != quote; at++) {
    at += *at == '\\' && quote != '`';
  }
  return at < end ? at + 1 : end;
}

static bool is_comment(const char *at, const char *end)
{
  return *at == '#' || (end - at > 1 && ((at[0] == '-' && at[1] == '-') ||
                                         (at[0] == '/' && at[1] == '*')));
}

/* The parentheses behind VALUES that hold every parameter. */
static bool find_tuple(const char *sql, size_t length, uint32_t width,
                       const char **from, const char **to)
{
  const char *end = sql + length;
  uint32_t params = 0;
  int depth = 0;

  *from = NULL;
  for (const char *at = sql; at < end; at = skip(at, end)) {
    if (*from == NULL && end - at > 6 && strncasecmp(at, "values", 6) == 0) {
      at += 6;
      while (at < end && isspace((unsigned char) *at)) {
        at++;
      }
      if (at == end || *at != '(') {
        return false;
      }
      *from = at;
    }
    if (is_comment(at, end) || (*at == '?' && *from == NULL)) {
      return false;
    }
    params += *at == '?';
    if (*from != NULL) {
      depth += (*at == '(') - (*at == ')');
      if (depth == 0) {
        *to = at + 1;
        return params == width;
      }
    }
  }
  return false;
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
