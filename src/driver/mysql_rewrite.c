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

static bool is_of_a_word(char c)
{
  return isalnum((unsigned char) c) || c == '_' || c == '$' || c == '.' ||
         (unsigned char) c >= 0x80;
}

/* Whether a word begins here, and ends with its last letter. */
static bool is_word(const char *sql, const char *at, const char *end,
                    const char *word)
{
  size_t size = strlen(word);

  return (size_t) (end - at) >= size && strncasecmp(at, word, size) == 0 &&
         (at == sql || !is_of_a_word(at[-1])) &&
         (at + size == end || !is_of_a_word(at[size]));
}

static const char *skip_blanks(const char *at, const char *end)
{
  while (at < end && isspace((unsigned char) *at)) {
    at++;
  }
  return at;
}

/* What stands behind the row belongs to the statement: not another row. */
static bool ends_rows(const char *sql, const char *at, const char *end)
{
  at = skip_blanks(at, end);
  if (at < end && *at == ';') {
    return skip_blanks(at + 1, end) == end;
  }
  return at == end || is_word(sql, at, end, "on") ||
         is_word(sql, at, end, "returning") || is_word(sql, at, end, "as");
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
    if (*from == NULL && depth == 0 && is_word(sql, at, end, "values")) {
      at = skip_blanks(at + 6, end);
      if (at == end || *at != '(') {
        return false;
      }
      *from = at;
    }
    if (is_comment(at, end) || (*at == '?' && *from == NULL)) {
      return false;
    }
    params += *at == '?';
    depth += (*at == '(') - (*at == ')');
    if (*from != NULL && depth == 0) {
      *to = at + 1;
      return params == width && ends_rows(sql, *to, end);
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
