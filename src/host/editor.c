#include "editor.h"

#include <lauxlib.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "utf8.h"

#define HISTORY_SIZE 1000

#define KEY_INTERRUPT 0x03
#define KEY_END 0x04
#define KEY_QUOTE 0x16
#define KEY_SUSPEND 0x1A
#define KEY_ESCAPE 0x1B

static editor *editor_of(EditLine *line)
{
  void *self = NULL;

  el_get(line, EL_CLIENTDATA, &self);
  return self;
}

static void push_wide(lua_State *L, const wchar_t *text, size_t length)
{
  luaL_Buffer buffer;
  char bytes[4];

  luaL_buffinit(L, &buffer);
  for (size_t i = 0; i < length; i++) {
    luaL_addlstring(&buffer, bytes, utf8_encode(text[i], bytes));
  }
  luaL_pushresult(&buffer);
}

/* --- What libedit calls ---------------------------------------------------- */

static char *on_prompt(EditLine *line)
{
  return editor_of(line)->prompt;
}

/* One character of the input that was fed; 0 when it is used up. */
static int on_read(EditLine *line, wchar_t *c)
{
  editor *self = editor_of(line);

  if (self->taken == self->size) {
    return 0;
  }
  self->taken +=
      utf8_decode(self->input + self->taken, self->size - self->taken, c);
  return 1;
}

static void insert_text(EditLine *line, const char *text, size_t length)
{
  wchar_t wide[2] = {0, 0};

  for (size_t i = 0; i < length;) {
    i += utf8_decode(text + i, length - i, &wide[0]);
    el_winsertstr(line, wide);
  }
}

/* Ask Lua: completer(text before the cursor) gives what to insert and whether
   it has printed a list. An error in it is no reason to lose the line. */
static unsigned char on_complete(EditLine *line, wint_t key)
{
  editor *self = editor_of(line);
  const LineInfoW *info = el_wline(line);
  lua_State *L = self->L;
  unsigned char result = CC_ERROR;
  size_t length;
  const char *text;

  (void) key;
  lua_rawgeti(L, LUA_REGISTRYINDEX, self->completer);
  push_wide(L, info->buffer, (size_t) (info->cursor - info->buffer));
  if (lua_pcall(L, 1, 2, 0) != 0) {
    lua_pop(L, 1);
    return CC_ERROR;
  }
  text = lua_tolstring(L, -2, &length);
  if (text != NULL && length > 0) {
    insert_text(line, text, length);
    result = CC_REFRESH;
  }
  if (lua_toboolean(L, -1)) {
    result = CC_REDISPLAY;
  }
  lua_pop(L, 2);
  return result;
}

/* --- Keys ------------------------------------------------------------------ */

/* Whether `keys` starts with all bytes of a key. What is cut off waits for the
   rest, so that libedit is never asked to wait in the middle of one. */
static int has_whole_key(const char *keys, size_t size)
{
  unsigned char first = (unsigned char) keys[0];

  if (first == KEY_QUOTE) {
    return size > 1 && has_whole_key(keys + 1, size - 1);
  }
  if (first != KEY_ESCAPE) {
    return size >= utf8_length(first);
  }
  if (size < 2) {
    return 0;
  }
  if (keys[1] == 'O') {
    return size > 2;
  }
  if (keys[1] != '[') {
    return size > utf8_length((unsigned char) keys[1]);
  }
  for (size_t i = 2; i < size; i++) {
    if (keys[i] >= 0x40 && keys[i] <= 0x7E) {
      return 1;
    }
  }
  return 0;
}

/* Give libedit one key. Returns what it made: "line" (its text is pushed),
   "eof", or NULL when the line goes on. */
static const char *take_key(editor *self, lua_State *L)
{
  int count = 0;
  const wchar_t *text = el_wgets(self->line, &count);

  if (text == NULL || count <= 0) {
    return NULL;
  }
  if (text[count - 1] == L'\n' || text[count - 1] == L'\r') {
    push_wide(L, text, (size_t) count - 1);
    return "line";
  }
  if (count == 1 && text[0] == KEY_END) {
    lua_pushnil(L);
    return "eof";
  }
  return NULL;
}

const char *editor_take_keys(editor *self, lua_State *L)
{
  while (self->taken < self->size &&
         has_whole_key(self->input + self->taken, self->size - self->taken)) {
    char key = self->input[self->taken];
    const char *event;

    if (key == KEY_INTERRUPT || key == KEY_SUSPEND) {
      self->taken++;
      lua_pushnil(L);
      return key == KEY_INTERRUPT ? "interrupt" : "suspend";
    }
    event = take_key(self, L);
    if (event != NULL) {
      return event;
    }
  }
  lua_pushnil(L);
  return NULL;
}

/* --- Life ------------------------------------------------------------------ */

static void set_up_line(editor *self)
{
  HistEvent event;
  EditLine *line = self->line;

  history(self->history, &event, H_SETSIZE, HISTORY_SIZE);
  history(self->history, &event, H_SETUNIQUE, 1);
  el_set(line, EL_CLIENTDATA, self);
  el_set(line, EL_PROMPT, on_prompt);
  el_set(line, EL_EDITOR, "emacs");
  el_set(line, EL_HIST, history, self->history);
  el_wset(line, EL_GETCFN, on_read);
  /* Ctrl-C and Ctrl-Z are keys while a line is typed, not signals. */
  el_set(line, EL_SETTY, "-d", "-isig", NULL);
  /* The wide form keeps the strings; the other one leaks copies of them. */
  el_wset(line, EL_ADDFN, L"covet-complete", L"Complete", on_complete);
  el_set(line, EL_BIND, "^I", "covet-complete", NULL);
  /* libedit's search of its own would wait for keys. */
  el_set(line, EL_BIND, "^R", "ed-search-prev-history", NULL);
  el_source(line, NULL);
}

/* Wide characters need a locale that knows them, whatever the user has. */
static void set_character_type(void)
{
  if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1) {
    setlocale(LC_CTYPE, "C.UTF-8");
  }
}

int editor_init(editor *self)
{
  memset(self, 0, sizeof(*self));
  self->completer = LUA_NOREF;
  set_character_type();
  self->history = history_init();
  self->line = el_init("covet", stdin, stdout, stderr);
  if (self->line == NULL || self->history == NULL) {
    return -1;
  }
  set_up_line(self);
  return 0;
}

void editor_deinit(editor *self)
{
  if (self->line != NULL) {
    editor_stop(self);
    el_end(self->line);
    self->line = NULL;
  }
  if (self->history != NULL) {
    history_end(self->history);
    self->history = NULL;
  }
}

void editor_start(editor *self)
{
  if (!self->active) {
    self->active = 1;
    el_set(self->line, EL_UNBUFFERED, 1);
  }
}

void editor_stop(editor *self)
{
  if (self->active) {
    self->active = 0;
    el_set(self->line, EL_UNBUFFERED, 0);
  }
}

int editor_rows_above_cursor(editor *self)
{
  const LineInfoW *info = el_wline(self->line);
  int columns = 80;
  size_t width = strlen(self->prompt);

  el_get(self->line, EL_GETTC, "co", &columns);
  for (const wchar_t *c = info->buffer; c < info->cursor; c++) {
    int cells = wcwidth(*c);

    width += cells > 0 ? (size_t) cells : 0;
  }
  return columns > 0 ? (int) (width / (size_t) columns) : 0;
}
